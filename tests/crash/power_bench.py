"""A bench for power cuts: a scene on disks of its own, cut after every call, and a look at each wreck."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from disks import Kind, Snapshot, blank, flush, mounted, read_disk, write_disk
from power_cut import Cut, cuts
from scenes import APPS, Scene, Stage
from traced import Program
from wreck import Found, moved_back, not_whole, other_than, wrong_sums
from zygote import ROOT, Zygote, environment

from reportsync.sandbox import Sandbox

# `without`, as in a scene, and the arguments; the program's own start otherwise.
_START = (
    "import os; [delattr(os, one) for one in {0!r}]; from reportsync.cli import main; main({1!r})"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which disks there are, and which of them the kernel happens to have flushed when the power goes."""

    name: str
    disks: tuple[str, ...]
    flushed: str | None = None


_BOTH = ("archive", "ledger")
ONE_DISK = Layout("one disk", ("archive",))
LAYOUTS = (
    ONE_DISK,
    Layout("ledger elsewhere", _BOTH),
    Layout("ledger elsewhere and flushed", _BOTH, "ledger"),
    Layout("archive flushed and ledger elsewhere", _BOTH, "archive"),
)
_SCENES = (
    ("sync", 0),
    ("sync", 1),
    ("apart", 2),
    ("apart", 3),
    ("named", 0),
    ("force", 0),
    ("repair", 0),
)
CASES = [
    pytest.param(
        scene, LAYOUTS[number], 150, id=f"{scene}-{LAYOUTS[number].name}".replace(" ", "-")
    )
    for scene, number in _SCENES
]
"""The scenes, on which disks, and how many cuts there are at least.

A disk that is flushed at each call has other content after each, so those have the smallest scene.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of some cuts that left the same on the disks: how many they were, and what was wrong."""

    cuts: int
    last: Cut
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join((f"the power went after {self.last.after}", *self.wrong))


class Bench:
    """Blank disks of one kind in `folder`, and the program that runs on them."""

    def __init__(
        self, kind: Kind, folder: Path, zygote: Zygote, sandbox: Sandbox, package: Path = ROOT
    ) -> None:
        self._kind, self._folder, self._package = kind, folder, package
        program = Program(folder, zygote, "strace", package)
        self._stage = Stage(folder, "ledger.db", program, sandbox)
        self._blank = {name: blank(kind, folder / "new.img") for name in _BOTH}

    def judge(self, layout: Layout, scene: Scene) -> Iterator[Verdict]:
        """Cut the scene's run after each call, and yield what was found for each content of the disks."""
        start, before = self._prepared(layout, scene)
        found = self._cut(layout, scene, start)
        calm, done = self._undisturbed(layout, scene, start)
        right: dict[str, set[str]] = {}
        for name, sha256 in [*before.finals().items(), *done.finals().items()]:
            right.setdefault(name, set()).add(sha256)
        for _, same in itertools.groupby(found, key=lambda cut: tuple(map(id, cut.disks))):
            alike = list(same)  # the last of them has told most
            with self._disks(layout, alike[-1].disks):
                wrong = (
                    *self._wrong_wreck(scene, alike[-1], before, right),
                    *self._wrong_end(scene, calm, done),
                )
            yield Verdict(len(alike), alike[-1], wrong)

    def _prepared(self, layout: Layout, scene: Scene) -> tuple[tuple[Snapshot, ...], Found]:
        """Return the disks before the command, with all that is on them durable."""
        self._stage.sandbox.faults.clear()
        with self._disks(layout, [self._blank[name] for name in layout.disks]):
            self._stage.ledger.parent.mkdir(exist_ok=True)
            scene.prepare(self._stage)
            before = self._stage.look()
        self._stage.sandbox.faults.replace(*scene.faults)
        return tuple(read_disk(self._image(name)) for name in layout.disks), before

    def _cut(self, layout: Layout, scene: Scene, start: Sequence[Snapshot]) -> list[Cut]:
        seen = dict(zip(layout.disks, start, strict=True))
        arguments = ["--config", str(self._stage.config), *scene.args, "--json"]
        command = [sys.executable, "-P", "-c", _START.format(scene.without, arguments)]
        env = environment({"PYTHONDONTWRITEBYTECODE": "1"}, self._package)
        with self._disks(layout, start) as folders:

            def look() -> tuple[Snapshot, ...]:
                if layout.flushed:
                    flush(folders[layout.flushed])
                seen.update({name: read_disk(self._image(name), seen[name]) for name in seen})
                return tuple(seen.values())

            return list(cuts(command, env, self._folder / "said", look))

    def _undisturbed(
        self, layout: Layout, scene: Scene, start: Sequence[Snapshot]
    ) -> tuple[int, Found]:
        with self._disks(layout, start):
            code = self._stage.run(*scene.args, without=scene.without).code
            return code, self._stage.look()

    def _wrong_wreck(
        self, scene: Scene, cut: Cut, before: Found, right: dict[str, set[str]]
    ) -> Iterator[str]:
        wreck, damaged = self._stage.look(), bool(before.rows.damage)
        yield from not_whole(self._stage.archive, wreck, right, scene.spoilt, damaged=damaged)
        yield from moved_back(before.rows, wreck.rows, scene.reopened)
        for app, day in sorted(cut.told):
            if wreck.rows.states.get((app, day)) != "stored":
                yield f"I1: {app} {day} was told as stored, and the ledger has forgotten it"

    def _wrong_end(self, scene: Scene, calm: int, done: Found) -> Iterator[str]:
        again = self._stage.run(*scene.args, without=scene.without)
        if again.code != calm:
            yield f"I3: the rerun exits {again.code}: {again.err}"
        yield from other_than(done, self._stage.look())
        yield from wrong_sums(self._stage.archive)

    @contextmanager
    def _disks(self, layout: Layout, contents: Sequence[Snapshot]) -> Iterator[dict[str, Path]]:
        """Mount disks with these contents where the stage expects them."""
        with ExitStack() as mounts:
            folders = {}
            for name, content in zip(layout.disks, contents, strict=True):
                image = write_disk(content, self._kind, self._image(name))
                folders[name] = self._folder / name
                mounts.enter_context(mounted(self._kind, image, folders[name]))
            self._stage.archive = folders["archive"] / "srv/archive"
            self._stage.ledger = folders[layout.disks[-1]] / "state/ledger.db"
            yield folders

    def _image(self, name: str) -> Path:
        return self._folder / f"{name}.img"


@contextmanager
def bench_of(kind: Kind, folder: Path, package: Path = ROOT) -> Iterator[Bench]:
    """Set up a bench in the empty folder `folder`, with a server of its own, until the block ends."""
    with Zygote(package) as zygote, Sandbox(APPS) as sandbox:
        yield Bench(kind, folder, zygote, sandbox, package)
