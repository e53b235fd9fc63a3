from __future__ import annotations

import numpy as np
import pytest

from aqaa_eval.ablations.splicing import SegmentBook, SplicedModel, SplicingSuite, StatesJudge, items, splicing_design
from aqaa_eval.ablations.voice_states import cut, shown
from aqaa_eval.core.attempt import Attempt, Message, Query, Score, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.metrics.acoustics import Delivery
from aqaa_eval.reference_model.layout import Segment
from aqaa_eval.reference_model.model import random_model
from aqaa_eval.reference_model.splicing import Splice
from tests.ablations.models import small


def delivery(**values: float) -> Delivery:
    whole = {
        "span_s": 1.0,
        "syllables_per_s": 4.0,
        "level_dbfs": -25.0,
        "pitch_hz": 120.0,
        "pitch_range_semitones": 4.0,
        "longest_pause_s": 0.0,
        "voiced_share": 0.8,
    }
    return Delivery(**{**whole, **values})


@pytest.mark.parametrize(
    ("phrase", "measured", "holds"),
    [
        (Phrase(say="so", rate=0.7), {"syllables_per_s": 3.0}, True),
        (Phrase(say="so", rate=0.7), {"syllables_per_s": 3.9}, False),
        (Phrase(say="so", rate=1.5), {"syllables_per_s": 5.0}, True),
        (Phrase(say="so", semitones=5), {"pitch_hz": 150.0}, True),
        (Phrase(say="so", semitones=-5), {"pitch_hz": 150.0}, False),
        (Phrase(say="so", gain_db=8), {"level_dbfs": -19.0}, True),
        (Phrase(say="so", gain_db=-8), {"level_dbfs": -26.0}, False),
        (Phrase(say="so", whisper=True), {"voiced_share": 0.1}, True),
        (Phrase(say="so", whisper=True), {"voiced_share": 0.7}, False),
        (Phrase(say="so", rate=0.7, semitones=-4), {"syllables_per_s": 3.0}, False),
    ],
)
def test_a_state_is_shown_if_every_side_of_it_is_measured(
    phrase: Phrase, measured: dict[str, float], holds: bool
) -> None:
    assert shown(phrase, delivery(**measured), delivery(), turn=0).passed is holds


def test_a_segment_without_speech_shows_nothing_and_says_so() -> None:
    silent = Delivery(
        span_s=0,
        syllables_per_s=None,
        level_dbfs=None,
        pitch_hz=None,
        pitch_range_semitones=None,
        longest_pause_s=0,
    )
    evidence = shown(Phrase(say="so", rate=0.7), silent, delivery(), turn=0)
    assert not evidence.passed
    assert "cannot be measured" in evidence.measured


def test_the_sound_is_cut_where_the_codes_end() -> None:
    audio = Audio(samples=np.arange(100, dtype=np.float32) / 100, sample_rate_hz=1000)
    parts = cut(audio, [5, 15])
    assert [len(part.samples) for part in parts] == [25, 75]
    assert parts[1].samples[0] == audio.samples[25]


def test_every_item_has_a_plain_segment_and_another() -> None:
    for name, (question, phrases) in items().items():
        assert question, name
        assert sum(phrase.is_plain for phrase in phrases) == 1, name
        assert 2 <= len(phrases) <= 3, name


class NoJudge:
    identity = "none@1"

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        return ()


class ToneBook(SegmentBook):
    """Segments whose codes are numbers, so that no voice is needed."""

    def __init__(self) -> None:
        super().__init__(random_model(small(), 0))
        self.segments = lambda item: tuple(  # type: ignore[assignment]
            Segment(codes=(place, 1, 1024, 1025, 1026) * (3 + 2 * place)) for place in range(len(items()[item][1]))
        )


def test_each_way_speaks_the_same_codes_for_the_same_time_and_sounds_otherwise() -> None:
    book = ToneBook()
    query = Query(key="splicing/race#0", messages=(Message(role="user", audio=None, text="go"),), seed=3)
    answers = {way: SplicedModel(book, way, "tiny-random").answer(query) for way in Splice}
    lengths = {way: answer.audio.duration_s for way, answer in answers.items() if answer.audio}
    assert max(lengths.values()) - min(lengths.values()) < 0.05
    hashes = {answer.audio.content_hash for answer in answers.values() if answer.audio}
    assert len(hashes) == 3
    assert {answer.text for answer in answers.values()} == {" ".join(phrase.say for phrase in items()["race"][1])}
    sample = next(sample for sample in SplicingSuite().samples() if sample.id == "race")
    turn = TurnAttempt(index=0, response=answers[Splice.MARKERS_KEPT])
    [score] = StatesJudge(NoJudge(), book).judge(Attempt(sample=sample, repeat=0, turns=(turn,)))
    assert score.metric == "states"
    assert len(score.evidence) == 2


def test_the_design_has_an_arm_per_way_and_the_papers_figures() -> None:
    design = splicing_design(RunSpec(model="reference:tiny-random", judge="openai:m"))
    assert [arm.name for arm in design.arms] == ["markers_kept", "markers_removed", "text_interleaved"]
    chat = next(claim for claim in design.claims if claim.measure == "chat")
    assert chat.published == pytest.approx(4.22 - 4.08)
    assert design.published[0].arms["markers_kept"]["chat"] == 4.22
