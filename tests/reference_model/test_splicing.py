"""Segments in several voice states, joined in three ways, over tokens and over sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.layout import Segment, parse_answer, parse_layout, write_answer
from aqaa_eval.reference_model.splicing import Splice, speak_spliced, splice_audio, splice_tokens, spliced_layout
from aqaa_eval.reference_model.vocabulary import AUDIO_END, AUDIO_START, EOT, TEXT_END, Vocabulary
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder

GROUP = (1, 2, 1030, 1031, 1032)
SLOW = Segment(text_ids=tuple(range(70, 95)), codes=GROUP * 8)
FAST = Segment(text_ids=tuple(range(100, 103)), codes=tuple(c + 1 for c in GROUP))


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.tiny()


def test_kept_markers_hold_one_voice_state_each(vocabulary: Vocabulary) -> None:
    ids = splice_tokens([SLOW, FAST], vocabulary, way=Splice.MARKERS_KEPT)
    audio = vocabulary.audio_ids
    assert ids == [AUDIO_START, *audio(SLOW.codes), AUDIO_END, AUDIO_START, *audio(FAST.codes), AUDIO_END, EOT]
    parsed = parse_answer(ids, parse_layout("audio_only"), vocabulary)
    assert [segment.codes for segment in parsed.segments] == [SLOW.codes, FAST.codes]


def test_removed_markers_leave_one_pair_around_all(vocabulary: Vocabulary) -> None:
    ids = splice_tokens([SLOW, FAST], vocabulary, way=Splice.MARKERS_REMOVED)
    assert ids == [AUDIO_START, *vocabulary.audio_ids(SLOW.codes + FAST.codes), AUDIO_END, EOT]


def test_interleaved_text_stands_between_blocks_of_each_segment(vocabulary: Vocabulary) -> None:
    ids = splice_tokens([SLOW, FAST], vocabulary, way=Splice.TEXT_INTERLEAVED)
    audio = vocabulary.audio_ids(SLOW.codes)
    assert ids[:52] == [AUDIO_START, *range(70, 80), *audio[:15], *range(80, 90), *audio[15:30], 90]
    assert ids[52:58] == [91, 92, 93, 94, TEXT_END, audio[30]]
    assert parse_answer(ids, spliced_layout(Splice.TEXT_INTERLEAVED), vocabulary).segments == (SLOW, FAST)


@pytest.mark.parametrize("name", ["text_to_audio", "interleave_10_15", "3:5", "2:3"])
def test_writing_an_answer_is_the_inverse_of_parsing_it(vocabulary: Vocabulary, name: str) -> None:
    layout = parse_layout(name)
    parsed = parse_answer(write_answer([SLOW, FAST], layout, vocabulary), layout, vocabulary)
    assert parsed.text_ids == SLOW.text_ids + FAST.text_ids
    assert parsed.codes == [*SLOW.codes, *FAST.codes]


def test_what_cannot_be_written_is_refused(vocabulary: Vocabulary) -> None:
    short = Segment(text_ids=tuple(range(70, 95)), codes=GROUP)
    with pytest.raises(ValueError, match="needing 30 audio tokens, and there are 5"):
        write_answer([short], parse_layout("interleave_10_15"), vocabulary)
    with pytest.raises(ValueError, match="but audio_only has linguistic there"):
        write_answer([Segment(codes=GROUP[:1])], parse_layout("audio_only"), vocabulary)
    with pytest.raises(ValueError, match="no segments to join"):
        splice_tokens([], vocabulary, way=Splice.MARKERS_KEPT)


@pytest.mark.parametrize("way", list(Splice))
def test_no_way_adds_or_drops_time(way: Splice) -> None:
    waves = [np.full(n, 0.5, np.float32) for n in (2400, 24_000, 7)]
    assert len(splice_audio(waves, 24_000, way=way)) == 2400 + 24_000 + 7


def test_only_kept_markers_join_without_a_step() -> None:
    waves = [np.full(24_000, 0.5, np.float32), np.full(24_000, -0.5, np.float32)]
    steps = {way: float(np.abs(np.diff(splice_audio(waves, 24_000, way=way))).max()) for way in Splice}
    assert steps[Splice.MARKERS_REMOVED] == pytest.approx(1.0)
    assert steps[Splice.MARKERS_KEPT] < 0.01
    # Interleaving breaks into every segment: far more of the sound lies in fades.
    quiet = {way: int((np.abs(splice_audio(waves, 24_000, way=way)) < 0.25).sum()) for way in Splice}
    assert quiet[Splice.TEXT_INTERLEAVED] > 2 * quiet[Splice.MARKERS_KEPT]
    with pytest.raises(ValueError, match=r"must be at least one array of shape \[n\]"):
        splice_audio([], 24_000, way=Splice.MARKERS_KEPT)


def test_with_markers_a_segment_does_not_hear_its_neighbour() -> None:
    config = tiny()
    vocoder = Vocoder.random(config.flow, config.hift, seed=0)
    kept, rate_hz = speak_spliced([SLOW, FAST], vocoder, way=Splice.MARKERS_KEPT, seed=1)
    other, _ = speak_spliced([SLOW, SLOW], vocoder, way=Splice.MARKERS_KEPT, seed=1)
    n = len(vocoder.synthesize(list(SLOW.codes), 1)[0])
    assert rate_hz == 22_050
    assert torch.equal(kept[:n], other[:n])
    joined, _ = speak_spliced([SLOW, FAST], vocoder, way=Splice.MARKERS_REMOVED, seed=1)
    joined_other, _ = speak_spliced([SLOW, SLOW], vocoder, way=Splice.MARKERS_REMOVED, seed=1)
    assert not torch.equal(joined[:n], joined_other[:n])
