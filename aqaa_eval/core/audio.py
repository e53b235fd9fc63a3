"""Audio: float32 mono samples with their sample rate, and the one reader of the project.

Every malformed file ends in an `AudioError` that names the file, the value and the rule. Two checks are ours because
libsndfile does not make them: it reads a cut WAV or Ogg file without a word.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.errors import AudioError

MAX_DURATION_S = 600.0
MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ = 1_000, 768_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Audio:
    """One mono recording.

    Attributes:
        samples: float32, shape (n_samples,), full scale is 1.0, finite.
        sample_rate_hz: samples per second.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise AudioError(
                f"audio must be float32 of shape (n_samples,), got {self.samples.dtype} of shape {self.samples.shape}"
            )
        if not MIN_SAMPLE_RATE_HZ <= self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
            raise AudioError(
                f"sample rate {self.sample_rate_hz} Hz is outside {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz"
            )

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz

    @cached_property
    def pcm16(self) -> NDArray[np.int16]:
        """The samples as 16-bit integers, clipped at full scale: what is stored and hashed.

        The scale is libsndfile's 32,768, so that 16-bit sound comes back as it went.
        """
        scaled: NDArray[np.float32] = (self.samples * np.float32(32768.0)).round()
        return np.clip(scaled, -32768, 32767).astype(np.int16)

    def as_stored(self) -> Audio:
        """The sound as it comes back from a 16-bit file. What is measured must be this: a resumed run reads it so."""
        stored = Audio(samples=self.pcm16.astype(np.float32) / np.float32(32768.0), sample_rate_hz=self.sample_rate_hz)
        stored.__dict__["pcm16"] = self.pcm16  # known already; rounding twice changes nothing
        return stored

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of sample rate and 16-bit samples: equal sound, equal name."""
        digest = hashlib.sha256(f"pcm16:{self.sample_rate_hz}:".encode())
        digest.update(self.pcm16.tobytes())
        return digest.hexdigest()

    def resampled(self, sample_rate_hz: int) -> Audio:
        """The same sound at another sample rate (soxr, high quality)."""
        if sample_rate_hz == self.sample_rate_hz:
            return self
        import soxr

        samples = soxr.resample(self.samples, self.sample_rate_hz, sample_rate_hz)
        return Audio(samples=np.asarray(samples, np.float32), sample_rate_hz=sample_rate_hz)

    @staticmethod
    def silence(*, duration_s: float, sample_rate_hz: int = 24_000) -> Audio:
        """Digital silence.

        >>> Audio.silence(duration_s=0.5, sample_rate_hz=16000).samples.shape
        (8000,)
        """
        return Audio(samples=np.zeros(round(duration_s * sample_rate_hz), np.float32), sample_rate_hz=sample_rate_hz)


def from_samples(samples: NDArray[np.floating], *, sample_rate_hz: int, name: str = "audio") -> Audio:
    """Make `Audio` of any float array: channels are averaged, non-finite values refused.

    Args:
        samples: shape (n_samples,) or (n_samples, n_channels).
        sample_rate_hz: samples per second.
        name: what the error calls it.

    Raises:
        AudioError: empty, not finite, or of another shape.
    """
    array = np.asarray(samples, np.float32)
    if array.ndim == 2:
        array = array.mean(axis=1, dtype=np.float32)
    if array.ndim != 1:
        raise AudioError(f"{name}: shape {array.shape} is not (n_samples,) or (n_samples, n_channels)")
    if not array.size:
        raise AudioError(f"{name}: holds no samples")
    if not math.isfinite(float(array.sum(dtype=np.float64))):
        n_bad = int(np.count_nonzero(~np.isfinite(array)))
        raise AudioError(f"{name}: {n_bad} of {array.size} samples are NaN or infinite; write it again as 16-bit PCM")
    return Audio(samples=np.ascontiguousarray(array), sample_rate_hz=sample_rate_hz)


def read_audio(
    source: Path | str | bytes,
    *,
    name: str | None = None,
    max_duration_s: float = MAX_DURATION_S,
    cut_after_s: float | None = None,
) -> Audio:
    """Read a WAV, FLAC, Ogg or MP3 file, from a path or from its bytes.

    Args:
        source: path, or the encoded bytes.
        name: what errors call it; the path if not given.
        max_duration_s: longer recordings are refused before they are decoded.
        cut_after_s: if given, longer recordings are read up to here instead of being refused.

    Raises:
        AudioError: missing, empty, truncated, malformed, not finite or too long.
    """
    label = name or (str(source) if isinstance(source, str | Path) else "audio bytes")
    encoded = source if isinstance(source, bytes) else _read_bytes(Path(source), label)
    if not encoded:
        raise AudioError(f"{label}: the file is empty (0 bytes)")
    _refuse_truncated(encoded, label)
    samples, sample_rate_hz = _decode(encoded, label, max_duration_s, cut_after_s)
    return from_samples(samples, sample_rate_hz=sample_rate_hz, name=label)


def encode_audio(audio: Audio, *, container: str = "FLAC") -> bytes:
    """Encode 16-bit mono, as FLAC (default) or WAV."""
    import soundfile

    buffer = io.BytesIO()
    # FLAC level 0: a third of the time of the default level for 3 % more bytes.
    level = {"compression_level": 0.0} if container == "FLAC" else {}
    soundfile.write(buffer, audio.pcm16, audio.sample_rate_hz, format=container, subtype="PCM_16", **level)
    return buffer.getvalue()


def _read_bytes(path: Path, label: str) -> bytes:
    try:
        if not path.is_file():
            raise AudioError(f"{label}: no such file" if not path.exists() else f"{label}: not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise AudioError(f"{label}: cannot be read ({error.strerror})") from error


def _decode(
    encoded: bytes, label: str, max_duration_s: float, cut_after_s: float | None
) -> tuple[NDArray[np.float32], int]:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(encoded)) as file:
            rate, n_frames = file.samplerate, file.frames
            if cut_after_s is not None:
                n_frames = min(n_frames, int(cut_after_s * rate))
            if n_frames > max_duration_s * rate:
                raise AudioError(f"{label}: {n_frames / rate:.0f} s is longer than the limit of {max_duration_s:.0f} s")
            samples = file.read(n_frames, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(error).split(": ", 1)[-1].rstrip(".")
        raise AudioError(f"{label}: not a readable audio file ({reason}); use WAV, FLAC, Ogg or MP3") from error
    if len(samples) < n_frames:
        raise AudioError(f"{label}: truncated, {len(samples)} of {n_frames} frames could be read")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    return mono, rate


def _refuse_truncated(encoded: bytes, label: str) -> None:
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WAVE":
        _refuse_cut_wav(encoded, label)
    elif encoded[:4] == b"OggS" and not _ends_with_last_ogg_page(encoded):
        raise AudioError(f"{label}: truncated, the last Ogg page is cut or does not end the stream")


def _ends_with_last_ogg_page(encoded: bytes) -> bool:
    """Whether the file ends with a whole page that carries the end-of-stream flag (RFC 3533)."""
    page = encoded[encoded.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    n_segments, ends_stream = page[26], page[5] & 4
    n_bytes = 27 + n_segments + sum(page[27 : 27 + n_segments])
    return bool(ends_stream) and len(page) >= n_bytes


def _refuse_cut_wav(encoded: bytes, label: str) -> None:
    """Walk the RIFF chunks; the data chunk must not promise more bytes than there are."""
    offset = 12
    while offset + 8 <= len(encoded):
        chunk, size = encoded[offset : offset + 4], struct.unpack_from("<I", encoded, offset + 4)[0]
        if chunk == b"data":
            n_left = len(encoded) - offset - 8
            # Writers to a pipe leave 0 or the maximum here: the size is then unknown, not wrong.
            if size < 0xFFFFFF00 and size > n_left:
                raise AudioError(
                    f"{label}: truncated, the header promises {size} bytes of sound and {n_left} are there"
                )
            return
        offset += 8 + size + size % 2
