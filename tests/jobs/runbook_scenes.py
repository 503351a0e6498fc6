"""The troubles that the runbook tells of, made real: an archive, a ledger and a sandbox that misbehaves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from reportsync.sandbox import Sandbox, parse_faults, sample_apps, sample_config

HOLE = "404:app=shop-de,day=2026-11-03"
FIRST, LAST = date(2026, 10, 24), date(2026, 11, 22)


@dataclass(slots=True)
class Host:
    """A host on which the runbook's commands are typed."""

    folder: Path
    sandbox: Sandbox

    @property
    def archive(self) -> Path:
        """The archive folder."""
        return self.folder / "sandbox" / "archive"

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.folder / "sandbox" / "ledger.db"

    def zip_of(self, app: str, day: str) -> Path:
        """Return where the archive of a day (YYYYMMDD) lies."""
        return self.archive / app / day[:4] / f"{day}.zip"

    def type(self, *words: str) -> tuple[int, str]:
        """Run a command line; return its exit code and all that it said."""
        done = subprocess.run(
            [sys.executable, "-m", "reportsync", "--config", self.folder / "config.yaml", *words],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def faults(self, spec: str) -> None:
        """Have the sandbox misbehave in another way from now on."""
        self.sandbox.faults.replace(*parse_faults(spec))

    def configure(self, old: str, new: str) -> None:
        """Change the config."""
        path = self.folder / "config.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def install(folder: Path) -> tuple[Sandbox, Callable[[], Host]]:
    """Return a sandbox to be started, and what then makes the host whose first pass was made."""
    apps = tuple(replace(app, since=FIRST, until=LAST) for app in sample_apps(LAST))
    sandbox = Sandbox(apps, faults=parse_faults(HOLE))

    def ready() -> Host:
        path = folder / "config.yaml"
        path.touch(0o600)
        path.write_text(sample_config(sandbox.url, apps))
        host = Host(folder, sandbox)
        assert host.type("sync")[0] == 3
        return host

    return sandbox, ready


def refuse_key(host: Host) -> None:
    """Refuse the key of shop-in, one of whose days is missing."""
    host.zip_of("shop-in", "20261120").unlink()
    host.faults(f"{HOLE};401:app=shop-in")
    assert host.type("repair")[0] == 77


def mend_key(host: Host) -> None:
    """Accept the key again."""
    host.faults(HOLE)


def fill_disk(host: Host) -> None:
    """Leave no free space, and make a day missing."""
    host.configure("sandbox/ledger.db\n", "sandbox/ledger.db\n  min_free: 90TiB\n")
    host.zip_of("shop-de", "20261105").unlink()
    assert host.type("repair")[0] == 5


def unmount(host: Host) -> None:
    """Make room again, then put an empty folder in the place of the archive."""
    host.configure("  min_free: 90TiB\n", "")
    assert host.type("backfill", "--since", "2026-11-01")[0] == 3
    host.archive.rename(host.folder / "unmounted")
    host.archive.mkdir()


def damage(host: Host) -> None:
    """Mount again, then change a byte of one archive and lose another."""
    host.archive.rmdir()
    (host.folder / "unmounted").rename(host.archive)
    path = host.zip_of("shop-de", "20261101")
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(0o440)
    host.zip_of("shop-in", "20261121").unlink()


def spoil_ledger(host: Host) -> None:
    """Put something else in the place of the ledger."""
    host.ledger.write_text("no ledger\n")


def restate(host: Host) -> None:
    """Serve other numbers for days that are stored."""
    host.faults("changed")


def switch_off(host: Host) -> None:
    """Have the vendor switch its API off."""
    host.faults("410")


def move_in(host: Host) -> None:
    """Begin anew with an archive that an old script has left."""
    host.faults("")
    whole = host.zip_of("shop-de", "20261120").read_bytes()
    shutil.rmtree(host.folder / "sandbox")
    host.configure(f"  since: {FIRST}\n", "  since: 2026-11-20\n")
    host.configure(f"  until: {LAST}\n", "  until: 2026-11-21\n")
    host.zip_of("shop-de", "20261120").parent.mkdir(parents=True)
    host.zip_of("shop-de", "20261120").write_bytes(whole)
    host.zip_of("shop-de", "20261121").write_text('{"status": "fail"}')


SCENES: dict[str, tuple[Callable[[Host], None], ...]] = {
    "A key refused or rotated": (refuse_key, mend_key),
    "Disk full": (fill_disk,),
    "The volume is not mounted": (unmount,),
    "Archives damaged or lost": (damage,),
    "The ledger is lost or damaged": (spoil_ledger,),
    "A day was restated": (restate,),
    "The vendor's API is switched off": (switch_off,),
    "Moving in archives from an old script": (move_in,),
}
"""What happens before each block of commands under a heading; nothing under the others."""
