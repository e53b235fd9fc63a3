"""The sound of an answer as servers send it: base64 of a file in some container, or of bare 16-bit samples.

What was announced is not believed: the bytes say what they are. A file without a known head is 16-bit little-endian
mono PCM at the rate that the server states, or at 24 kHz.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np

from aqaa_eval.core.answers import ENOUGH_S, first_seconds, read_answer
from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.errors import AudioError, ModelError

DEFAULT_RATE_HZ = 24_000
_BYTES_PER_SAMPLE = 2
_NAME = "the answer's sound"


def from_base64(data: str) -> bytes:
    """The bytes of a base64 text, which may be a data URL.

    Raises:
        ModelError: it is not base64.

    >>> from_base64("data:audio/wav;base64,UklGRg==")
    b'RIFF'
    """
    if data.startswith("data:"):
        data = data.partition(",")[2]
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ModelError(f"the answer's sound is broken base64: {error}") from error


def has_container(encoded: bytes) -> bool:
    """Whether the bytes begin as a WAV, FLAC, Ogg or MP3 file does.

    >>> has_container(b"fLaC...."), has_container(bytes(8))
    (True, False)
    """
    if encoded[:4] in (b"RIFF", b"fLaC", b"OggS") or encoded[:3] == b"ID3":
        return True
    return _is_mp3_frame(encoded)


def _is_mp3_frame(encoded: bytes) -> bool:
    """An MPEG layer III header: eleven set bits, and no reserved version, bit rate or sample rate.

    Loud samples can look like a sync word, so a second header must stand where the first frame ends.
    """
    size = _mp3_frame_bytes(encoded[:4])
    return size > 0 and _mp3_frame_bytes(encoded[size : size + 4]) > 0


_KBIT = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATE_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _mp3_frame_bytes(head: bytes) -> int:
    """Length of the MPEG layer III frame that these four bytes begin; 0 if they begin none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate, padding = (head[1] >> 3) & 3, head[2] >> 4, (head[2] >> 2) & 3, (head[2] >> 1) & 1
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    kbit = _KBIT[3 if version == 3 else 0][bitrate]
    samples_per_byte = 144_000 if version == 3 else 72_000
    return samples_per_byte * kbit // _RATE_HZ[version][rate] + padding


def decode_answer(encoded: bytes, *, pcm_rate_hz: int) -> Audio | None:
    """The sound of an answer, and of an endless one its beginning; None if there are no bytes.

    Args:
        encoded: a file, or bare 16-bit samples.
        pcm_rate_hz: the rate of bare samples.

    Raises:
        ModelError: it is no sound.
    """
    if not encoded:
        return None
    try:
        if has_container(encoded):
            return read_answer(encoded, name=_NAME)
        return _bare(encoded, rate_hz=pcm_rate_hz)
    except AudioError as error:
        raise ModelError(f"unusable sound: {error}") from error


def is_enough(n_bytes: int, *, pcm_rate_hz: int) -> bool:
    """Whether so many bytes of bare samples are more than is kept of any answer."""
    return n_bytes > ENOUGH_S * pcm_rate_hz * _BYTES_PER_SAMPLE


def join_chunks(chunks: Sequence[bytes], *, pcm_rate_hz: int) -> Audio | None:
    """The sound of a stream: bare samples, one file in pieces, or a whole file in every piece.

    Raises:
        ModelError: it is no sound, or changes its sample rate on the way.
    """
    pieces = [chunk for chunk in chunks if chunk]
    if len(pieces) < 2 or not all(_begins_file(piece) for piece in pieces):
        return decode_answer(b"".join(pieces), pcm_rate_hz=pcm_rate_hz)
    files = [audio for piece in pieces if (audio := decode_answer(piece, pcm_rate_hz=pcm_rate_hz)) is not None]
    rates = {audio.sample_rate_hz for audio in files}
    if len(rates) > 1:
        raise ModelError(f"unusable sound: the sample rate changes within the answer ({sorted(rates)} Hz)")
    samples = np.concatenate([audio.samples for audio in files])
    return first_seconds(from_samples(samples, sample_rate_hz=rates.pop(), name=_NAME), ENOUGH_S)


def _begins_file(piece: bytes) -> bool:
    """Whether a piece is a file of its own; MP3 frames and later Ogg pages look alike wherever a stream is cut."""
    begins_ogg = piece[:4] == b"OggS" and len(piece) > 5 and bool(piece[5] & 2)
    return piece[:4] in (b"RIFF", b"fLaC") or begins_ogg


def _bare(encoded: bytes, *, rate_hz: int) -> Audio:
    if len(encoded) % _BYTES_PER_SAMPLE:
        raise AudioError(f"{_NAME} has no known head and {len(encoded)} bytes, an odd number: no 16-bit PCM")
    samples = np.frombuffer(encoded, "<i2").astype(np.float32) / np.float32(32768.0)
    return first_seconds(from_samples(samples, sample_rate_hz=rate_hz, name=_NAME), ENOUGH_S)
