"""What zips made for it can take of memory, however many are examined at once."""

from __future__ import annotations

import io
import json
import lzma
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zip_fields import Member, write

from reportsync.archive import data, examine

Make = Callable[..., bytes]
MOST = 64 * 1024  # KiB above idle
SCRIPT = """
import json, sys, threading
from pathlib import Path
from reportsync.archive import examine

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def work():
    with path.open("rb") as file:
        found.append(examine(file, path.stat().st_size).members)

path, found, before = Path(sys.argv[1]), [], peak()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps({"found": found, "more": peak() - before}))
"""


def greedy_stream(plain: bytes) -> bytes:
    """Return `plain` packed for a dictionary of 32 MiB, which it fills."""
    packer: dict[str, Any] = {"id": lzma.FILTER_LZMA1, "dict_size": 32 * 2**20, "mf": lzma.MF_HC3}
    filters = [packer | {"mode": lzma.MODE_FAST, "nice_len": 32}]
    raw = lzma.compress(plain, lzma.FORMAT_RAW, filters=filters)
    return b"\x09\x04\x05\x00" + bytes([93]) + struct.pack("<L", 32 * 2**20) + raw


def members(count: int, length: int) -> bytes:
    """Return a zip of `count` empty files with names of `length` bytes."""
    names = [b"%06d" % number + b"\xe1" * (length - 6) for number in range(count)]
    return bytes(write([Member(name, b"", packs=False) for name in names]).data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["many members", "long names", "a large dictionary"])
def test_fault_16_eight_greedy_zips_at_once_take_little_memory(
    kind: str, tmp_path: Path, made: Make, part: Any, figure: Callable[[str], None]
) -> None:
    if kind == "a large dictionary":
        plain = random.Random(1).randbytes(2**20) * 48
        data = made(part(plain=plain, method=14, flags=2, packed=greedy_stream(plain)))
    else:
        data = members(16_000, 80) if kind == "many members" else members(30, 65_000)
    path = tmp_path / "greedy.zip"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert len(told["found"]) == 8
    assert told["more"] <= MOST
    figure(f"eight zips with {kind} at once: +{told['more'] / 1024:.1f} MiB")


def test_fault_23_want_of_memory_while_unpacking_is_no_damage(
    zipped: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Starved:
        eof, needs_input, unused_data = False, True, b""

        def decompress(self, data: bytes, max_length: int) -> bytes:
            raise zlib.error("Error -4 while decompressing data")  # Z_MEM_ERROR

    archive = zipped([("a.csv", b"a,b\n" * 99)])
    monkeypatch.setattr(data, "_decoder", lambda file, member: (Starved(), member.data))
    with pytest.raises(MemoryError):
        examine(io.BytesIO(archive), len(archive))
