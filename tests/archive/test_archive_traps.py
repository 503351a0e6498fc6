"""What must not be kept is refused before it is unpacked; what is damaged is asked for again."""

from __future__ import annotations

import bz2
import io
import lzma
import random
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from reportsync.archive import Contents, Limits, examine
from reportsync.errors import ArchiveRefused, AttemptFailed, TransientFault

Examined = Callable[[bytes], Contents]
Make = Callable[..., bytes]
LIMITS = Limits()


def verdict(data: bytes, limits: Limits = LIMITS) -> AttemptFailed:
    """Return the error with which `data` is turned away."""
    with pytest.raises((TransientFault, ArchiveRefused)) as caught:
        examine(io.BytesIO(data), len(data), limits=limits)
    return caught.value


def pieces_read(data: bytes) -> int:
    """Return how many pieces of a zip of one member are unpacked before it is turned away."""
    calls = 0

    def check_stop() -> None:
        nonlocal calls
        calls += 1

    with pytest.raises(AttemptFailed):
        examine(io.BytesIO(data), len(data), check_stop=check_stop)
    return calls - 1  # one is for the member's place


def assert_refused(data: bytes, reason: str) -> None:
    error = verdict(data)
    assert isinstance(error, ArchiveRefused)
    assert reason in error.message
    assert error.evidence
    assert "waive" in (error.hint or "")


def assert_not_whole(data: bytes, reason: str, *, evidence: bool = True) -> None:
    error = verdict(data)
    assert isinstance(error, TransientFault)
    assert error.message.startswith("not a whole zip: ")
    assert reason in error.message
    assert error.evidence is evidence


@pytest.mark.parametrize("flags", [0x0001, 0x0041, 0x2000])
def test_fault_16_an_encrypted_member_is_refused(flags: int, made: Make, part: Any) -> None:
    secret = part(name=b"secret.csv", flags=flags, packed=b"\xff" * 90)
    assert_refused(made(part(), secret), "member 'secret.csv' is encrypted")


