"""Answers in two or three voice states, joined in three ways: markers kept, markers removed, text interleaved.

The segments are performed by a voice, coded by the model's tokenizer, joined as the way says and spoken by its vocoder,
so what is heard is what the joining does and not what a decoder learnt. The words are those of the items; a language
model as judge scores the answers as in the paper's table, and each segment is measured: does it show its state?
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from aqaa_eval.ablations.design import Arm, Design, against_first, with_claims
from aqaa_eval.ablations.measures import AGREEMENT, HEARD, JUDGED, LENGTH
from aqaa_eval.ablations.published import PAPER, SPLICES
from aqaa_eval.ablations.voice_states import cut, shown
from aqaa_eval.core.attempt import Attempt, Query, Response, Score, Status, Timing
from aqaa_eval.core.audio import from_samples
from aqaa_eval.core.card import Card
from aqaa_eval.core.errors import ModelError
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.plain_yaml import load_yaml
from aqaa_eval.core.protocols import Judge
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import Sample, Turn
from aqaa_eval.metrics.acoustics import measure_delivery
from aqaa_eval.reference_model.layout import Segment
from aqaa_eval.reference_model.model import StepAudioAQAA
from aqaa_eval.reference_model.splicing import Splice, speak_spliced
from aqaa_eval.reports.ablation import Claim, Measure, Unit

SUITE = "splicing"
VERSION = "1"
SAMPLE_RATE_HZ = 24_000

STATES = Measure(
    key="states",
    title="States shown",
    note="share of the segments whose measured rate, pitch, level or voicing is that of their state",
    unit=Unit.SHARE,
    smallest=0.05,
)
_TITLES = {
    Splice.MARKERS_KEPT: "markers kept",
    Splice.MARKERS_REMOVED: "markers removed",
    Splice.TEXT_INTERLEAVED: "each interleaved, then joined",
}


@cache
def items() -> Mapping[str, tuple[str, tuple[Phrase, ...]]]:
    """Question and segments by id."""
    text = (files("aqaa_eval.ablations") / "splicing_items.yaml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = load_yaml(text)
    return {
        row["id"]: (row["question"], tuple(Phrase.model_validate(phrase) for phrase in row["answer"])) for row in rows
    }


class SplicingSuite:
    """The items as written questions: the ways of joining do not hear."""

    @property
    def card(self) -> Card:
        """What it measures."""
        return Card(
            id=SUITE,
            title="Splicing",
            measures="whether an answer in several voice states keeps its words and shows its states",
            languages=("en",),
            weights={"content": 1.0},
            scoring="a language model; states by measurement",
            licence="Apache-2.0",
            source="written for this project",
            version=VERSION,
        )

    @property
    def data_hash(self) -> str:
        """SHA-256 of the items."""
        return hashlib.sha256(repr(items()).encode()).hexdigest()

    @property
    def not_run(self) -> Sequence[NotRun]:
        """Nothing."""
        return ()

    def samples(self) -> Iterator[Sample]:
        """One turn each."""
        for name, (question, phrases) in items().items():
            turn = Turn(
                audio=None,
                text=question,
                language="en",
                answer_language="en",
                reference=_words(phrases),
                performance=phrases,
            )
            yield Sample(suite=SUITE, id=name, turns=(turn,))


def _words(phrases: Sequence[Phrase]) -> str:
    return " ".join(phrase.say for phrase in phrases)


class SegmentBook:
    """The performed segments of every item as codes, made when they are first needed."""

    def __init__(self, model: StepAudioAQAA) -> None:
        self.model = model
        self.segments = cache(self._segments)
        """The segments of an item."""

    def _segments(self, item: str) -> tuple[Segment, ...]:
        from aqaa_eval.tasks.speaking.performer import perform

        phrases = items()[item][1]
        sounds = [perform([phrase], language="en") for phrase in phrases]
        coded = self.model.tokenizer.encode_batch(
            [sound.samples for sound in sounds], [sound.sample_rate_hz for sound in sounds]
        )
        return tuple(
            Segment(text_ids=tuple(self.model.vocabulary.encode_inner(phrase.say)), codes=tuple(codes))
            for phrase, codes in zip(phrases, coded, strict=True)
        )


class SplicedModel:
    """Answers every item with its segments, joined in one way."""

    def __init__(self, book: SegmentBook, way: Splice, name: str) -> None:
        """Make it.

        Args:
            book: the segments.
            way: how they are joined.
            name: of the weights.
        """
        from aqaa_eval.tasks.speaking.performer import VERSION as VOICE

        self._book, self._way = book, way
        self.identity = f"spliced@{VERSION}:{way.value}:{name}@{book.model.fingerprint()}, performer-{VOICE}"

    def answer(self, query: Query) -> Response:
        """Speak the item's answer.

        Raises:
            ModelError: it cannot be coded.
        """
        began_s = time.perf_counter()
        item = query.key.rpartition("#")[0].partition("/")[2].partition("@")[0]
        try:
            segments = self._book.segments(item)
            wave, rate_hz = speak_spliced(segments, self._book.model.vocoder, way=self._way, seed=query.seed)
        except ValueError as error:
            raise ModelError(str(error)) from error
        audio = from_samples(wave.numpy(), sample_rate_hz=rate_hz, name="answer").resampled(SAMPLE_RATE_HZ)
        timing = Timing(first_audio_s=None, total_s=time.perf_counter() - began_s)
        return Response(audio=audio, text=_words(items()[item][1]), timing=timing)


class StatesJudge:
    """Measures whether each segment shows its state, beside the judges of the run."""

    def __init__(self, chain: Judge, book: SegmentBook) -> None:
        """Make it.

        Args:
            chain: the judges of the run.
            book: tells where segments begin; every way keeps their lengths.
        """
        self._chain, self._book = chain, book
        self.concurrency = int(getattr(chain, "concurrency", 1))

    @property
    def identity(self) -> str:
        """Those of the chain, and this one."""
        return f"{self._chain.identity} + states@{VERSION}"

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """The scores of the chain and the share of states that are shown."""
        return (*self._chain.judge(attempt), self._states(attempt))

    def _states(self, attempt: Attempt) -> Score:
        judge = f"states@{VERSION}"
        response = attempt.turns[0].response if attempt.turns else None
        audio = response.audio if response else None
        if audio is None:
            reason = attempt.turns[0].detail if attempt.turns else "it was never put to the model"
            return Score(metric=STATES.key, value=None, status=Status.FAILED, reason=reason, judge=judge)
        phrases = attempt.sample.turns[0].performance
        lengths = [len(segment.codes) for segment in self._book.segments(attempt.sample.id)]
        parts = [
            measure_delivery(part, text=phrase.say, language="en")
            for part, phrase in zip(cut(audio, lengths), phrases, strict=True)
        ]
        plain = parts[next(place for place, phrase in enumerate(phrases) if phrase.is_plain)]
        evidence = tuple(
            shown(phrase, part, plain, turn=0)
            for phrase, part in zip(phrases, parts, strict=True)
            if not phrase.is_plain
        )
        n_shown = sum(each.passed for each in evidence)
        return Score(
            metric=STATES.key,
            value=n_shown / len(evidence),
            reason=f"{n_shown} of {len(evidence)} segments show their state",
            judge=judge,
            evidence=evidence,
        )


def splicing_design(base: RunSpec) -> Design:
    """An arm per way of joining.

    Args:
        base: the run that all arms share; its model names the weights.
    """
    arms = tuple(
        Arm(
            name=way.value,
            title=_TITLES[way],
            spec=base.model_copy(
                update={"model_options": {**base.model_options, "splice": way.value}, "suites": (SUITE,)}
            ),
        )
        for way in Splice
    )
    measures = (STATES, AGREEMENT) if base.judge == "checks" else (*JUDGED, STATES)
    pairs = (
        (Splice.MARKERS_KEPT, Splice.MARKERS_REMOVED),
        (Splice.MARKERS_KEPT, Splice.TEXT_INTERLEAVED),
        (Splice.MARKERS_REMOVED, Splice.TEXT_INTERLEAVED),
    )
    claims = tuple(_claim(better, worse, measure) for better, worse in pairs for measure in measures)
    return Design(
        name="splicing",
        title="Joining voice states",
        question="which way of joining segments keeps the words and lets each segment show its voice?",
        arms=arms,
        comparisons=with_claims(against_first([arm.name for arm in arms]), claims),
        measures=(*JUDGED, STATES, *HEARD, LENGTH),
        claims=claims,
        published=SPLICES,
    )


def _claim(better: Splice, worse: Splice, measure: Measure) -> Claim:
    rows = SPLICES[0].arms
    printed = rows[better.value].get(measure.key), rows[worse.value].get(measure.key)
    return Claim(
        says=f"{_TITLES[better].capitalize()} beats {_TITLES[worse]} in {measure.title}",
        measure=measure.key,
        better=better.value,
        worse=worse.value,
        published=None if printed[0] is None or printed[1] is None else round(printed[0] - printed[1], 4),
        source=PAPER,
    )
