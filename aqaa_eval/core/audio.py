"""Audio: float32 mono samples with their sample rate, and the one reader of the project.

Every malformed file ends in an `AudioError` that names the file, the value and the rule. Some checks are ours because
libsndfile does not make them: it reads a cut WAV or a damaged Ogg file without a word (see `whole`), takes twenty more
formats than anybody sends, and as much memory as a header promises.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.container import SUFFIX_OF, container_of
from aqaa_eval.core.errors import AudioError
from aqaa_eval.core.plain_file import read_plain
from aqaa_eval.core.plain_wav import PlainWav, read_plain_wav
from aqaa_eval.core.whole import refuse_damaged

if TYPE_CHECKING:
    from soundfile import SoundFile

MAX_DURATION_S = 600.0
MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ = 1_000, 768_000
MAX_CHANNELS = 32
MAX_FILE_BYTES = 1 << 29
"""Half a gigabyte, ten minutes of any usual format: a file beyond it is refused before it is read."""
MAX_SAMPLES = 600 * 96_000
"""Per channel. Ten minutes at 768 kHz would take gigabytes, and a FLAC file of so much silence has few bytes."""
MAX_PEAK = 100.0
"""40 dB above full scale: what goes beyond was never scaled to it."""
_BLOCK_VALUES = 1 << 20
_UNKNOWN_FRAMES = 1 << 62


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
        _refuse_rate(self.sample_rate_hz, "audio")

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
        return self if "_came_from_pcm16" in self.__dict__ else _of_pcm16(self.pcm16, self.sample_rate_hz)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of sample rate and 16-bit samples: equal sound, equal name."""
        digest = hashlib.sha256(f"pcm16:{self.sample_rate_hz}:".encode())
        digest.update(np.ascontiguousarray(self.pcm16).data)
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
    with np.errstate(over="ignore"):  # a double beyond float32 is infinite here, and told below
        array = np.asarray(samples, np.float32)
    if array.ndim == 2:
        array = array.mean(axis=1, dtype=np.float32)
    if array.ndim != 1:
        raise AudioError(f"{name}: shape {array.shape} is not (n_samples,) or (n_samples, n_channels)")
    if not array.size:
        raise AudioError(f"{name}: holds no samples")
    _refuse_rate(sample_rate_hz, name)
    peak = max(float(array.max()), -float(array.min()))  # NaN if one sample is
    if not peak <= MAX_PEAK:
        n_bad = int(np.count_nonzero(~np.isfinite(array)))
        if n_bad:
            raise AudioError(
                f"{name}: {n_bad} of {array.size} samples are NaN or infinite; write it again as 16-bit PCM"
            )
        raise AudioError(f"{name}: samples reach {peak:.3g} and full scale is 1.0; write it again as 16-bit PCM")
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
    if (plain := read_plain_wav(encoded)) is not None:
        return _from_plain_wav(plain, label, max_duration_s, cut_after_s)
    refuse_damaged(encoded, label)
    samples, sample_rate_hz = _decode(encoded, label, max_duration_s, cut_after_s)
    return from_samples(samples, sample_rate_hz=sample_rate_hz, name=label)


def _from_plain_wav(plain: PlainWav, label: str, max_duration_s: float, cut_after_s: float | None) -> Audio:
    _refuse_rate(plain.sample_rate_hz, label)
    limit_s = max_duration_s if cut_after_s is None else cut_after_s
    n_wanted = _n_wanted(len(plain.pcm16), plain.sample_rate_hz, label, limit_s, is_cut=cut_after_s is not None)
    return _of_pcm16(plain.pcm16[:n_wanted].copy(), plain.sample_rate_hz)  # not a view: that would keep the whole file


