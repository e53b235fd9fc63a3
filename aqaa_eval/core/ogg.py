"""Opus in Ogg with the same bytes for the same sound.

Encoders draw the serial number of a stream at random; it stands in every page (RFC 3533) under a checksum.
"""

from __future__ import annotations

import io
import zlib

from aqaa_eval.core.audio import Audio

_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
_HEADER_BYTES = 27
_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def encode_opus(audio: Audio, *, level: float) -> bytes:
    """Encode mono Opus, at the sample rate or the next that Opus has.

    Args:
        audio: what to encode.
        level: libsndfile's compression level in [0, 1]; the bit rate is 6 + 250 * (1 - level) kbit/s.
    """
    import soundfile

    rate_hz = next((rate for rate in _OPUS_RATES_HZ if rate >= audio.sample_rate_hz), _OPUS_RATES_HZ[-1])
    buffer = io.BytesIO()
    samples = audio.resampled(rate_hz).samples
    soundfile.write(buffer, samples, rate_hz, format="OGG", subtype="OPUS", compression_level=level)
    return with_serial(buffer.getvalue(), 0)


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
