"""Another user of this machine finds nothing of ours open, and nothing that he prepares is followed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cli_tool import Place, ago, finish, name_of, stand_in

from reportsync.config import load
from reportsync.errors import ConfigError
from reportsync.sandbox import Sandbox

APP = stand_in("one", 3)


@pytest.mark.slow
def test_nothing_of_ours_is_open_to_others_even_under_umask_000(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP], more="hooks: {arrival: 'true'}\n")
        assert finish(place.start("sync", umask=0)).code == 0
    assert finish(place.start("init", "mine.yaml", umask=0)).code == 0
    ours = [place.archive, *place.archive.rglob("*"), place.ledger, place.folder / "mine.yaml"]
    assert len(ours) > 9
    for path in ours:
        mode = path.stat().st_mode
        assert not mode & (stat.S_IRWXO | stat.S_IWGRP), f"{path}: {mode:o}"
        if path.suffix in (".db", ".yaml"):
            assert not mode & stat.S_IRWXG, f"{path}: {mode:o}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted", ["a folder of an app", "a year", "an archive", "the sums", "a backup"]
)
def test_a_link_that_somebody_planted_in_the_archive_is_not_followed(
    place: Place, planted: str
) -> None:
    victim = place.folder / "victim"
    victim.mkdir()
    (victim / "file").write_text("precious")
    year = place.archive / "one" / f"{ago(2):%Y}"
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        if planted != "a backup":
            place.archive.mkdir()
        match planted:
            case "a folder of an app":
                (place.archive / "one").symlink_to(victim)
            case "a year":
                year.parent.mkdir()
                year.symlink_to(victim)
            case "an archive":
                year.mkdir(parents=True)
                (year / name_of(ago(2))).symlink_to(victim / "file")
            case "the sums":
                year.mkdir(parents=True)
                (year / "SHA256SUMS").symlink_to(victim / "file")
            case "a backup":
                assert place.run("sync").code == 0
                next((place.archive / ".ledger").glob("*.db")).unlink()
                (place.archive / ".ledger" / ".reportsync-ledger.part").symlink_to(victim / "file")
        done = place.run("sync")
    assert done.code in (0, 3, 5)
    assert "Traceback" not in done.err
    assert [path.name for path in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "a/b", "..", ".", ".hidden", "a\n", "%2e%2e", ""]
)
def test_the_name_of_a_credential_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("not-for-this-app-0123456789")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(
        "apps: [{name: one, app_id: ONE, data_center: 01, since: 2026-01-01,"
        f' secret_key: "${{credential:{name.encode("unicode_escape").decode()}}}"}}]\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(config, {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert "a credential's name is of letters" in caught.value.message
