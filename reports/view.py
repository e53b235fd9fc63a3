"""What the page shows of each conversation, in the shape in which it shows it; the template only lays it out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aqaa_eval.core.attempt import Evidence, Score, Transcript
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import AttemptLog, QuestionLog, RunLog, TurnLog
from aqaa_eval.reports.difference import Span, compare_texts, plain
from aqaa_eval.reports.labels import NOTHING, failure_title, metric_note, metric_title, number, seconds
from aqaa_eval.reports.recordings import Recording
from aqaa_eval.reports.summary import METRICS, failures_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreView:
    """One score as text; `value` is a dash where there is none, and the reason says why."""

    title: str
    note: str
    value: str
    status: str
    reason: str
    judge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """One question and its answer.

    Attributes:
        number: from 1.
        question: as asked.
        asked: the question's recording; None if it could not be read.
        answered: the answer's recording; None if nothing was said.
        own: the model's own text in stretches; None if it gives none.
        heard: the transcript in stretches; None if there is none.
        notes: sentences on what went wrong.
        failures: kinds in words.
        facts: label and value of what was measured on the way.
        scores: those of this turn.
        checks: what was looked at, content first as the judge gave it.
        is_unheard: true if the question's recording could not be used.
    """

    number: int
    question: QuestionLog
    asked: Recording | None
    answered: Recording | None
    own: tuple[Span, ...] | None
    heard: tuple[Span, ...] | None
    notes: tuple[str, ...]
    failures: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    scores: tuple[ScoreView, ...]
    checks: tuple[Evidence, ...]
    is_unheard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One conversation of the run.

    Attributes:
        anchor: id of its element: the permalink.
        key: its name in the run.
        suite: id, for the filter.
        suite_title: what people call it.
        lead: the first question, as text.
        mos: the fused MOS as text.
        rank: the fused MOS as a number for sorting, "" if there is none.
        kinds: ids of its failures, for the filter.
        failures: the same in words.
        n_passed: checks that hold.
        n_checks: all checks.
        turns: in order.
        scores: those of the whole conversation.
    """

    anchor: str
    key: str
    suite: str
    suite_title: str
    lead: str
    mos: str
    rank: str
    kinds: tuple[str, ...]
    failures: tuple[str, ...]
    n_passed: int
    n_checks: int
    turns: tuple[TurnView, ...]
    scores: tuple[ScoreView, ...]


def audio_names(log: RunLog) -> list[str]:
    """File names of all recordings in the order of the page, as often as they stand there."""
    turns = (turn for attempt in log.attempts for turn in attempt.turns)
    return [name for turn in turns for name in (turn.question.audio, turn.audio) if name is not None]


def item_view(log: RunLog, attempt: AttemptLog, recordings: Mapping[str, Recording]) -> ItemView:
    """One conversation as the page shows it."""
    checks = tuple(dict.fromkeys(evidence for score in attempt.scores for evidence in score.evidence))
    fused = [score.value for score in attempt.scores if score.metric == "mos" and score.value is not None]
    mos = sum(fused) / len(fused) if fused else None
    kinds = list(dict.fromkeys(failures_of(attempt)))
    card = log.cards.get(attempt.suite)
    return ItemView(
        anchor=anchor_of(attempt.key),
        key=attempt.key,
        suite=attempt.suite,
        suite_title=card.title if card else attempt.suite,
        lead=attempt.turns[0].question.text if attempt.turns else "",
        mos=number("mos", mos),
        rank="" if mos is None else f"{mos:.4f}",
        kinds=tuple(kind.value for kind in kinds),
        failures=tuple(failure_title(kind) for kind in kinds),
        n_passed=sum(check.passed for check in checks),
        n_checks=len(checks),
        turns=tuple(
            _turn_view(attempt, index, tuple(check for check in checks if check.turn == index), recordings)
            for index in range(len(attempt.turns))
        ),
        scores=_score_views(score for score in attempt.scores if score.turn is None),
    )


def anchor_of(key: str) -> str:
    """A permalink that is safe in any address: unchanged names where they allow it, else with a hash behind.

    >>> anchor_of("gaming/g03@1")
    'item-gaming-g03-r1'
    >>> anchor_of("gaming/a b")
    'item-gaming-a-b-e0fdc34f'
    """
    plain_key = re.fullmatch(r"([a-z0-9_]+)/([A-Za-z0-9_]+)(?:@(\d+))?", key)
    if plain_key:
        suite, sample, repeat = plain_key.groups()
        return f"item-{suite}-{sample}" + (f"-r{repeat}" if repeat else "")
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:8]
    return f"item-{re.sub(r'[^A-Za-z0-9_]+', '-', key)[:60]}-{digest}"


def _turn_view(
    attempt: AttemptLog, index: int, checks: tuple[Evidence, ...], recordings: Mapping[str, Recording]
) -> TurnView:
    turn = attempt.turns[index]
    own, heard = _texts(turn)
    kinds = [turn.failure, turn.transcript.failure if turn.transcript else None]
    notes = [turn.detail, turn.transcript.note if turn.transcript else ""]
    return TurnView(
        number=index + 1,
        question=turn.question,
        asked=recordings[turn.question.audio] if turn.question.audio is not None else None,
        answered=recordings[turn.audio] if turn.audio is not None else None,
        own=own,
        heard=heard,
        notes=tuple(dict.fromkeys(note for note in notes if note)),
        failures=tuple(dict.fromkeys(failure_title(kind) for kind in kinds if kind)),
        facts=tuple(_facts(turn)),
        scores=_score_views(score for score in attempt.scores if score.turn == index),
        checks=checks,
        is_unheard=turn.failure is Failure.BAD_INPUT,
    )


def _texts(turn: TurnLog) -> tuple[tuple[Span, ...] | None, tuple[Span, ...] | None]:
    transcript = turn.transcript.text if turn.transcript else None
    if turn.text is None or transcript is None:
        return _unmarked(turn.text), _unmarked(transcript)
    found = compare_texts(reference=turn.text, hypothesis=transcript, language=_language(turn, turn.transcript))
    return found.reference, found.hypothesis


def _unmarked(text: str | None) -> tuple[Span, ...] | None:
    return None if text is None else plain(text)


def _language(turn: TurnLog, transcript: Transcript | None) -> str:
    return (transcript.language if transcript else "") or turn.question.answer_language


def _facts(turn: TurnLog) -> Iterable[tuple[str, str]]:
    if turn.timing is not None:
        if turn.timing.first_audio_s is not None:
            yield "first audio after", seconds(turn.timing.first_audio_s)
        yield "answered in", seconds(turn.timing.total_s)
        if turn.duration_s:
            yield "real-time factor", f"{turn.timing.total_s / turn.duration_s:.2f}"
    if turn.transcript is not None:
        if turn.transcript.language:
            yield "language heard", turn.transcript.language
        if turn.transcript.confidence is not None:
            yield "ASR confidence", f"{turn.transcript.confidence:.2f}"
    if turn.finish is not None and turn.finish.value != "stop":
        yield "stopped by", turn.finish.value


def _score_views(scores: Iterable[Score]) -> tuple[ScoreView, ...]:
    order = {metric: place for place, metric in enumerate(METRICS)}
    ranked = sorted(scores, key=lambda score: order.get(score.metric, len(order)))
    return tuple(
        ScoreView(
            title=metric_title(score.metric),
            note=metric_note(score.metric),
            value=number(score.metric, score.value) if score.value is not None else NOTHING,
            status=score.status.value,
            reason=(f"{failure_title(score.failure)}: " if score.failure else "") + score.reason,
            judge=score.judge,
        )
        for score in ranked
    )
