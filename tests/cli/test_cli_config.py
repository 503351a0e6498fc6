"""`config`, `init`, `completion`, `sandbox`, `demo`, `--help`, `--version`."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from cli_tool import Done, Place, ago, block, command_line, environment, finish, stand_in

from reportsync import __version__
from reportsync.cli.main import COMMANDS

APP = stand_in("one", 5)
SECRET = "a-canary-secret-0123456789"


def test_validate_and_show_tell_which_file_won_and_no_secret(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9", keys=[SECRET]))
    valid, told = place.run("config", "validate", "--json"), place.run("config", "validate")
    shown, text = place.run("config", "show", "--json"), place.run("config", "show")
    assert {done.code for done in (valid, told, shown, text)} == {0}
    told_of = {"file": str(place.config), "problems": [], "warnings": []}
    assert valid.json == {"version": 1, "valid": True, **told_of}
    assert told.out == f"{place.config} is valid: 1 app\n"
    assert shown.json["file"] == str(place.config)
    assert shown.json["config"]["http"]["attempts"] in (1, "1")
    assert str(place.config) in text.out
    assert yaml.safe_load(text.out)["apps"][0]["name"] == "one"
    assert SECRET not in shown.out + text.out


def test_validate_as_json_has_the_warnings_too(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9", keys=["abc"]))
    done = place.run("config", "validate", "--json")
    (warning,) = done.json["warnings"]
    assert warning.startswith(f"{place.config}:")
    assert (done.code, done.json["valid"], done.json["problems"]) == (0, True, [])


def test_fault_35_every_problem_is_told_at_once_with_its_position_and_without_values(
    place: Place,
) -> None:
    place.config.write_text(
        "apps:\n"
        f"  - name: a b\n    secret_key: {SECRET}\n    secret_kee: {SECRET}\n"
        "    since: 2026-02-30\n    timezone: Mars/Olympus\n"
        "htpp: {rate: fast}\n"
    )
    done, told = place.run("config", "validate", "--json"), place.run("config", "validate")
    assert (done.code, told.code) == (78, 78)
    assert done.json["valid"] is False
    assert len(done.json["problems"]) >= 6
    assert all(re.match(rf"{place.config}:\d+:\d+: ", line) for line in done.json["problems"])
    assert "did you mean secret_key" in told.err
    assert "did you mean http" in told.err
    assert SECRET not in done.out + told.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("apps:\n\t- name: a\n", ":2:1"),
        ("apps: []\napps: []\n", ":2:1"),
        ("[" * 3000, ":1:"),
        ("a: &a [x]\nb: *a\n", ":"),
        ("", "apps"),
        ("apps: !!python/object/apply:os.system [id]\n", ":1:"),
        (f"apps:\n  - secret_key: {SECRET}: {SECRET}\n", ":2:"),
    ],
)
def test_fault_35_what_is_no_config_is_refused_with_its_position(
    place: Place, text: str, told: str
) -> None:
    place.config.write_text(text)
    place.config.chmod(0o600)
    done = place.run("config", "validate")
    assert done.code == 78
    assert told in done.err
    assert SECRET not in done.err
    assert "Traceback" not in done.err


def test_a_config_with_a_literal_secret_that_others_may_read_is_refused(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9", keys=[SECRET]))
    place.config.chmod(0o644)
    done = place.run("config", "validate")
    assert done.code == 78
    assert "chmod 600" in done.err


def test_the_schema_tells_a_config_from_what_is_none(place: Place) -> None:
    schema = jsonschema.Draft202012Validator(place.run("config", "schema").json)
    told = place.run("config", "schema", "--json").json
    assert told == {"version": 1, "schema": schema.schema}
    schema.check_schema(schema.schema)
    place.write(block(APP, "http://127.0.0.1:9"))
    good = json.loads(json.dumps(yaml.safe_load(place.config.read_text()), default=str))
    assert schema.is_valid(good)
    assert not schema.is_valid(good | {"htpp": {}})
    assert not schema.is_valid(good | {"apps": []})


def test_init_writes_a_closed_file_that_is_valid_and_never_overwrites(place: Place) -> None:
    done = place.run("init", "new.yaml", "--no-input")
    path = place.folder / "new.yaml"
    assert (done.code, path.stat().st_mode & 0o777) == (0, 0o600)
    assert "config validate" in done.out
    valid = place.run("--config", str(path), "config", "validate", env={"SHOP_DE_KEY": "k" * 20})
    assert valid.code == 0, valid.err
    before = path.read_bytes()
    again = place.run("init", "new.yaml", "--no-input")
    assert again.code == 2
    assert "is left as it is" in again.err
    assert path.read_bytes() == before


def test_init_writes_into_a_folder_and_refuses_one_that_is_not_there(place: Place) -> None:
    assert place.run("init", str(place.folder)).code == 0
    assert place.config.read_text().startswith("# The configuration")
    done = place.run("init", "nowhere/config.yaml")
    assert done.code == 2
    assert "No such file" in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_its_shell_can_read(
    place: Place, shell: str, tmp_path: Path
) -> None:
    done = place.run("completion", shell)
    assert done.code == 0
    assert "_REPORTSYNC_COMPLETE" in done.out
    if shell == "bash":
        (tmp_path / "script").write_text(done.out)
        subprocess.run(["bash", "-n", str(tmp_path / "script")], check=True)


def test_bash_completes_commands(place: Place) -> None:
    env = {
        "_REPORTSYNC_COMPLETE": "bash_complete",
        "COMP_WORDS": "reportsync back",
        "COMP_CWORD": "1",
    }
    process = subprocess.run(
        command_line(), env=environment(env), capture_output=True, text=True, timeout=30
    )
    assert "plain,backfill" in process.stdout


WITHIN = ("config validate", "config show", "config schema", "arrivals replay")


@pytest.mark.parametrize("command", [*COMMANDS, *WITHIN])
def test_every_command_explains_itself(place: Place, command: str) -> None:
    done = place.run(*command.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: reportsync {command}")
    assert_readable(done.out)


def assert_readable(help_text: str) -> None:
    """Hold that a usual terminal shows each line whole, and that no list cuts a command's help off."""
    lines = help_text.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith("...") and "[ARGS]" not in line] == []


