"""The pages that an Ogg stream is made of (RFC 3533): where each ends, and its checksum."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

HEADER_BYTES = 27
_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def pages(stream: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """First byte of each page, and the byte behind its last.

    Raises:
        ValueError: the bytes are not whole pages, one behind the other.
    """
    offset = 0
    while offset < len(stream):
        end = _page_end(stream, offset)
        yield offset, end
        offset = end


def _page_end(stream: bytes | bytearray, offset: int) -> int:
    if stream[offset : offset + 4] != b"OggS" or len(stream) < offset + HEADER_BYTES:
        raise ValueError(f"byte {offset} of {len(stream)} does not begin an Ogg page")
    n_segments = stream[offset + 26]
    lengths = stream[offset + HEADER_BYTES : offset + HEADER_BYTES + n_segments]
    end = offset + HEADER_BYTES + n_segments + sum(lengths)
    if end > len(stream):
        raise ValueError(f"the Ogg page at byte {offset} ends at {end}, after the last of {len(stream)} bytes")
    return end


def page_checksum(page: bytes) -> int:
    """CRC-32 of polynomial 0x04C11DB7, most significant bit first, from 0: zlib's, with every byte mirrored.

    >>> hex(page_checksum(b"123456789"))
    '0x89a1897f'
    """
    mirrored = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED_BITS), "big")


def page_is_whole(page: bytes) -> bool:
    """Whether a page has the checksum that stands in it."""
    return page_checksum(page[:22] + bytes(4) + page[26:]) == int.from_bytes(page[22:26], "little")
