"""Opus in Ogg with the same bytes for the same sound.

Encoders draw the serial number of a stream at random; it stands in every page (RFC 3533) under a checksum.
"""

from __future__ import annotations

import io

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.ogg_pages import page_checksum, pages

_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


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
    changed = bytearray(stream)
    for start, end in pages(stream):
        changed[start + 14 : start + 18] = serial.to_bytes(4, "little")
        changed[start + 22 : start + 26] = bytes(4)
        changed[start + 22 : start + 26] = page_checksum(bytes(changed[start:end])).to_bytes(4, "little")
    return bytes(changed)