@pytest.mark.parametrize("words", [[], ["config"]])
def test_without_a_command_the_help_is_shown_and_readable(words: list[str]) -> None:
    done = subprocess.run(
        [*command_line(), *words], env=environment(), capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Usage: reportsync")
    assert "Commands:" in lines
    assert_readable(done.stderr)


def test_an_unknown_command_gets_one_hint(place: Place) -> None:
    assert place.run("zzz").err.count("--help") == 1


def test_version_is_told(place: Place) -> None:
    assert place.run("--version").out == f"reportsync {__version__}\n"


def test_a_mistyped_command_gets_a_suggestion(place: Place) -> None:
    done = place.run("stauts")
    assert done.code == 2
    assert "Did you mean 'status'?" in done.err


@pytest.mark.slow
def test_the_sandbox_prints_a_config_that_works_against_it(place: Place) -> None:
    process = place.start("sandbox", "--faults", "404:times=1")
    try:
        assert process.stderr and process.stdout
        assert "listening on http://127.0.0.1:" in process.stderr.readline()
        printed = []
        while not printed or "rate: 0" not in printed[-1]:
            printed.append(process.stdout.readline())
        place.config.touch(mode=0o600)
        place.config.write_text("".join(printed))
        first, second = place.run("sync"), place.run("backfill", "--since=-90d")
    finally:
        process.terminate()
        done = finish(process)
    assert (first.code, second.code, done.code) == (3, 0, 143), first.err
    assert " 404 " in done.err


@pytest.mark.slow
def test_the_sandbox_rehearses_the_users_own_config(place: Place) -> None:
    place.write(
        block(APP, "http://127.0.0.1:9", keys=["${env:ONE_KEY}"])
        .replace("[$", '["$')
        .replace("}]", '}"]')
    )
    env = {"ONE_KEY": SECRET}
    process = place.start("sandbox", "--apps", str(place.config), env=env)
    try:
        assert process.stderr
        url = process.stderr.readline().split()[2].rstrip(";")
        place.config.write_text(place.config.read_text().replace("http://127.0.0.1:9", url))
        done = place.run("sync", env=env)
    finally:
        process.terminate()
        ended = finish(process)
    assert done.code == 0, done.err
    assert SECRET not in ended.out + ended.err


@pytest.mark.slow
@pytest.mark.parametrize(("words", "stored"), [([], 59), (["--days", "4"], 7)])
def test_the_demo_ends_in_proof_within_seconds(
    tmp_path: Path, words: list[str], stored: int
) -> None:
    began = time.monotonic()
    process = subprocess.run(
        [*command_line(), "demo", *words], env=environment({"TMPDIR": str(tmp_path)}),
        capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    seconds = time.monotonic() - began
    done = Done(process.returncode, process.stdout, process.stderr)
    assert done.code == 0, done.err
    assert seconds < 30, "three on an idle machine"
    lines = done.out.splitlines()
    assert [line[:2] for line in lines if re.match(r"\d\. ", line)] == [
        "1.",
        "2.",
        "3.",
        "4.",
        "5.",
    ]
    assert f"Every due day is there: {stored} stored, 1 waived." in lines
    proof = f"reportsync verify: {stored} of {stored} archives right"
    assert any(line.strip().startswith(proof) for line in lines)
    assert sum(line.endswith("sha256sum -c --quiet SHA256SUMS  -> OK") for line in lines) >= 2
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.rglob("*.zip"))) == stored
    assert str(ago(400)) not in done.out