@pytest.mark.tool("zip")
def test_fault_16_an_archive_encrypted_by_info_zip_is_refused(
    tmp_path: Any, tool: Callable[[str], str]
) -> None:
    (tmp_path / "push.csv").write_bytes(b"a,b\n" * 99)
    command = [tool("zip"), "-q", "-P", "pass", "made.zip", "push.csv"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert_refused((tmp_path / "made.zip").read_bytes(), "member 'push.csv' is encrypted")


@pytest.mark.parametrize("method", [1, 9, 93, 95, 99])
def test_fault_16_an_unknown_method_is_refused(method: int, made: Make, part: Any) -> None:
    assert_refused(made(part(method=method)), f"method {method}, which is not known")


def test_fault_16_a_patch_or_a_newer_format_is_refused(made: Make, part: Any) -> None:
    assert_refused(made(part(flags=0x20)), "is a patch to another file")
    assert_refused(made(part(version=64)), "needs version 6.4 of the zip format")


@pytest.mark.parametrize(
    "name",
    [b"../up.csv", b"a/../../up.csv", b"..", b"/etc/passwd", b"\\\\host\\share", b"C:\\a.csv",
     b"c:a.csv", b"a\\..\\..\\b.csv", b"a.csv\0.exe", b""],
)  # fmt: skip
def test_fault_16_names_that_lead_out_of_the_folder_are_refused(
    name: bytes, made: Make, part: Any
) -> None:
    assert_refused(made(part(), part(name=name)), "outside of its folder")


@pytest.mark.parametrize("name", [b"a..b.csv", b"...", b"push\\de.csv", b"x/y/", b"\x84\x94.csv"])
def test_names_that_only_look_odd_are_taken(
    name: bytes, made: Make, part: Any, examined: Examined
) -> None:
    assert examined(made(part(), part(name=name))).members == 2


def test_fault_16_a_symbolic_link_is_refused(made: Make, part: Any, examined: Examined) -> None:
    link = part(name=b"link", plain=b"/etc/passwd", method=0, mode=0o120777)
    assert_refused(made(part(), link), "member 'link' is a symbolic link")
    assert examined(made(part(mode=0o100644), part(name=b"d/", plain=b"", mode=0o40755))).members


def test_fault_16_a_bomb_is_refused_before_it_is_unpacked(made: Make, part: Any) -> None:
    bomb = made(part(plain=bytes(32 * 2**20)))
    assert_refused(bomb, f"it is a bomb: {len(bomb)} bytes that unpack to 33554432")
    assert pieces_read(bomb) == 0


def test_fault_16_a_bomb_in_many_small_members_is_refused(made: Make, part: Any) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = bytes(2**20)
    packed = packer.compress(plain) + packer.flush()
    bomb = made(*(part(name=b"%d" % n, plain=plain, packed=packed) for n in range(20)))
    assert_refused(bomb, "it is a bomb")


def test_a_small_table_that_packs_very_well_is_no_bomb(
    made: Make, part: Any, examined: Examined
) -> None:
    assert examined(made(part(plain=bytes(2**20)))).uncompressed == 2**20


def test_fault_16_a_total_beyond_the_limit_is_refused(zipped: Make) -> None:
    data = zipped([("a", b"12345"), ("b", b"12345")])
    error = verdict(data, Limits(uncompressed=9))
    assert isinstance(error, ArchiveRefused)
    assert "unpacks to 10 bytes" in error.message


def test_fault_16_a_directory_beyond_the_limits_is_refused(zipped: Make) -> None:
    data = zipped([(str(n), b"") for n in range(4)])
    for limits in (Limits(members=3), Limits(directory=4 * 47 - 1)):
        assert isinstance(verdict(data, limits), ArchiveRefused)
    assert examine(io.BytesIO(data), len(data), limits=Limits(4, 4 * 47)).members == 4


@pytest.mark.parametrize("names", [(b"a", b"b", b"c"), (b"a", b"a", b"a")])
def test_fault_16_members_that_all_point_to_the_same_bytes_are_refused(
    names: tuple[bytes, ...], made: Make, part: Any
) -> None:
    bomb = made(*(part(name=name) for name in names), shared=True)
    assert_refused(bomb, "its members share the same bytes")


def test_fault_16_a_quoted_overlap_bomb_is_refused(ended: Make, part: Any) -> None:
    # Each member is a stored block that quotes the next local header, then the shared kernel.
    kernel = part(name=b"9", plain=bytes(60_000))
    bodies, entries = kernel.local(), [kernel]
    for number in range(8, -1, -1):
        quoted = bodies[: len(kernel.local()) - len(kernel.packed_bytes())]
        block = struct.pack("<BHH", 0, len(quoted), len(quoted) ^ 0xFFFF)
        packed = block + bodies
        plain = quoted + entries[0].plain
        entries.insert(0, part(name=b"%d" % number, plain=plain, packed=packed))
        bodies = entries[0].local()
    directory, start = b"", 0
    for entry in entries:
        directory += entry.central(start)
        start += len(entry.local()) - len(entry.packed_bytes()) + 5
    bomb = bodies + directory + ended(len(entries), len(directory), len(bodies))
    with zipfile.ZipFile(io.BytesIO(bomb)) as archive:
        assert len(archive.infolist()) == 10
    assert isinstance(verdict(bomb), ArchiveRefused)


def test_fault_16_a_stream_that_goes_on_after_its_declared_size_is_cut_off(
    made: Make, part: Any
) -> None:
    plain = bytes(8 * 2**20)
    short = zlib.crc32(bytes(100))
    for method, packed in [(8, None), (12, bz2.compress(plain))]:
        lying = made(part(plain=plain, packed=packed, method=method, size=100, crc=short))
        assert_not_whole(lying, "member 'push.csv' is longer than its 100 bytes")
        assert pieces_read(lying) == 1


def lzma_of_zeros(length: int, dictionary: int) -> bytes:
    """Return `length` zeros packed without an end marker, for a reader with a big `dictionary`."""
    properties = b"\x5d" + struct.pack("<L", 2**16)
    finder = lzma.LZMADecompressor(lzma.FORMAT_ALONE)
    assert finder.decompress(properties + struct.pack("<Q", length) + bytes(999)) == bytes(length)
    stream = bytes(999 - len(finder.unused_data))
    return b"\x09\x14\x05\x00\x5d" + struct.pack("<L", dictionary) + stream


def test_an_lzma_stream_without_an_end_marker_ends_at_its_declared_size(
    made: Make, part: Any, examined: Examined
) -> None:
    plain, packed = bytes(5000), lzma_of_zeros(5000, 2**16)
    assert examined(made(part(plain=plain, method=14, packed=packed))).uncompressed == 5000
    assert_not_whole(made(part(plain=plain, method=14, packed=packed + b"\0")), "packed bytes")
    nothing = part(plain=b"", method=14, packed=packed[:9] + bytes(5))
    assert examined(made(nothing)).uncompressed == 0


def test_fault_16_an_lzma_stream_may_not_ask_for_much_memory(made: Make, part: Any) -> None:
    greedy = part(plain=bytes(5000), method=14, packed=lzma_of_zeros(5000, 2**28))
    assert_not_whole(made(greedy), "packed bytes of member 'push.csv' are damaged")
    assert_not_whole(made(part(method=14, packed=bytes(8))), "packed bytes")


def test_fault_17_a_wrong_crc_is_found_and_kept_as_evidence(made: Make, part: Any) -> None:
    assert_not_whole(made(part(crc=1)), "member 'push.csv' has a wrong CRC")


def test_fault_17_a_zeroed_page_is_found(zipped: Make) -> None:
    noise = random.Random(17).randbytes(20_000)
    for method in (0, 8):
        data = bytearray(zipped([("push.csv", noise)], method))
        data[4096:8192] = bytes(4096)
        assert_not_whole(bytes(data), "push.csv")


def test_fault_17_joined_archives_are_refused(zipped: Make, made: Make, part: Any) -> None:
    first, second = zipped([("a.csv", b"1")]), zipped([("b.csv", b"2")])
    assert_not_whole(first + second, "bytes were lost or added before it")
    # The same with offsets set right, as `zip -A` does: readers then see the second one alone.
    start = len(first)
    local = part(name=b"b.csv").local()
    entry = part(name=b"b.csv").central(start)
    end = struct.pack("<4s4xHHLLH", b"PK\x05\x06", 1, 1, len(entry), start + len(local), 0)
    assert_not_whole(first + local + entry + end, f"the first {start} bytes are not its own")
    empty = struct.pack("<4s4xHHLLH", b"PK\x05\x06", 0, 0, 0, start, 0)
    assert_not_whole(first + empty, f"the first {start} bytes are not its own")


def test_fault_17_bytes_before_or_after_the_archive_are_refused(zipped: Make) -> None:
    data = zipped([("a.csv", b"1")])
    assert_not_whole(b"HTTP/1.1 200 OK\r\n\r\n" + data, "bytes were lost or added before it")
    assert_not_whole(data + b"\r\n", "2 bytes follow its end")
    assert_not_whole(data + bytes(70_000), "it has no end record", evidence=False)


def test_fault_17_bytes_between_the_members_are_refused(made: Make, part: Any) -> None:
    loose = made(part(behind=b"loose"), part(name=b"b"))
    assert_not_whole(loose, "5 bytes after member 'push.csv' are not its own")
    assert_not_whole(made(part(behind=b"loose")), "5 bytes after member 'push.csv'")


def test_fault_17_a_fake_end_record_in_the_comment_is_refused(zipped: Make) -> None:
    empty = zipped([])
    data = zipped([("a.csv", b"1")], comment=empty)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == [], "zipfile takes it for an empty archive"
    assert_not_whole(data, "its end record is of another file")


def test_fault_17_a_whole_other_directory_in_the_comment_is_refused(
    made: Make, part: Any, ended: Make
) -> None:
    real, other = part(name=b"a.csv"), part(name=b"a.csv", mode=0o644)
    start = len(made(real))
    comment = other.central(0) + ended(1, len(other.central(0)), start)
    data = made(real, comment=comment)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.infolist()[0].external_attr >> 16 == 0o644, "zipfile follows the fake"
    assert_not_whole(data, "bytes after member 'a.csv' are not its own")


@pytest.mark.parametrize("second", [b"push.csv", b"push\\de.csv"])
def test_fault_17_two_members_of_one_name_are_refused(second: bytes, made: Make, part: Any) -> None:
    assert_not_whole(made(part(name=second.replace(b"\\", b"/")), part(name=second)), "two members")


def test_fault_17_a_deflate_stream_that_lost_its_end_is_refused(made: Make, part: Any) -> None:
    # The first bit says that this block is the last; zipfile does not miss it, unzip does.
    plain = b"campaign,sent\n"
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = bytearray(packed.compress(plain) + packed.flush())
    stream[0] ^= 1
    data = made(part(plain=plain, packed=bytes(stream)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
    assert_not_whole(data, "packed bytes of member 'push.csv' are damaged")


@pytest.mark.parametrize("surplus", [b"\0", bytes(600_000)])
@pytest.mark.parametrize("method", [8, 12])
def test_fault_17_packed_bytes_after_the_end_of_a_stream_are_refused(
    surplus: bytes, method: int, made: Make, part: Any
) -> None:
    whole = bz2.compress(part().plain) if method == 12 else part().packed_bytes()
    assert_not_whole(made(part(method=method, packed=whole + surplus)), "packed bytes")


def test_fault_17_a_damaged_length_in_the_directory_is_not_taken_for_a_bomb(
    made: Make, part: Any
) -> None:
    data = bytearray(made(part(), part(name=b"b")))
    data[data.index(b"PK\1\2") + 22] = 1  # 65,536 packed bytes more
    assert_not_whole(bytes(data), "do not agree")


def test_fault_17_a_member_with_too_few_bytes_is_refused(made: Make, part: Any) -> None:
    assert_not_whole(made(part(plain=b"12345", method=0, size=9)), "has 5 of its 9 bytes")


@pytest.mark.parametrize("field", ["flags", "method", "crc", "packed", "size"])
def test_fault_17_two_headers_that_differ_are_damage_not_intent(
    field: str, made: Make, part: Any
) -> None:
    flipped = part(differs=((field, 1),))
    assert_not_whole(made(flipped), "the two headers of member 'push.csv' do not agree")


def test_fault_17_a_local_header_of_another_name_is_refused(made: Make, part: Any) -> None:
    data = made(part())
    assert_not_whole(data.replace(b"push.csv", b"pull.csv", 1), "is not where its directory says")
    assert_not_whole(data.replace(b"PK\3\4", b"PK\3\5", 1), "is not where its directory says")


def test_fault_17_a_member_that_runs_into_the_next_is_refused(made: Make, part: Any) -> None:
    padding = part(name=b"big", plain=bytes(9000), method=0)
    data = bytearray(made(padding, part(name=b"b"), part(name=b"c")))
    at = data.index(b"PK\3\4", 9000)
    data[at + 28] = 40  # the extra field is now said to be 40 bytes long
    assert_not_whole(bytes(data), "member 'b' runs into what follows it")


def test_fault_17_a_damaged_directory_is_refused(made: Make, part: Any, ended: Make) -> None:
    data = made(part(), part(name=b"b"))
    start = data.index(b"PK\1\2")
    body, directory = data[:start], data[start:-22]
    length = len(directory)
    cases = {
        "entry 2 of its directory is damaged": (directory[:54] + b"X" + directory[55:], 2),
        "entry 2 of its directory is cut off": (directory[: 54 + 28] + b"\xff" + directory[83:], 2),
        "more than the 1 members": (directory, 1),
        "too short for 3 members": (directory, 3),
    }
    for reason, (mutant, count) in cases.items():
        assert_not_whole(body + mutant + ended(count, length, start), reason)


def test_fault_17_extra_fields_and_wide_sizes_must_be_complete(
    made: Make, part: Any, examined: Examined
) -> None:
    assert_not_whole(made(part(extra=b"\1\0\x09\0" + bytes(8))), "extra field of member 'push.csv'")
    saturated = part(size=0xFFFFFFFF)
    assert_not_whole(made(saturated), "zip64 sizes of member 'push.csv' are missing")
    other = b"\x75\x70\x02\0ab" + b"\0\0\0"
    assert examined(made(part(extra=other))).members == 1


def test_fault_17_a_name_that_is_not_the_utf8_it_says_is_refused(made: Make, part: Any) -> None:
    assert_not_whole(made(part(name=b"\xff\xfe.csv", flags=0x800)), "is not in UTF-8")


def test_fault_17_a_part_of_a_split_archive_is_refused(zipped: Make) -> None:
    data = bytearray(zipped([("a.csv", b"1")]))
    for disk, first_disk in [(1, 0), (1, 1)]:
        struct.pack_into("<HH", data, len(data) - 18, disk, first_disk)
        assert_not_whole(bytes(data), "one part of a split archive")


@pytest.mark.parametrize("data", [b"", b"PK", b'{"status":"fail"}', b"<html>" * 9000, b"PK\5\6"])
def test_fault_17_what_is_no_zip_at_all_is_no_evidence(data: bytes) -> None:
    assert_not_whole(data, "it has no end record", evidence=False)


def test_fault_17_a_comment_cut_short_is_found(zipped: Make) -> None:
    assert_not_whole(zipped([], comment=b"ab")[:-1], "comment was cut short", evidence=False)


def test_fault_17_a_file_shorter_than_its_size_is_refused(zipped: Make) -> None:
    data = zipped([("a.csv", b"1")])
    with pytest.raises(TransientFault, match="ends before its own size"):
        examine(io.BytesIO(data), len(data) + 5)


def test_fault_43_a_member_name_is_cleaned_and_cut_in_messages(made: Make, part: Any) -> None:
    name = "\x1b[31m\n‮evil<script>".encode() + b"x" * 9000
    message = verdict(made(part(name=name, crc=1, flags=0x800))).message
    assert message.isprintable()
    assert len(message) < 200
