"""Where runs happen: a folder on a real disk, the server over it, and one run after the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import launch
from benchmarks.data import APP_ID, MIB, Reports, lay_out
from benchmarks.figures import MIB_IN_KIB, Figures
from benchmarks.history import History, newest_due
from benchmarks.history import lay_out as history_of
from benchmarks.server import late, serving
from benchmarks.sides import NotDone, Side, Task

_PATIENCE = 1800  # seconds
_LARGE = 256 * MIB
"""Bytes of a run that are removed before the next one."""


@dataclass(slots=True)
class Place:
    """A folder with the archives that are served (kept from one time to the next) and the runs' output."""

    folder: Path
    port: int
    _served: dict[Reports, int] = field(default_factory=dict)
    _runs: int = 0

    @property
    def room(self) -> Path:
        """The folder of the present run."""
        return self.folder / "runs" / str(self._runs)

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, side: Side, reports: Reports, width: int, port: int) -> Figures:
        """Let `side` fetch `reports` from the server on `port`, `width` at once; see that it did."""
        name, total = self.serve(reports)
        base = f"http://127.0.0.1:{port}/{name}"
        self.begin()
        task = Task(
            reports, total, f"{base}/dailyCampaignReportDump/{APP_ID}", base, width, self.room
        )
        figures = self.time(side.prepare(task))
        try:
            side.check(task)
        except (NotDone, subprocess.CalledProcessError) as error:
            raise NotDone(f"{side.name} did not do its work: {error}\n{self._said()}") from error
        if total > _LARGE:
            shutil.rmtree(self.room)
        return figures

    def time(self, command: Sequence[str], times: int = 1) -> Figures:
        """Run a command so many times and return what it took on average; its peak is the largest."""
        os.sync()  # what others wrote is not this run's to write
        words = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(times), str(self._log)]
        ran = subprocess.run(
            [*words, *command], check=True, capture_output=True, text=True, timeout=_PATIENCE
        )
        told = json.loads(ran.stdout)
        if told["code"]:
            raise NotDone(f"exit {told['code']}: {' '.join(command)}\n{self._said()}")
        return Figures(told["seconds"], told["cpu"], told["peak"] / MIB_IN_KIB)

    def serve(self, reports: Reports) -> tuple[str, int]:
        """Lay out what is to be fetched; return the name of its folder, and the bytes of all."""
        name = f"{reports.count}-{reports.size}"
        if reports not in self._served:
            root = self.folder / "served" / name / "dailyCampaignReportDump" / APP_ID
            self._served[reports] = lay_out(reports, self.folder / "kept", root)
        return name, self._served[reports]

    def history(self, apps: int, days: int) -> Path:
        """Return the config of a ledger with so much history, made (in minutes) once a day, and kept."""
        history = History(apps, days, newest_due(datetime.now(UTC)))
        kept = self.folder / "kept"
        folder = kept / f"history-{apps}x{days}-{history.through}"
        config = folder / "config.yaml"
        if not config.exists():
            for old in kept.glob(f"history-{apps}x{days}-*"):
                shutil.rmtree(old)
            history_of(history, folder)
        return config

    def begin(self) -> None:
        """Take a new room.

        Small files of the old one stay until the end: whoever makes a file on ext4 soon after looks past
        each that was removed, and the next run would pay for the one before.
        """
        self._runs += 1
        self.room.mkdir(parents=True)

    @contextmanager
    def line(self, latency: float) -> Iterator[int]:
        """Yield a port on which the server is so many seconds away."""
        with late(self.port, latency) as port:
            yield port

    @property
    def _log(self) -> Path:
        return self.folder / "said"

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


@contextmanager
def open_place(folder: Path) -> Iterator[Place]:
    """Make the folder ready, and serve from it; at the end only the made archives are kept."""
    served = folder / "served"
    with ExitStack() as stack:
        for passing in (served, *(folder / name for name in ("runs", "nginx", "said"))):
            stack.callback(_remove, passing)
            _remove(passing)
        served.mkdir(parents=True)
        port = stack.enter_context(serving(served, folder / "nginx"))
        yield Place(folder, port)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
