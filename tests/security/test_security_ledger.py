"""Who can write the ledger but not the config gets no files read, moved or made elsewhere, no process ended,
no command run, and no terminal tricked."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cli_tool import Done, Place, ago, name_of, stand_in

from reportsync.ledger import claims
from reportsync.sandbox import Sandbox

APP = stand_in("one", 3)
DAY = ago(3)
ESC, CSI, BIDI, TAG = "\x1b]0;pwned\x07\x1b[2J", "\x9b31m", "\u202egnol", "\U000e0041"
HOSTILE = f"no {ESC}{CSI}{BIDI}{TAG}\x7f\x1b[8m\nreport one 2020-01-01: stored"
READING = (
    ["status"], ["why", "one", str(DAY)], ["plan"], ["arrivals"], ["verify"], ["repair", "-n"],
)  # fmt: skip


@pytest.fixture
def filled(place: Place) -> Iterator[Place]:
    """Yield a place with three stored days, whose sandbox goes on."""
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        assert place.run("sync").code == 0
        yield place


def tamper(place: Place, *statements: str, **values: object) -> None:
    """Change the ledger as somebody does who cares for no constraint."""
    with closing(sqlite3.connect(place.ledger)) as ledger, ledger:
        ledger.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            ledger.execute(statement, values)


def archive_row(place: Place, app: str, version: object = 1) -> None:
    """Have the ledger hold an archive that no pass has stored."""
    tamper(
        place,
        "INSERT INTO archives (app, day, version, held, size, sha256, members, flags, stored, verified)"
        " SELECT :app, day, :version, 1, size, :sha256, 1, '', stored, verified FROM archives LIMIT 1",
        app=app, version=version, sha256="0" * 64,
    )  # fmt: skip


def outside(place: Place) -> Path:
    """Return a zip that lies beside the archive, where a tampered row may point."""
    folder = place.folder / "victim" / f"{DAY:%Y}"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(place.archive / "one" / f"{DAY:%Y}" / name_of(DAY), folder / name_of(DAY))
    return folder / name_of(DAY)


def told(done: Done) -> str:
    """Return all that a command said; it must be no traceback."""
    assert "Traceback" not in done.err
    assert done.code != 1
    return done.out + done.err


@pytest.mark.slow
@pytest.mark.parametrize("app", ["../victim", "{folder}/victim", "..", "x/../../victim"])
def test_a_row_about_an_app_outside_the_archive_reaches_no_file_there(
    filled: Place, app: str
) -> None:
    victim = outside(filled)
    app = app.format(folder=filled.folder)
    archive_row(filled, app)
    year = f"{DAY:%Y}"
    tamper(filled, "INSERT INTO stale_sums VALUES (:app, :year, 9)", app=app, year=int(year))
    before = set(filled.folder.rglob("*"))
    for words in (["verify"], ["repair"], ["sync"], ["arrivals"], ["arrivals", "--json"]):
        text = told(filled.run(*words))
        assert str(victim) not in text
    made = {
        path
        for path in set(filled.folder.rglob("*")) - before
        if filled.archive not in path.parents
    }
    names = {path.name.partition(".damaged-")[0] for path in made}  # repair sets it aside
    assert names <= {"ledger.db", "ledger.db-journal"}
    assert victim.exists()


@pytest.mark.slow
def test_a_row_whose_version_is_a_path_reaches_no_file(filled: Place) -> None:
    victim = outside(filled)
    archive_row(filled, "one", f"2/../../../../victim/{DAY:%Y}/{DAY:%Y%m%d}")
    for words in (["verify"], ["repair"], ["arrivals"]):
        told(filled.run(*words))
    assert victim.exists()


@pytest.mark.slow
def test_a_hook_is_not_handed_a_path_outside_the_archive(filled: Place) -> None:
    log = filled.folder / "hook.log"
    hook = json.dumps(f"sh -c 'echo $REPORTSYNC_PATH >> {log}'")
    filled.config.write_text(filled.config.read_text() + f"hooks: {{arrival: {hook}}}\n")
    told(filled.run("sync"))
    archive_row(filled, "../victim")
    tamper(filled, "UPDATE facts SET value = '0' WHERE name = 'hook'")
    told(filled.run("sync"))
    paths = log.read_text().splitlines()
    assert len(paths) == 3
    assert all(path.startswith(f"{filled.archive}/one/") for path in paths)


@pytest.mark.slow
def test_reasons_flags_and_names_that_were_tampered_with_trick_no_terminal(filled: Place) -> None:
    tamper(
        filled,
        "UPDATE reports SET state = 'missing', reason = :text, last_outcome = 'failed'",
        "UPDATE archives SET flags = :text",
        "UPDATE attempts SET reason = :text, outcome = 'failed'",
        "INSERT INTO waivers (app, first, last, reason, author, created)"
        " SELECT app, max(day), max(day), :text, :text, stored FROM archives",
        "INSERT INTO incidents (key, opened, held, reason, hint)"
        " SELECT 'host:' || :text, stored, 'one ' || day || ' ' || day, :text, :text FROM archives LIMIT 1",
        text=HOSTILE,
    )
    for words in READING:
        done, as_json = filled.run(*words), filled.run(*words, "--json")
        for text in (told(done), told(as_json)):
            assert text.replace("\n", "").isprintable()
        assert not [line for line in done.out.splitlines() if line.startswith("report one 2020")]
        if words == ["why", "one", str(DAY)]:
            assert as_json.json["reason"] == HOSTILE  # nothing is lost to programs


@pytest.mark.slow
def test_a_schema_version_that_is_no_number_is_refused_without_being_shown(filled: Place) -> None:
    for version in (HOSTILE, "9999", "../../evil", ""):
        tamper(filled, "UPDATE alembic_version SET version_num = :version", version=version)
        for words in (["sync"], ["status"]):
            done = filled.run(*words)
            assert done.code == 5
            assert told(done).replace("\n", "").isprintable()
            assert "evil" not in done.err


@pytest.mark.slow
def test_a_ledger_runs_no_code_of_its_own(filled: Place) -> None:
    mark = filled.folder / "mark"
    tamper(
        filled,
        "CREATE TRIGGER evil AFTER INSERT ON passes BEGIN"
        f" SELECT load_extension('{filled.folder}/evil.so'), writefile('{mark}', 'x'); END",
    )
    done = filled.run("sync")
    assert done.code == 5
    told(done)
    assert not mark.exists()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process of this user that leads a group of its own."""
    with subprocess.Popen([sys.executable, "-c", "input()"], process_group=0, stdin=-1) as process:
        yield process
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["another boot", "another start", "no start"])
def test_a_delivery_that_was_tampered_with_ends_no_process(
    filled: Place, bystander: subprocess.Popen[bytes], what: str
) -> None:
    filled.config.write_text(filled.config.read_text() + "hooks: {arrival: 'true'}\n")
    told(filled.run("sync"))
    host, boot, namespace, pid, started = claims.name_process(bystander.pid).split(" ")
    process = {
        "another boot": f"{host} 0{boot[1:]}x {namespace} {pid} {started}",
        "another start": f"{host} {boot} {namespace} {pid} 1",
        "no start": f"{host} {boot} {namespace} {pid} -",
    }[what]
    tamper(
        filled,
        "INSERT INTO deliveries (arrival, app, asked, tries, next_attempt, owner, token, lease_end, process)"
        " SELECT id, app, stored, 0, stored, :owner, 'x', stored, :process FROM archives LIMIT 1",
        owner=f"{host} {boot} {namespace} 999999999 1", process=process,
    )  # fmt: skip
    done = filled.run("sync")
    assert (done.code, bystander.poll()) == (0, None)


# Not by the program: if this did not hold, all that this user runs would be ended.
@pytest.mark.parametrize("pid", ["0", "1", "-1", "01", "x", "", "1e3", "١"])
def test_no_name_of_a_process_stands_for_all_of_them(pid: str) -> None:
    host, boot, namespace, _, started = claims.name_process(1).split(" ")
    assert claims.living(f"{host} {boot} {namespace} {pid} {started}") is None
