"""Ogg streams with a serial number of our choosing, so that the same sound gives the same bytes.

Encoders draw the serial number of a stream at random; it stands in every page (RFC 3533) under a checksum.
"""

from __future__ import annotations

import zlib

_HEADER_BYTES = 27
_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def with_serial(stream: bytes, serial: int) -> bytes:
    """The same stream under another serial number, checksums made anew.

    Raises:
        ValueError: the bytes are not whole Ogg pages.
    """
    pages, offset = bytearray(stream), 0
    while offset < len(pages):
        end = _page_end(pages, offset)
        pages[offset + 14 : offset + 18] = serial.to_bytes(4, "little")
        pages[offset + 22 : offset + 26] = bytes(4)
        pages[offset + 22 : offset + 26] = page_checksum(bytes(pages[offset:end])).to_bytes(4, "little")
        offset = end
    return bytes(pages)


def _page_end(pages: bytearray, offset: int) -> int:
    if pages[offset : offset + 4] != b"OggS" or len(pages) < offset + _HEADER_BYTES:
        raise ValueError(f"byte {offset} of {len(pages)} does not begin an Ogg page")
    n_segments = pages[offset + 26]
    lengths = pages[offset + _HEADER_BYTES : offset + _HEADER_BYTES + n_segments]
    end = offset + _HEADER_BYTES + n_segments + sum(lengths)
    if end > len(pages):
        raise ValueError(f"the Ogg page at byte {offset} ends at {end}, after the last of {len(pages)} bytes")
    return end


def page_checksum(page: bytes) -> int:
    """CRC-32 of polynomial 0x04C11DB7, most significant bit first, from 0: zlib's, with every byte mirrored.

    >>> hex(page_checksum(b"123456789"))
    '0x89a1897f'
    """
    mirrored = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED_BITS), "big")
