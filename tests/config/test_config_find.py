"""Which file is the config: the order of the places, and what each error says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_files import APP, ENVIRON, Write

from reportsync.config import load
from reportsync.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder, and make an empty folder beside it the current one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(APP)
    return path


def test_the_places_are_tried_in_the_order_of_the_contract(home: Path) -> None:
    environ = {**ENVIRON, "HOME": str(home)}
    users = put(home / ".config" / "reportsync" / "config.yaml")
    loaded = load(None, environ)
    assert (loaded.path, loaded.source) == (users, "~/.config/reportsync/config.yaml")

    xdg = put(home / "xdg" / "reportsync" / "config.yaml")
    environ["XDG_CONFIG_HOME"] = str(home / "xdg")
    loaded = load(None, environ)
    assert (loaded.path, loaded.source) == (xdg, "$XDG_CONFIG_HOME/reportsync/config.yaml")

    here = put(home.parent / "here" / "config.yaml")
    loaded = load(None, environ)
    assert (loaded.path, loaded.source) == (here, "./config.yaml")

    named = environ["REPORTSYNC_CONFIG"] = str(put(home / "named.yaml"))
    loaded = load(None, environ)
    assert (str(loaded.path), loaded.source) == (named, "$REPORTSYNC_CONFIG")

    given = put(home / "given.yaml")
    loaded = load(given, environ)
    assert (loaded.path, loaded.source) == (given, "--config")


def test_a_config_that_anybody_may_write_is_not_picked_up_from_the_current_folder(
    home: Path,
) -> None:
    put(Path("config.yaml")).chmod(0o666)
    environ = {**ENVIRON, "HOME": str(home)}
    with pytest.raises(ConfigError) as caught:
        load(None, environ)
    assert caught.value.message == (
        "the config file config.yaml is one that anybody may write (mode 0666), "
        "and is not taken unasked"
    )
    assert caught.value.hint == (
        "if it is the one that you mean: reportsync --config config.yaml ..."
    )
    (warning,) = load(Path("config.yaml"), environ).warnings
    assert warning.endswith(
        "anybody may write this file, and so have commands run as you: chmod o-w"
    )


@pytest.mark.parametrize("place", ["here/config.yaml", "home/.config/reportsync/config.yaml"])
def test_a_config_of_another_user_is_not_picked_up_from_the_current_folder_or_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    mine = put(home.parent / place)
    if os.geteuid() == 0:
        os.chown(mine, 65534, -1)
    else:  # only root can give a file away; anybody can have become somebody else since
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    owner = mine.stat().st_uid
    with pytest.raises(ConfigError, match=f"belongs to user {owner}, and is not taken unasked"):
        load(None, {**ENVIRON, "HOME": str(home)})
    assert load(mine, ENVIRON).source == "--config"


def test_a_relative_xdg_folder_is_ignored(home: Path) -> None:
    users = put(home / ".config" / "reportsync" / "config.yaml")
    put(Path("xdg") / "reportsync" / "config.yaml")
    assert load(None, {**ENVIRON, "HOME": str(home), "XDG_CONFIG_HOME": "xdg"}).path == users


def test_a_user_that_the_machine_does_not_know_has_no_place_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(ConfigError) as caught:
        load(None, {})
    assert "no config.yaml (./config.yaml), no /etc/reportsync/config.yaml" in caught.value.message

    here = put(home.parent / "here" / "config.yaml")
    assert load(None, ENVIRON).path == here


def test_without_any_file_each_place_is_listed(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"HOME": str(home), "REPORTSYNC_CONFIG": ""})
    assert caught.value.message == (
        "no config file: --config and $REPORTSYNC_CONFIG are not given, and there is no "
        f"config.yaml (./config.yaml), no {home}/.config/reportsync/config.yaml "
        "(~/.config/reportsync/config.yaml), no /etc/reportsync/config.yaml"
    )
    assert caught.value.hint == "reportsync init"


def test_a_file_that_was_named_is_never_replaced_by_another(home: Path) -> None:
    put(Path("config.yaml"))
    missing = home / "missing.yaml"
    for path, environ, source in (
        (missing, {}, "--config"),
        (None, {"REPORTSYNC_CONFIG": str(missing)}, "$REPORTSYNC_CONFIG"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path, environ)
        assert caught.value.message == f"there is no config file {missing} ({source})"
        assert caught.value.hint == f"reportsync init {missing}"


def test_a_link_to_nothing_is_an_error_and_not_passed_over(home: Path) -> None:
    put(home / ".config" / "reportsync" / "config.yaml")
    Path("config.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(ConfigError, match=r"cannot read the config file config.yaml: No such file"):
        load(None, {**ENVIRON, "HOME": str(home)})


def test_a_place_that_cannot_be_looked_at_is_an_error(home: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"cannot look for the config file .*: File name too long"
    ):
        load(Path("x" * 300), {})


def test_a_folder_is_no_config_file(home: Path) -> None:
    folder = home.parent / "my configs"
    folder.mkdir()
    here = Path("config.yaml")
    here.mkdir()
    variable = {**ENVIRON, "REPORTSYNC_CONFIG": str(folder)}
    for given, environ, told in (
        (folder, ENVIRON, folder), (None, variable, folder), (None, ENVIRON, here),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            load(given, environ)
        assert caught.value.message == f"the config file {told} is a folder"
        assert "a container makes a folder" in str(caught.value.hint)
    (folder / "config.yaml").touch()
    with pytest.raises(ConfigError) as caught:
        load(folder, ENVIRON)
    assert caught.value.hint == f"name the file in it: '{folder}/config.yaml'"


def test_a_file_in_another_encoding_is_told_with_its_line(write: Write) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write("# Größe\n".encode("latin-1") + APP.encode()), ENVIRON)
    assert caught.value.message.endswith("is not UTF-8 text (line 1)")
    assert caught.value.__context__ is None


def test_a_file_with_a_byte_order_mark_loads(write: Write) -> None:
    assert load(write(b"\xef\xbb\xbf" + APP.encode()), ENVIRON).config.apps[0].name == "shop-de"


def test_a_pipe_is_a_config_file_that_only_its_reader_sees() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as file:
        file.write(APP.replace("${env:SHOP_DE_KEY}", "literal-key-in-a-pipe"))
        file.close()
        loaded = load(Path(f"/dev/fd/{reading}"), {})
    assert loaded.config.apps[0].secret_key[0].get_secret_value() == "literal-key-in-a-pipe"


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(2**34)
    with pytest.raises(ConfigError, match=r"is larger than 16 MiB"):
        load(huge, {})
