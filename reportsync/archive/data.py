"""Unpack members in bounded pieces, keeping nothing, and compare. Pure but for reading."""

from __future__ import annotations

import bz2
import lzma
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from reportsync.archive.directory import Entry
from reportsync.archive.inflate import INFLATE_ERRORS, WITHOUT_MEMORY, Inflater, crc32
from reportsync.archive.layout import Member
from reportsync.archive.reading import PIECE, read_exactly, read_pieces
from reportsync.archive.refusal import not_whole, shown
from reportsync.archive.turns import in_turn

_STORED, _DEFLATED, _BZIP2, _LZMA = 0, 8, 12, 14
METHODS = frozenset({_STORED, _DEFLATED, _BZIP2, _LZMA})
"""The compression methods that are unpacked, by their numbers in the zip format."""

_UNPACKED_PIECE = 4 * PIECE  # bytes; what fits a processor's cache is the quickest
_DAMAGED: tuple[type[Exception], ...] = (*INFLATE_ERRORS, lzma.LZMAError, OSError)
_LZMA_HEADER = 9  # bytes: version, length of the properties, properties (APPNOTE 5.8.8)
_LZMA_ENDS_ITSELF = 0x0002  # flag: the stream has an end marker
_LZMA_MEMORY = 40 * 2**20  # bytes; the archive chooses the dictionary, at most 32 MiB in practice


class _Decoder(Protocol):
    """Unpacks at most `max_length` bytes at a time, whatever the input would unpack to."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def check_data(file: BinaryIO, member: Member, check_stop: Callable[[], None]) -> None:
    """Unpack `member` and raise TransientFault unless it is what the directory says.

    Never unpacks more than a piece beyond the declared size. `check_stop` is called for each piece.
    """
    with in_turn(member.entry.method == _LZMA):
        _check_data(file, member, check_stop)


def _check_data(file: BinaryIO, member: Member, check_stop: Callable[[], None]) -> None:
    entry, crc, size = member.entry, 0, 0
    for piece in _unpacked(file, member):
        check_stop()
        crc = crc32(piece, crc)
        size += len(piece)
        if size > entry.size:
            raise not_whole(f"member {shown(entry.name)} is longer than its {entry.size} bytes")
    if size < entry.size:
        raise not_whole(f"member {shown(entry.name)} has {size} of its {entry.size} bytes")
    if crc != entry.crc:
        raise not_whole(f"member {shown(entry.name)} has a wrong CRC")


def _unpacked(file: BinaryIO, member: Member) -> Iterator[bytes]:
    entry = member.entry
    if entry.method == _STORED:
        yield from read_pieces(file, member.data, entry.packed)
        return
    decoder, start = _decoder(file, member)
    for piece in read_pieces(file, start, member.data + entry.packed - start):
        if decoder.eof:
            raise _damaged(entry)
        yield _decompress(decoder, piece, entry)
        while not decoder.eof and not decoder.needs_input:
            yield _decompress(decoder, b"", entry)
    # One flipped bit can take the end off a stream whose bytes and CRC are all right.
    if not decoder.eof or decoder.unused_data:
        raise _damaged(entry)


def _decompress(decoder: _Decoder, packed: bytes, entry: Entry) -> bytes:
    try:
        return decoder.decompress(packed, _UNPACKED_PIECE)
    # bz2 reports bad data as OSError; no file is touched here, so it is never the disk's.
    except _DAMAGED as error:
        if str(error).startswith(WITHOUT_MEMORY):
            raise MemoryError from None
        raise _damaged(entry) from None


def _damaged(entry: Entry) -> Exception:
    return not_whole(f"the packed bytes of member {shown(entry.name)} are damaged")


def _decoder(file: BinaryIO, member: Member) -> tuple[_Decoder, int]:
    """Return a fresh decoder and the offset of the first byte that it takes."""
    if member.entry.method == _DEFLATED:
        return Inflater(), member.data
    if member.entry.method == _BZIP2:
        return bz2.BZ2Decompressor(), member.data
    return _lzma_decoder(file, member), member.data + _LZMA_HEADER


def _lzma_decoder(file: BinaryIO, member: Member) -> _Decoder:
    """Return a decoder that was given the header of an .lzma file in place of the zip's own.

    Only so does the library limit the memory that the stream may ask for.
    """
    entry = member.entry
    header = read_exactly(file, member.data, min(_LZMA_HEADER, entry.packed))
    if len(header) < _LZMA_HEADER or header[2:4] != b"\x05\x00":
        raise _damaged(entry)
    size = 2**64 - 1 if entry.flags & _LZMA_ENDS_ITSELF else entry.size
    decoder = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY)
    _decompress(decoder, header[4:] + struct.pack("<Q", size), entry)
    return decoder
