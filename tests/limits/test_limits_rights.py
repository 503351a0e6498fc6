"""Under any umask, and as the wrong user: what belongs to its owner alone, and can be used by it."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

import pytest
from cli_tool import Place, command_line
from limit_stage import COMMANDS, Squeeze, run, told_plainly
from zygote import environment

MODES = {
    "archive": 0o750,
    "archive/.reportsync": 0o640,
    "archive/.ledger": 0o700,
    "archive/one": 0o750,
    "state": 0o750,
    "state/deep": 0o750,
    "state/deep/ledger.db": 0o600,
}


def umask(bits: str) -> list[str]:
    """Return the words that run a command under a umask, by the rights of the files' owner alone."""
    caps = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    return [*caps, "sh", "-c", f'umask {bits}; exec "$@"', "sh"]


@pytest.mark.slow
@pytest.mark.tool("setpriv")
@pytest.mark.parametrize("bits", ["000", "077", "777"])
@pytest.mark.parametrize("command", COMMANDS)
def test_fault_22_any_umask_gives_the_same_modes_and_stops_no_command(
    squeeze: Squeeze, bits: str, command: str
) -> None:
    place, _ = squeeze.place_for(command, ledger="state/deep/ledger.db")
    for _ in range(2):  # the second finds what the first has made
        assert run(place, umask(bits), *COMMANDS[command]).code == 0
    assert squeeze.unlike_calm(place.archive, place.ledger) == []
    modes = {name: stat.S_IMODE((place.folder / name).stat().st_mode) for name in MODES}
    assert modes == MODES
    backups = list((place.archive / ".ledger").iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in backups] == [0o600]


@pytest.mark.slow
@pytest.mark.tool("setpriv")
def test_fault_22_a_config_is_its_owners_alone_under_any_umask(place: Place) -> None:
    for bits in ("000", "777"):
        path = place.folder / f"{bits}.yaml"
        assert run(place, umask(bits), "init", str(path)).code == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_fault_22_folders_without_rights_are_told_by_path_and_user(
    squeeze: Squeeze, command: str
) -> None:
    for what in ("archive", "ledger"):
        place = squeeze.place(ledger="state/ledger.db", full=True)
        folder = place.archive if what == "archive" else place.ledger.parent
        folder.chmod(0o550)
        done = place.run(*COMMANDS[command], plain=True)
        assert (done.code, told_plainly(done)) == (5, True), done.err
        assert str(folder) in done.err
        folder.chmod(0o750)
        assert place.run(*COMMANDS[command]).code == 0
        assert squeeze.unlike_calm(place.archive, place.ledger) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sync", "backfill", "repair"])
@pytest.mark.parametrize("what", ["archive", "state"])
def test_fault_22_root_makes_nothing_that_another_user_could_not_open(
    squeeze: Squeeze, command: str, what: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root could do that")
    place = squeeze.place(ledger="state/ledger.db")
    for folder in (place.archive, place.ledger.parent):
        folder.mkdir(mode=0o750)
    os.chown(place.folder / what, 65534, 65534)
    done = place.run(*COMMANDS[command])
    assert (done.code, told_plainly(done)) == (5, True), done.err
    assert "sudo -u '#65534'" in done.err
    assert list((place.folder / what).iterdir()) == []


@pytest.mark.slow
@pytest.mark.tool("prlimit")
def test_fault_22_a_config_that_could_not_be_written_leaves_nothing_in_the_way(
    place: Place,
) -> None:
    path = place.folder / "new.yaml"
    done = run(place, ["prlimit", "--fsize=100"], "init", str(path))
    assert (done.code, told_plainly(done)) == (5, True), done.err
    assert not path.exists()
    assert run(place, [], "init", str(path)).code == 0


@pytest.mark.slow
def test_fault_21_compiled_code_that_a_full_disk_cut_short_is_told_and_removed(
    place: Place, tmp_path: Path
) -> None:
    env = environment({"PYTHONPYCACHEPREFIX": str(tmp_path / "cache")})
    command = [*command_line(), "completion", "bash"]

    def complete() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=place.folder, env=env, capture_output=True, text=True)

    assert complete().returncode == 0
    [compiled] = (tmp_path / "cache").rglob("cli/completion.*.pyc")
    compiled.write_bytes(compiled.read_bytes()[:200])
    done = complete()
    assert done.returncode == 5
    [remedy] = re.findall(r"find (.*) -name '\*\.pyc' -delete", done.stderr)
    cache = shlex.split(remedy)[0]
    subprocess.run(["find", cache, "-name", "*.pyc", "-delete"], check=True)
    assert complete().returncode == 0
