"""Answers in several voices: joining segments that differ in speed, mood or manner.

The paper's way keeps every segment's `<audio_start>` and `<audio_end>`, so that one pair of markers holds one voice
state. Its ablation compares two inferior ways: markers removed, and text interleaved into each segment before joining.
Each is here over tokens (what the decoder is trained on) and over sound (what a listener gets). Details that the paper
does not print are our reading and are said below.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aqaa_eval.reference_model.layout import Layout, Segment, parse_layout, write_answer
from aqaa_eval.reference_model.vocabulary import Vocabulary
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder

Wave = NDArray[np.float32]
_BLOCK_S = 0.36  # speech of the 15 audio tokens between two text blocks


class Splice(Enum):
    """How segments are joined."""

    MARKERS_KEPT = "markers_kept"
    MARKERS_REMOVED = "markers_removed"
    TEXT_INTERLEAVED = "text_interleaved"


def splice_tokens(
    segments: Sequence[Segment],
    vocabulary: Vocabulary,
    *,
    way: Splice,
    interleave: str = "interleave_10_15",
) -> list[int]:
    """Joins segments into one answer.

    Args:
        segments: voice states in order, whole groups of codes each; text is used by `TEXT_INTERLEAVED` only.
        vocabulary: gives the ids.
        way: markers kept: an `audio_only` answer with a pair of markers per segment. Markers removed: the same with
            one pair around everything. Text interleaved: each segment as N text, M audio within its own markers.
        interleave: the N:M layout of the last.

    Returns:
        Ids from the first marker to `<|EOT|>`; they parse under the layout of `spliced_layout`.

    Raises:
        ValueError: there is no segment, or one cannot be written.
    """
    if not segments:
        raise ValueError("there are no segments to join: give at least one")
    if way is Splice.MARKERS_REMOVED:
        segments = [Segment(codes=tuple(code for segment in segments for code in segment.codes))]
    elif way is Splice.MARKERS_KEPT:
        segments = [Segment(codes=segment.codes) for segment in segments]
    return write_answer(segments, spliced_layout(way, interleave=interleave), vocabulary)


def spliced_layout(way: Splice, *, interleave: str = "interleave_10_15") -> Layout:
    """Gives the layout under which the result of `splice_tokens` parses.

    >>> spliced_layout(Splice.MARKERS_REMOVED).name
    'audio_only'
    """
    return parse_layout(interleave if way is Splice.TEXT_INTERLEAVED else "audio_only")


def splice_audio(waves: Sequence[Wave], sample_rate_hz: int, *, way: Splice, fade_s: float = 0.01) -> Wave:
    """Joins recorded or synthesised segments as the way would sound.

    Args:
        waves: float32, [n] each.
        sample_rate_hz: theirs.
        way: markers kept: each segment fades in and out, so no step is heard where the voice changes. Markers removed:
            cut against each other. Text interleaved: faded at every block of 0.36 s, as if each were spoken apart.
        fade_s: length of a fade.

    Returns:
        float32, as long as the segments together: no way adds or drops time.

    Raises:
        ValueError: there is no segment, or one is not one-dimensional.

    >>> splice_audio([np.ones(100, np.float32)] * 2, 1000, way=Splice.MARKERS_REMOVED).sum()
    np.float32(200.0)
    """
    if not waves or any(wave.ndim != 1 for wave in waves):
        raise ValueError(f"segments must be at least one array of shape [n], got {[wave.shape for wave in waves]}")
    if way is Splice.MARKERS_REMOVED:
        return np.concatenate(waves).astype(np.float32)
    n_fade = int(fade_s * sample_rate_hz)
    if way is Splice.MARKERS_KEPT:
        return np.concatenate([_faded(wave, n_fade) for wave in waves])
    n_block = max(1, int(_BLOCK_S * sample_rate_hz))
    blocks = [wave[start : start + n_block] for wave in waves for start in range(0, len(wave), n_block)]
    return np.concatenate([_faded(block, n_fade) for block in blocks])


def _faded(wave: Wave, n_fade: int) -> Wave:
    n = min(n_fade, len(wave) // 2)
    faded = wave.astype(np.float32, copy=True)
    if n:
        ramp = np.sin(np.linspace(0, np.pi / 2, n, dtype=np.float32)) ** 2
        faded[:n] *= ramp
        faded[-n:] *= ramp[::-1]
    return faded


def speak_spliced(segments: Sequence[Segment], vocoder: Vocoder, *, way: Splice, seed: int) -> tuple[Tensor, int]:
    """Speaks a spliced answer as its markers say.

    With markers every segment is spoken by itself, so that nothing of one voice state reaches the next; without, all
    codes go through the vocoder in one piece.

    Args:
        segments: voice states in order.
        vocoder: turns codes into sound.
        way: how they were joined.
        seed: fixes the vocoder's noise; segment i takes seed + i.

    Returns:
        Wave [N], and its sample rate in Hz.
    """
    if way is Splice.MARKERS_REMOVED:
        return vocoder.synthesize([code for segment in segments for code in segment.codes], seed)
    waves = [vocoder.synthesize(list(segment.codes), seed + i)[0].numpy() for i, segment in enumerate(segments)]
    joined = splice_audio(waves, vocoder.sample_rate_hz, way=way)
    return torch.from_numpy(joined), vocoder.sample_rate_hz
