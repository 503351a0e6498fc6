"""A mount namespace of our own: volumes that fill, vanish and come back, and nobody else sees them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from lacking import lack

_HOLD = ["sh", "-c", "mount --make-rprivate / && echo ready && exec sleep infinity"]
_OWN_USERS = ["--user", "--map-root-user"]


class Mounts(AbstractContextManager["Mounts"]):
    """Holds the namespace with a process that sleeps in it; its end takes every mount along."""

    def __init__(self) -> None:
        for users in (_OWN_USERS, []):  # the second for root where users may have no namespaces
            self._holder = subprocess.Popen(
                ["unshare", *users, "--mount", *_HOLD],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            assert self._holder.stdout
            if self._holder.stdout.readline() == "ready\n":
                self._enter = ["nsenter", f"--target={self._holder.pid}", "--mount"]
                self._enter += ["--user", "--preserve-credentials"] if users else []
                return
            self.__exit__()
        lack("this process may not mount volumes in a namespace of its own")

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout:
            self._holder.stdout.close()

    def inside(self, words: Sequence[str] = ()) -> list[str]:
        """Return the words of a command that runs `words`, and what is put after them, in here."""
        return [*self._enter, "--", *words]

    def see(self, path: Path) -> Path:
        """Return how a process outside reaches what lies at `path` in here."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    def do(self, line: str, *paths: Path) -> None:
        """Run a shell command in here; each `{}` in it is one of `paths`."""
        line = line.format(*(shlex.quote(str(path)) for path in paths))
        done = subprocess.run(self.inside(["sh", "-c", line]), capture_output=True, text=True)
        assert done.returncode == 0, f"{line}: {done.stderr}"