def _of_pcm16(pcm16: NDArray[np.int16], sample_rate_hz: int) -> Audio:
    """The sound of 16-bit samples, which it keeps: rounding twice would change nothing."""
    samples = np.multiply(pcm16, np.float32(1 / 32768), dtype=np.float32)
    audio = Audio(samples=samples, sample_rate_hz=sample_rate_hz)
    audio.__dict__["pcm16"], audio.__dict__["_came_from_pcm16"] = pcm16, True
    return audio


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
        return read_plain(path, max_bytes=MAX_FILE_BYTES)
    except FileNotFoundError as error:
        raise AudioError(f"{label}: no such file") from error
    except OSError as error:
        raise AudioError(f"{label}: cannot be read ({error.strerror})") from error


class _InMemory(io.BytesIO):
    """Deaf to seeks before its beginning: a head that lies asks for them, and libsndfile's callback must not raise."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there if there is such a place; where it stands now."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def _decode(
    encoded: bytes, label: str, max_duration_s: float, cut_after_s: float | None
) -> tuple[NDArray[np.float32], int]:
    import soundfile

    if container_of(encoded) not in SUFFIX_OF:
        raise AudioError(f"{label}: not a readable audio file (no known format); use WAV, FLAC, Ogg or MP3")
    try:
        with soundfile.SoundFile(_InMemory(encoded)) as file:
            limit_s = max_duration_s if cut_after_s is None else cut_after_s
            return _mono(file, label, limit_s, is_cut=cut_after_s is not None), file.samplerate
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(error).split(": ", 1)[-1].rstrip(".")
        raise AudioError(f"{label}: not a readable audio file ({reason}); use WAV, FLAC, Ogg or MP3") from error


def _mono(file: SoundFile, label: str, limit_s: float, *, is_cut: bool) -> NDArray[np.float32]:
    """The average of the channels, read in blocks: what a header promises is never allocated before it is there.

    Args:
        file: an open file.
        label: what errors call it.
        limit_s: longest duration.
        is_cut: a longer recording is read up to there; else it is refused.
    """
    rate_hz, n_promised = file.samplerate, file.frames
    _refuse_rate(rate_hz, label)
    if file.channels > MAX_CHANNELS:
        raise AudioError(f"{label}: {file.channels} channels, at most {MAX_CHANNELS} are read; write it again as mono")
    if n_promised >= _UNKNOWN_FRAMES:  # an encoder that wrote to a pipe; libsndfile cannot read to an unknown end
        raise AudioError(f"{label}: does not say how long it is; write it to a file again, not to a pipe")
    n_wanted = _n_wanted(n_promised, rate_hz, label, limit_s, is_cut=is_cut)
    blocks = [np.zeros(0, np.float32)]
    n_read, n_block = 0, max(1, _BLOCK_VALUES // file.channels)
    while n_read < n_wanted:
        block = file.read(min(n_block, n_wanted - n_read), dtype="float32", always_2d=True)
        if not len(block):
            raise AudioError(f"{label}: truncated or damaged, {n_read} of {n_wanted} frames could be read")
        blocks.append(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32))
        n_read += len(block)
    return blocks[-1] if len(blocks) == 2 else np.concatenate(blocks)


def _n_wanted(n_promised: int, rate_hz: int, label: str, limit_s: float, *, is_cut: bool) -> int:
    """Frames to be read of a recording that has so many; refuses one that is too long."""
    n_wanted = min(n_promised, int(limit_s * rate_hz))
    if n_promised > n_wanted and not is_cut:
        raise AudioError(f"{label}: {n_promised / rate_hz:.0f} s is longer than the limit of {limit_s:.0f} s")
    if n_wanted > MAX_SAMPLES:
        raise AudioError(f"{label}: {n_wanted} samples, at most {MAX_SAMPLES} are read; resample it to 48 kHz")
    return n_wanted


def _refuse_rate(sample_rate_hz: int, label: str) -> None:
    if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise AudioError(
            f"{label}: sample rate {sample_rate_hz} Hz is outside {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz; "
            "resample it"
        )
