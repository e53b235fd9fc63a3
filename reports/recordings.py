"""The sound of a run as the page carries it: data URIs up to a size, links beyond it, and waveforms as SVG paths.

A small run is embedded as it was stored, without loss; a larger one as Opus in Ogg; what exceeds the limits is linked
from the run's `audio/` folder. Encoding Opus costs about 40 ms of CPU per second of sound, so a run of hours is linked
from the start, and one of days is not even opened for its waveforms: the browser's own player stands there then. The
choice depends on the files alone, so the same run gives the same page.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import MAX_FILE_BYTES, read_audio
from aqaa_eval.core.errors import AudioError, DataError
from aqaa_eval.core.inside import below
from aqaa_eval.core.ogg import encode_opus
from aqaa_eval.core.plain_file import read_plain

MAX_EMBEDDED_BYTES = 25_000_000
MAX_LOSSLESS_BYTES = 3_000_000
MAX_OPENED_BYTES = 40_000_000
"""Stored sound (about 20 minutes) beyond which nothing is encoded and all is linked."""
MAX_DRAWN_BYTES = 120_000_000
"""Stored sound (about an hour) beyond which linked recordings are not opened either."""
N_BARS = 150
BARS_HEIGHT = 32

_BATCH = 64  # recordings in memory at once
_OPUS_LEVEL = 0.9  # 31 kbit/s: transparent for one voice
_SIGNATURES = ((b"fLaC", "audio/flac"), (b"OggS", "audio/ogg"), (b"RIFF", "audio/wav"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording, ready for the page.

    Attributes:
        source: data URI or relative link; "" if there is nothing to play.
        is_embedded: true of a data URI.
        duration_s: its length; None if it was not opened.
        waveform: SVG path in a box of `N_BARS` * 2 by `BARS_HEIGHT` units; "" if it was not opened.
        problem: why it cannot be played; "" if it can.
    """

    source: str
    is_embedded: bool = False
    duration_s: float | None = None
    waveform: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encoded:
    content: bytes
    media_type: str
    duration_s: float
    waveform: str


def load_recordings(
    folder: Path, names: Sequence[str], *, max_bytes: int = MAX_EMBEDDED_BYTES
) -> Mapping[str, Recording]:
    """Prepare the recordings of a page.

    Args:
        folder: the run's `audio/` folder.
        names: file names in the order of the page, which carries each once however often it stands there.
        max_bytes: encoded sound that the page may carry; from the first recording that does not fit, all are linked,
            and all of a run that stores more than `MAX_OPENED_BYTES`.

    Returns:
        One recording per name; a file that cannot be read is said in its `problem`, never raised.
    """
    unique = list(dict.fromkeys(names))
    n_stored = sum(_size(folder, name) for name in unique)
    found: dict[str, Recording] = {}
    if n_stored <= MAX_OPENED_BYTES:
        n_bytes, encoded = 0, _encoded(folder, unique, lossless=n_stored <= min(MAX_LOSSLESS_BYTES, max_bytes))
        for name, content in encoded:
            if isinstance(content, Recording):
                found[name] = content
                continue
            n_bytes += len(content.content)
            if n_bytes > max_bytes:
                break
            found[name] = _embedded(content)
        encoded.close()
    rest = [name for name in unique if name not in found]
    found |= _drawn(folder, rest) if n_stored <= MAX_DRAWN_BYTES else {name: _linked(folder, name) for name in rest}
    return {name: found[name] for name in unique}


def _drawn(folder: Path, names: Sequence[str]) -> dict[str, Recording]:
    """Linked recordings with their waveforms."""
    with ThreadPoolExecutor(max(1, min(8, os.cpu_count() or 1))) as pool:
        return dict(zip(names, pool.map(lambda name: _draw(folder, name), names), strict=True))


def _draw(folder: Path, name: str) -> Recording:
    linked = _linked(folder, name)
    if not linked.source:
        return linked
    try:
        audio = read_audio(folder / name, name=name)
    except AudioError as error:
        return Recording(source="", problem=str(error))
    return replace(linked, duration_s=audio.duration_s, waveform=waveform_path(audio.samples))


def _encoded(
    folder: Path, names: Sequence[str], *, lossless: bool
) -> Generator[tuple[str, _Encoded | Recording], None, None]:
    """Encode on all cores (the codecs release the interpreter), a batch ahead at the most."""
    with ThreadPoolExecutor(max(1, min(8, os.cpu_count() or 1))) as pool:
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            yield from zip(batch, pool.map(lambda name: _encode(folder, name, lossless), batch), strict=True)


def _encode(folder: Path, name: str, lossless: bool) -> _Encoded | Recording:
    if not _is_inside(folder, name):
        return _linked(folder, name)
    try:
        content = read_plain(folder / name, max_bytes=MAX_FILE_BYTES)
        audio = read_audio(content, name=name)
    except OSError as error:
        return Recording(source="", problem=f"{name}: cannot be read ({error.strerror})")
    except AudioError as error:
        return Recording(source="", problem=str(error))
    media_type = next((kind for signature, kind in _SIGNATURES if content.startswith(signature)), "")
    if not (media_type == "audio/ogg" or (lossless and media_type)):
        content, media_type = encode_opus(audio, level=_OPUS_LEVEL), "audio/ogg"
    return _Encoded(
        content=content,
        media_type=media_type,
        duration_s=audio.duration_s,
        waveform=waveform_path(audio.samples),
    )


def _embedded(encoded: _Encoded) -> Recording:
    return Recording(
        source=f"data:{encoded.media_type};base64,{base64.b64encode(encoded.content).decode('ascii')}",
        is_embedded=True,
        duration_s=encoded.duration_s,
        waveform=encoded.waveform,
    )


def _linked(folder: Path, name: str) -> Recording:
    if not _is_inside(folder, name):
        return Recording(source="", problem=f"{name!r} is not a plain file name, so it is not opened")
    if not (folder / name).is_file():
        return Recording(source="", problem=f"{name}: no such file in the run's audio folder")
    return Recording(source="audio/" + quote(name))


def _size(folder: Path, name: str) -> int:
    return (folder / name).stat().st_size if _is_inside(folder, name) and (folder / name).is_file() else 0


def _is_inside(folder: Path, name: str) -> bool:
    """A run folder may come from anyone: neither a name nor a link must lead out of it."""
    try:
        below(folder, name)
    except DataError:
        return False
    return "/" not in name


def waveform_path(samples: NDArray[np.float32]) -> str:
    """The envelope as vertical bars of an SVG path; the height is relative to the loudest moment.

    >>> waveform_path(np.ones(300, np.float32)).split("M")[1:3]
    ['1 2v28', '3 2v28']
    """
    peaks = _envelope(np.abs(samples))
    loudest = float(peaks.max(initial=0.0))
    scale = (BARS_HEIGHT / 2 - 2) / loudest if loudest > 0 else 0.0
    halves: Sequence[int] = np.maximum(1, np.round(peaks * scale)).astype(int).tolist()
    middle = BARS_HEIGHT // 2
    return "".join(f"M{2 * index + 1} {middle - half}v{2 * half}" for index, half in enumerate(halves))


def _envelope(magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest magnitude in each of `N_BARS` equal stretches; zeros of nothing."""
    if not magnitudes.size:
        return np.zeros(N_BARS, np.float32)
    edges = np.linspace(0, magnitudes.size, N_BARS, endpoint=False).astype(np.int64)
    return np.maximum.reduceat(magnitudes, edges)
