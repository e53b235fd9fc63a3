"""Opus in Ogg with the same bytes every time.

An Ogg stream carries a serial number that libsndfile draws by the clock. So it is set to zero afterwards, and every
page's checksum is computed anew (RFC 3533: CRC-32 with polynomial 0x04c11db7, not reflected, no final inversion).
"""

from __future__ import annotations

import io
import struct
from functools import cache

from aqaa_eval.core.audio import Audio

# libsndfile's 0 to 1 spans Opus' bit rates from high to low; 0.93 gives 3 to 4 kB per second of speech.
COMPRESSION = 0.93
_HEADER_BYTES = 27


def encode_opus(audio: Audio) -> bytes:
    """Encode mono Opus at 24 kHz, the same bytes for the same sound."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(
        buffer, audio.samples, audio.sample_rate_hz, format="OGG", subtype="OPUS", compression_level=COMPRESSION
    )
    return with_serial(buffer.getvalue(), 0)


def with_serial(encoded: bytes, serial: int) -> bytes:
    """The same Ogg stream with another serial number on all its pages."""
    pages = bytearray(encoded)
    start = 0
    while start < len(pages):
        n_segments = pages[start + _HEADER_BYTES - 1]
        table_end = start + _HEADER_BYTES + n_segments
        end = table_end + sum(pages[start + _HEADER_BYTES : table_end])
        struct.pack_into("<I", pages, start + 14, serial)
        struct.pack_into("<I", pages, start + 22, 0)
        struct.pack_into("<I", pages, start + 22, _crc(pages[start:end]))
        start = end
    return bytes(pages)


@cache
def _table() -> tuple[int, ...]:
    values = []
    for byte in range(256):
        register = byte << 24
        for _ in range(8):
            register = ((register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)) & 0xFFFFFFFF
        values.append(register)
    return tuple(values)


def _crc(page: bytearray) -> int:
    """Checksum of a page whose own field is zero.

    >>> hex(_crc(bytearray(b"OggS")))
    '0x5fb0a94f'
    """
    table, register = _table(), 0
    for byte in page:
        register = ((register << 8) & 0xFFFFFFFF) ^ table[(register >> 24) ^ byte]
    return register
