"""The scenes in which a run is disturbed: what lies there before, the command, what the server says.

Their days lie in the past and cross a new year, so that nothing depends on the day of the test.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from canary import CANARY, signatures
from cli_tool import block
from traced import Program, Ran
from wreck import Found, look

from reportsync.sandbox import Fault, Sandbox, SandboxApp
from reportsync.sandbox.reports import make_report

_HOLE, _BAD = date(2024, 12, 31), date(2025, 1, 2)
_ONE = SandboxApp(
    app_id="IDONE", secret_keys=(CANARY,), name="one",
    since=date(2024, 12, 30), until=date(2025, 1, 1), holes=frozenset({_HOLE}),
)  # fmt: skip
_TWO = SandboxApp(
    app_id="IDTWO", secret_keys=(CANARY,), name="two",
    since=date(2025, 1, 1), until=date(2025, 1, 2),
)  # fmt: skip
APPS = (_ONE, _TWO)
_DAYS = [date(2024, 12, 30), _HOLE, date(2025, 1, 1), _BAD]
SIGNATURES = [text for app in APPS for text in signatures(app.app_id, _DAYS)]

_REFUSED = Fault("bad-crc", app="two", day=_BAD)
_CHANGED = Fault("changed", app="one", day=date(2025, 1, 1))
_HTTP = "http: {rate: 0, attempts: 1, backoff: 0s, deadline: 20s, workers: 1}\n"
_LIMIT = 60  # seconds for one command on a busy machine; it takes a tenth of one


class Stage:
    """Where a scene is set: a folder with config, archive and ledger, and a server."""

    def __init__(self, folder: Path, ledger: str, program: Program, sandbox: Sandbox) -> None:
        self.folder, self.sandbox, self._program = folder, sandbox, program
        self.archive, self.ledger = folder / "archive", folder / ledger
        self.config = folder / "config.yaml"

    def configure(self, *apps: SandboxApp) -> None:
        """Write the config of `apps`."""
        blocks = "".join(block(app, self.sandbox.url) for app in apps)
        self.config.touch(mode=0o600)
        self.config.write_text(
            f"apps:\n{blocks}storage: {{archive: {self.archive},"
            f" ledger: 'sqlite:///{self.ledger}', min_free: 0}}\n{_HTTP}"
        )

    def run(self, *args: str, thread: str | None = None, rules: tuple[str, ...] = (),
            without: tuple[str, ...] = ()) -> Ran:  # fmt: skip
        """Run a command here; see `Program.run`."""
        return self._program.run(
            ["--config", str(self.config), *args],
            self.folder.parent,  # so that what is below the folder tells by its name
            thread=thread,
            rules=rules,
            without=without,
            limit=_LIMIT,
        )

    def look(self) -> Found:
        """Return what lies here."""
        return look(self.archive, self.ledger)


@dataclass(frozen=True, slots=True)
class Scene:
    """A command, `prepare` which sets the stage for it, and the server's `faults` meanwhile.

    `spoilt` are the final names that `prepare` has damaged or removed. `without` are attributes that the
    program's `os` lacks, as on file systems that lack what they stand for.
    """

    name: str
    about: str
    args: tuple[str, ...]
    prepare: Callable[[Stage], None]
    faults: tuple[Fault, ...] = ()
    ledger: str = "ledger.db"
    without: tuple[str, ...] = ()
    spoilt: tuple[str, ...] = ()

    @property
    def reopened(self) -> set[tuple[str, str]]:
        """The reports (app, day) whose files are spoilt."""
        parts = [(name.split("/")[0], name.split("/")[2]) for name in self.spoilt]
        return {(app, f"{day[:4]}-{day[4:6]}-{day[6:8]}") for app, day in parts}


def _begin(stage: Stage) -> None:
    stage.configure(_ONE, _TWO)


def _begin_small(stage: Stage) -> None:
    stage.configure(replace(_TWO, until=_TWO.since))


def _a_day_before(stage: Stage) -> None:
    """A ledger to which a day of one app and the whole other app are new."""
    stage.configure(replace(_ONE, until=_HOLE))
    assert stage.run("sync").code == 3
    stage.configure(_ONE, replace(_TWO, until=_TWO.since))


def _stored(stage: Stage) -> None:
    stage.configure(_ONE)
    assert stage.run("sync").code == 3


def _damaged(stage: Stage) -> None:
    """One file lost, one altered, and one whose row is lost."""
    stage.configure(_ONE)
    assert stage.run("sync").code == 3
    (stage.archive / "one/2024/20241230.zip").unlink()
    altered = stage.archive / "one/2025/20250101.zip"
    altered.chmod(0o640)
    with altered.open("r+b") as file:
        file.seek(100)
        file.write(b"altered")
    altered.chmod(0o440)
    foundling = stage.archive / "two/2025/20250101.zip"
    foundling.parent.mkdir(mode=0o750, parents=True)
    foundling.parent.parent.chmod(0o750)
    foundling.write_bytes(make_report(_TWO.app_id, _TWO.since))
    foundling.chmod(0o440)
    stage.configure(_ONE, replace(_TWO, until=_TWO.since))


def _ledger_lost(stage: Stage) -> None:
    """Only the backup of the first day is left of the ledger."""
    stage.configure(replace(_ONE, until=_HOLE))
    assert stage.run("sync").code == 3
    stage.configure(_ONE)
    assert stage.run("sync").code == 3
    stage.ledger.unlink()


def _ledger_damaged(stage: Stage) -> None:
    """The ledger is overwritten, and there is no backup of it."""
    stage.configure(_ONE)
    assert stage.run("sync").code == 3
    shutil.rmtree(stage.archive / ".ledger")
    stage.ledger.write_bytes(b"no database, but the text of somebody's note\n" * 300)


def _ledger_torn(stage: Stage) -> None:
    """A page of the ledger is damaged, and its backup is older than a waiver."""
    stage.configure(_ONE)
    assert stage.run("sync").code == 3
    (backup,) = (stage.archive / ".ledger").iterdir()
    older = backup.read_bytes()
    assert stage.run("waive", "one", str(_HOLE), "--reason", "off").code == 0
    backup.write_bytes(older)
    with closing(sqlite3.connect(stage.ledger)) as connection:
        find = "SELECT rootpage FROM sqlite_master WHERE name = 'passes'"
        (page,) = connection.execute(find).fetchone()
    with stage.ledger.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


_FORCE = ("backfill", "--since=2024-12-30", "--until=2025-01-01", "--force")
_ALL = (
    Scene("sync", "the first sync", ("sync",), _begin, (_REFUSED,)),
    Scene("later", "a later sync, to which a day and an app are new", ("sync",), _a_day_before),
    Scene("named", "a first sync where there is no O_TMPFILE", ("sync",), _begin_small,
          without=("O_TMPFILE",)),
    Scene("apart", "a first sync with the ledger in a folder of its own", ("sync",), _begin_small,
          ledger="state/ledger.db"),
    Scene("force", "a forced backfill of which one report has changed", _FORCE, _stored, (_CHANGED,)),
    Scene("repair", "a repair of a lost, an altered and an unrecorded file", ("repair",), _damaged,
          spoilt=("one/2024/20241230.zip", "one/2025/20250101.zip")),
    Scene("restore", "a sync whose ledger is lost but for an older backup", ("sync",), _ledger_lost),
    Scene("rebuild", "a repair of a damaged ledger without a backup", ("repair",), _ledger_damaged),
    Scene("salvage", "a repair of a ledger of which a page is damaged", ("repair",), _ledger_torn),
)  # fmt: skip
SCENES = {scene.name: scene for scene in _ALL}


class Theatre:
    """One scene, set as often as needed: from a template, always in the same folder."""

    def __init__(self, scene: Scene, base: Path, stage: Stage) -> None:
        self.scene, self.stage, self._template = scene, stage, base / "template"
        scene.prepare(stage)
        stage.sandbox.faults.replace(*scene.faults)
        shutil.copytree(stage.folder, self._template, symlinks=True)
        self.before = stage.look()
        self.calm = self.run()
        self.done = stage.look()
        for name, sha256 in self.done.finals().items():
            assert sha256 in _served(name), f"{name} is not what the server has"

    def reset(self) -> None:
        """Put everything back to where it was before the command."""
        shutil.rmtree(self.stage.folder)
        shutil.copytree(self._template, self.stage.folder, symlinks=True)

    def run(self, thread: str | None = None, *rules: str) -> Ran:
        """Run the scene's command on what lies there."""
        return self.stage.run(
            *self.scene.args, thread=thread, rules=rules, without=self.scene.without
        )

    def right(self) -> dict[str, set[str]]:
        """Return by final name the contents that may lie there: before the command, or after it."""
        found: dict[str, set[str]] = {}
        for state in (self.before, self.done):
            for name, sha256 in state.finals().items():
                found.setdefault(name, set()).add(sha256)
        return found


@contextmanager
def opened(scene: Scene, base: Path, program: Program) -> Iterator[Theatre]:
    """Set `scene` in the folder `base`, with a server of its own, until the block ends."""
    folder = base / "place"
    folder.mkdir(mode=0o700)
    with Sandbox(APPS) as sandbox:
        yield Theatre(scene, base, Stage(folder, scene.ledger, program, sandbox))


def _served(name: str) -> set[str]:
    """Return the SHA-256 of what the server has, or in some scene had, for the final name `name`."""
    app, _, file = name.split("/")
    app_id = {one.name: one.app_id for one in APPS}[app]
    day = date.fromisoformat(file[:8])
    revisions = (make_report(app_id, day, revision) for revision in (1, 2))
    return {hashlib.sha256(content).hexdigest() for content in revisions}
