"""The few fields of a sentencepiece model file that its own library does not show or lets nobody change.

A `.model` file is a protocol buffer: field 1 repeats the pieces {1: text, 2: score, 3: type}, field 2 is the trainer's
settings, field 3 the normaliser's. Reading and writing them takes a page, which spares a dependency on protobuf.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
# A second normalizer_spec {add_dummy_prefix: false}: a repeated message field is merged, later values win.
_NO_DUMMY_PREFIX = b"\x1a\x02\x18\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One row of the vocabulary.

    Attributes:
        text: the piece; U+2581 stands for a space.
        score: log-probability of the unigram model.
        kind: NORMAL, UNKNOWN, CONTROL or USER_DEFINED.
    """

    text: str
    score: float
    kind: int


def read_pieces(model: bytes) -> list[Piece]:
    """Lists the vocabulary of a serialised model.

    Raises:
        ValueError: the bytes are no sentencepiece model.
    """
    try:
        pieces = [_piece(value) for number, value in _fields(model) if number == 1 and isinstance(value, bytes)]
    except (IndexError, UnicodeDecodeError, struct.error) as error:
        raise ValueError(f"not a sentencepiece model: {error}") from error
    if not pieces:
        raise ValueError("not a sentencepiece model: it holds no pieces")
    return pieces


def without_dummy_prefix(model: bytes) -> bytes:
    """Gives the same model, but without the space that it puts before a text."""
    return model + _NO_DUMMY_PREFIX


def replace_pieces(model: bytes, pieces: Sequence[Piece]) -> bytes:
    """Gives the model with another vocabulary and everything else kept."""
    rest = b"".join(
        _message(number, value) for number, value in _fields(model) if number != 1 and isinstance(value, bytes)
    )
    rows = (
        _message(1, piece.text.encode()) + b"\x15" + struct.pack("<f", piece.score) + b"\x18" + _varint(piece.kind)
        for piece in pieces
    )
    return b"".join(_message(1, row) for row in rows) + rest


def _piece(row: bytes) -> Piece:
    values = dict(_fields(row))
    text, score, kind = values.get(1, b""), values.get(2, b"\0\0\0\0"), values.get(3, NORMAL)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or not isinstance(kind, int):
        raise ValueError("not a sentencepiece model: a piece has a field of the wrong type")
    return Piece(text=text.decode(), score=struct.unpack("<f", score)[0], kind=kind)


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Walks one message: (field number, bytes or integer)."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _read_varint(data, position)
            yield number, value
            continue
        if wire == 2:
            size, position = _read_varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"not a sentencepiece model: wire type {wire} at byte {position}")
        if position + size > len(data):
            raise ValueError(f"not a sentencepiece model, or cut short: {size} bytes wanted at byte {position}")
        yield number, data[position : position + size]
        position += size


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        if shift > 63:
            raise ValueError(f"not a sentencepiece model: no end of the number at byte {position}")
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _varint(value: int) -> bytes:
    r"""Encodes a non-negative integer, seven bits a byte.

    >>> _varint(300)
    b'\xac\x02'
    """
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _message(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value
