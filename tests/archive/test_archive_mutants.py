"""No cut and no change of a zip is taken for whole unless its contents are untouched."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampling import sampled

from reportsync.archive import Contents
from reportsync.errors import ArchiveRefused, TransientFault

Examined = Callable[[bytes], Contents]
Make = Callable[..., bytes]
FILES = [
    ("push/sent.csv", b"campaign,sent\n" + b"".join(b"c%d,%d\n" % (n, n * n) for n in range(99))),
    ("e-mail.csv", bytes(range(256))),
    ("sms.csv", b""),
]
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def held(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with one or two changes of the kinds that transports and disks make."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2))):
        at = chance.randrange(len(changed))
        length = chance.choice((1, 2, 4, 16, 64, 300))
        span = changed[at : at + length]
        match chance.randrange(6):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.choice((0, 0xFF, 0x7F, 0x80))
            case 2:
                changed[at : at + length] = bytes(len(span))
            case 3:
                del changed[at : at + length]
            case 4:
                changed[at:at] = span
            case _:
                changed[at:at] = chance.randbytes(length)
    return bytes(changed)


def survivors(seeds: range, originals: list[bytes], examined: Examined) -> int:
    """Return how many mutants were taken, after checking that each has the contents of old."""
    taken = 0
    contents = dict(FILES)
    for seed in seeds:
        changed = mutant(originals[seed % len(originals)], random.Random(seed))
        try:
            found = examined(changed)
        except (TransientFault, ArchiveRefused):
            continue
        except BaseException as error:
            error.add_note(f"replay: python tests/input/replay.py zip-bytes {seed}")
            raise
        # A name has no checksum: it changes unseen where the same bits flip in both of its places.
        assert list(held(changed).values()) == list(contents.values()), f"seed {seed}"
        assert found == Contents(3, sum(map(len, contents.values()))), f"seed {seed}"
        taken += 1
    return taken


@pytest.fixture(scope="module")
def originals(zipped: Make) -> list[bytes]:
    return [zipped(FILES, method) for method in METHODS]


def test_fault_17_no_truncation_is_taken_for_whole(
    originals: list[bytes], examined: Examined
) -> None:
    for original in originals:
        assert examined(original).members == 3
        for length in range(len(original)):
            with pytest.raises(TransientFault):
                examined(original[:length])


@pytest.mark.parametrize("step", sampled([11, 3]))
def test_fault_17_no_flipped_bit_changes_the_contents_unseen(
    originals: list[bytes], examined: Examined, step: int
) -> None:
    contents = dict(FILES)
    for original in originals:
        changed = bytearray(original)
        for bit in range(0, len(original) * 8, step):
            changed[bit // 8] ^= 1 << bit % 8
            try:
                examined(bytes(changed))
            except (TransientFault, ArchiveRefused):
                pass
            else:
                assert held(bytes(changed)) == contents, f"bit {bit}"
            changed[bit // 8] ^= 1 << bit % 8


def test_fault_17_two_thousand_mutants_are_refused_or_unharmed(
    originals: list[bytes], examined: Examined
) -> None:
    taken = survivors(range(2000), originals, examined)
    assert 0 < taken < 400, "fields without meaning, such as times, may change; little else"


@pytest.mark.slow
def test_fault_17_sixty_thousand_mutants_are_refused_or_unharmed(
    originals: list[bytes], examined: Examined, figure: Callable[[str], None]
) -> None:
    taken = survivors(range(2000, 62_000), originals, examined)
    assert 1000 < taken < 12_000
    figure(
        f"zips with changed bytes: 60,000; unharmed and taken: {taken:,}; taken wrongly: 0; unhandled: 0"
    )


@given(
    files=st.dictionaries(
        st.from_regex(r"[a-z0-9_ä]{1,12}(/[a-z]{1,5}){0,2}\.csv", fullmatch=True),
        st.binary(max_size=400).flatmap(lambda b: st.integers(1, 50).map(lambda n: b * n)),
        max_size=6,
    ),
    method=st.sampled_from(METHODS),
    comment=st.binary(max_size=40).filter(lambda text: b"PK" not in text),
)
@pytest.mark.slow
def test_every_zip_that_zipfile_writes_is_whole(
    files: dict[str, bytes], method: int, comment: bytes, zipped: Make, examined: Examined
) -> None:
    data = zipped(list(files.items()), method, comment)
    assert examined(data) == Contents(len(files), sum(map(len, files.values())))


@given(rubbish=st.binary(max_size=200), head=st.sampled_from([b"", b"PK\3\4", b"PK\5\6"]))
def test_arbitrary_bytes_raise_only_our_errors(
    rubbish: bytes, head: bytes, examined: Examined
) -> None:
    with pytest.raises((TransientFault, ArchiveRefused)):
        examined(head + rubbish)
