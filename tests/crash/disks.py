"""Disks that are files: mounted where only this process and its children see them, and copied in mid-work."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 16
_ZEROS = bytes(_CHUNK)
_NEW_MOUNTS = 0x00020000  # unshare(2): CLONE_NEWNS
_PRIVATE = 0x4000 | 1 << 18  # mount(2): MS_REC | MS_PRIVATE
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Kind:
    """A file system: how large it must be, and how it is made and mounted.

    Mounted so that it writes nothing by itself for an hour: what nobody made durable is to be lost.
    """

    name: str
    mebibytes: int
    make: tuple[str, ...] = ()
    options: str = "loop"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ext4", 64, ("-q", "-F"), "loop,commit=3600,noinit_itable"),
        Kind("xfs", 300, ("-q",)),
        Kind("btrfs", 128, ("-q",), "loop,commit=3600"),
    )
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a disk held at one moment: {offset: bytes}, zeros left out."""

    chunks: Mapping[int, bytes] = field(repr=False)


def hide_mounts() -> None:
    """Give this thread and its children mounts of their own, which end with the last of them.

    So nothing stays mounted, and no loop device attached, however a run ends. Needs root.
    """
    _check(_libc.unshare(_NEW_MOUNTS), "unshare")
    _check(_libc.mount(None, b"/", None, _PRIVATE, None), "make mounts private")


@contextmanager
def memory_at(folder: Path) -> Iterator[None]:
    """Have what is written into `folder` stay in memory: flushing to a real disk would take its time."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def blank(kind: Kind, image: Path) -> Snapshot:
    """Return a new, empty file system; each has a UUID of its own."""
    image.touch()
    os.truncate(image, kind.mebibytes << 20)
    made = subprocess.run([f"mkfs.{kind.name}", *kind.make, image], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    snapshot = read_disk(image)
    image.unlink()
    return snapshot


def can_mount(kind: Kind, folder: Path) -> str:
    """Return why a disk of this kind cannot be mounted here; nothing if it can."""
    image = write_disk(blank(kind, folder / "try.img"), kind, folder / "try.img")
    try:
        with mounted(kind, image, folder / "try"):
            return ""
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip()
    finally:
        image.unlink()


@contextmanager
def mounted(kind: Kind, image: Path, folder: Path) -> Iterator[Path]:
    """Mount the file system in `image` at `folder` for the block; CalledProcessError if it is none."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", kind.name, "-o", kind.options, image, folder]
    subprocess.run(command, check=True, capture_output=True, text=True)
    try:
        yield folder
    finally:
        # Lazily: a command that was killed in the block may need a moment to let go of its files.
        subprocess.run(["umount", "-l", folder], check=True)


def flush(folder: Path) -> None:
    """Make everything durable in the file system that is mounted at `folder`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _check(_libc.syncfs(descriptor), "syncfs")
    finally:
        os.close(descriptor)


def read_disk(image: Path, before: Snapshot | None = None) -> Snapshot:
    """Return what has reached the disk `image`: `before` itself if nothing was written since."""
    known = before.chunks if before else {}
    chunks = {}
    with image.open("rb", buffering=0) as file:
        for offset in _written(file.fileno()):
            chunk = os.pread(file.fileno(), _CHUNK, offset)
            if chunk != _ZEROS:
                # The same bytes are kept once, so that a hundred snapshots take little memory.
                chunks[offset] = known[offset] if known.get(offset) == chunk else chunk
    return before if before and before.chunks == chunks else Snapshot(chunks)


def write_disk(snapshot: Snapshot, kind: Kind, image: Path) -> Path:
    """Make a disk at `image` that holds `snapshot`; return it."""
    image.unlink(missing_ok=True)
    with image.open("wb", buffering=0) as file:
        os.truncate(file.fileno(), kind.mebibytes << 20)
        for offset, chunk in snapshot.chunks.items():
            os.pwrite(file.fileno(), chunk, offset)
    return image


def _written(file: int) -> Iterator[int]:
    """Yield the offset of each chunk that is not a hole."""
    offset, end = 0, os.fstat(file).st_size
    while offset < end:
        try:
            offset = os.lseek(file, offset, os.SEEK_DATA) // _CHUNK * _CHUNK
        except OSError:  # ENXIO: nothing but holes from here on
            return
        yield offset
        offset += _CHUNK


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
