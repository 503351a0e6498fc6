"""Whole zips are taken, whoever wrote them, at a bounded price."""

from __future__ import annotations

import ensurepip
import errno
import io
import random
import struct
import subprocess
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reportsync.archive import Contents, Limits, examine
from reportsync.errors import ArchiveRefused, Stopped, TransientFault

Examined = Callable[[bytes], Contents]
Make = Callable[..., bytes]
Tool = Callable[[str], str]
FILES = [("push/", b""), ("push/sent.csv", b"a,b\n1,2\n" * 400), ("e-mail ä.csv", b"x" * 9)]
UNPACKED = sum(len(data) for _, data in FILES)
KERNEL_FILE = Path("/proc/self/mem")  # its first page cannot be read: a real I/O error


def examine_file(path: Path) -> Contents:
    with path.open("rb") as file:
        return examine(file, path.stat().st_size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data:
            path.write_bytes(data)
    return tmp_path / "files"


@pytest.mark.parametrize(
    "method",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
)
def test_row_29_members_of_every_usual_method_are_read_to_their_end(
    method: int, zipped: Make, examined: Examined
) -> None:
    data = zipped(FILES, method)
    assert examined(data) == Contents(members=3, uncompressed=UNPACKED)
    damaged = bytearray(data)
    damaged[data.index(b"sent.csv") + 28] ^= 1
    with pytest.raises(TransientFault, match=r"push/sent\.csv"):
        examined(bytes(damaged))


def test_fault_18_an_empty_archive_is_whole_and_has_no_members(
    zipped: Make, examined: Examined
) -> None:
    data = zipped([])
    assert len(data) == 22
    assert examined(data) == Contents(members=0, uncompressed=0)


def test_a_comment_may_follow_the_end_record(zipped: Make, examined: Examined) -> None:
    for comment in (b"made by night", b"c" * 0xFFFF):
        assert examined(zipped(FILES, comment=comment)).members == 3
        assert examined(zipped([], comment=comment)).members == 0


def test_streamed_zips_with_data_descriptors_are_whole(examined: Examined) -> None:
    class Pipe(io.RawIOBase):
        """Takes bytes and cannot seek."""

        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += bytes(data)
            return len(data)

    for wide in (False, True):
        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in FILES:
                with archive.open(name, "w", force_zip64=wide) as member:
                    member.write(data)
        assert examined(pipe.data) == Contents(3, UNPACKED)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("form", ["<3L", "<L2Q"])
def test_all_four_forms_of_data_descriptors_are_known(
    signed: bool, form: str, made: Make, part: Any, examined: Examined
) -> None:
    plain = b"a,b\n"
    behind = b"PK\x07\x08" * signed + struct.pack(form, zlib.crc32(plain), 4, 4)
    unsized = (("crc", 0), ("packed", 0), ("size", 0))
    member = part(plain=plain, method=0, flags=8, behind=behind, differs=unsized)
    second = part(name=b"second.csv")
    assert examined(made(member, second)).members == 2
    wrong = part(plain=plain, method=0, flags=8, behind=behind[:-1] + b"\1", differs=unsized)
    with pytest.raises(TransientFault, match=r"descriptor of member 'push\.csv'"):
        examined(made(wrong, second))


@pytest.mark.tool("zip")
@pytest.mark.parametrize("options", [[], ["-0"], ["-9"], ["-fz"], ["-Z", "bzip2"], ["-X", "-D"]])
def test_zips_of_info_zip_are_whole(
    options: list[str], folder: Path, tmp_path: Path, tool: Tool
) -> None:
    path = tmp_path / "made.zip"
    command = [tool("zip"), "-q", "-r", *options, str(path), "."]
    subprocess.run(command, cwd=folder, check=True)
    with zipfile.ZipFile(path) as archive:
        assert examine_file(path) == Contents(len(archive.infolist()), UNPACKED)


@pytest.mark.tool("zip")
def test_zips_that_info_zip_streams_through_a_pipe_are_whole(
    tool: Tool, examined: Examined
) -> None:
    command = [tool("zip"), "-q", "-", "-"]
    piped = subprocess.run(command, input=FILES[1][1], stdout=subprocess.PIPE, check=True).stdout
    assert piped[6] & 8, "the sizes stand behind the data"
    assert examined(piped) == Contents(1, len(FILES[1][1]))


@pytest.mark.tool("jar")
def test_zips_of_java_are_whole(folder: Path, tmp_path: Path, tool: Tool) -> None:
    path = tmp_path / "made.jar"
    subprocess.run([tool("jar"), "cf", str(path), "."], cwd=folder, check=True)
    with zipfile.ZipFile(path) as archive:
        held = archive.infolist()
    assert examine_file(path) == Contents(len(held), sum(info.file_size for info in held))


def test_a_wheel_from_elsewhere_is_whole() -> None:
    wheels = sorted(Path(ensurepip.__file__).parent.glob("_bundled/*.whl"))
    if not wheels:
        pytest.skip("this Python brings no wheels of its own")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            held = archive.infolist()
        assert examine_file(wheel) == Contents(len(held), sum(info.file_size for info in held))


WIDE = Limits(members=65_536, directory=2**22)


@pytest.mark.slow
def test_wide_sizes_and_a_wide_end_record_are_read(examined: Examined) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(65_536):
            archive.writestr(zipfile.ZipInfo(f"{number}"), b"")
    data = stream.getvalue()
    assert b"PK\x06\x06" in data[-200:]
    with pytest.raises(ArchiveRefused, match="65536 members"):
        examined(data)
    assert examine(stream, len(data), limits=WIDE).members == 65_536
    wide, narrow = data.rindex(b"PK\x06\x06"), len(data) - 22
    # The wide record's length, disks, counts, length and start; then those of the narrow one.
    places = [wide + at for at in (4, 16, 20, 24, 32, 40, 48)] + [narrow + at for at in (8, 12, 16)]
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1
        with pytest.raises(TransientFault):
            examined(bytes(damaged))
    damaged = bytearray(data)
    damaged[data.rindex(b"PK\x06\x07") + 15] = 0xFF
    with pytest.raises(TransientFault, match="zip64 end record is not where"):
        examined(bytes(damaged))


@pytest.mark.parametrize("step", [33, pytest.param(3, marks=pytest.mark.slow)])
def test_a_stream_whose_end_falls_near_that_of_a_piece_is_read_to_its_end(
    made: Make, part: Any, examined: Examined, step: int
) -> None:
    for length in range(2**20 - 3, 2**20 + 300, step):
        assert examined(made(part(plain=bytes(length)))).uncompressed == length


def test_an_unbuffered_file_is_read_as_well_as_a_buffered_one(tmp_path: Path, zipped: Make) -> None:
    path = tmp_path / "20261122.zip"
    path.write_bytes(zipped(FILES))
    with path.open("rb", buffering=0) as file:
        assert examine(file, path.stat().st_size).members == 3


def test_memory_stays_flat_while_a_large_archive_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    noise = random.Random(29).randbytes(2**20)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with (
            zipfile.ZipFile(path, "w", method, compresslevel=1) as archive,
            archive.open("push.csv", "w") as member,
        ):
            for _ in range(8):
                member.write(noise + bytes(2**21))
        tracemalloc.start()
        assert examine_file(path).uncompressed == 24 * 2**20
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 * 2**20


def test_an_examination_ends_within_a_piece_when_it_is_told_to(zipped: Make) -> None:
    data = zipped([("push.csv", random.Random(1).randbytes(2**20) + bytes(8 * 2**20))])
    calls = 0

    def check_stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Stopped("stopped on request")

    file = io.BytesIO(data)
    with pytest.raises(Stopped):
        examine(file, len(data), check_stop=check_stop)
    assert file.tell() < len(data) - 2**10


def test_an_error_of_the_disk_is_not_taken_for_a_bad_zip() -> None:
    if not KERNEL_FILE.exists():
        pytest.skip("needs a file whose reading fails, which Linux has")
    with KERNEL_FILE.open("rb", buffering=0) as file, pytest.raises(OSError) as caught:
        examine(file, 4096)
    assert caught.value.errno == errno.EIO
