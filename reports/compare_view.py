"""What the page of a comparison shows of each conversation: every run's answers side by side, and what changed."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aqaa_eval.core.attempt import Evidence
from aqaa_eval.core.runlog import AttemptLog, QuestionLog, RunLog, TurnLog
from aqaa_eval.metrics.pairing import value_of
from aqaa_eval.reports.compare import Change, Comparison
from aqaa_eval.reports.difference import Span, compare_texts, plain
from aqaa_eval.reports.labels import failure_title, number
from aqaa_eval.reports.recordings import Recording

Recordings = Mapping[str, Recording]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerView:
    """One run's answer to one question.

    Attributes:
        series: place of the run, from 0.
        blind: place among the answers when names are hidden, from 0.
        sound: its recording; None if there is none.
        absent: why there is no recording.
        heard: the transcript in stretches; None if there is none.
        own: the model's own text in stretches; None if it gives none.
        failures: kinds in words.
    """

    series: int
    blind: int
    sound: Recording | None
    absent: str
    heard: tuple[Span, ...] | None
    own: tuple[Span, ...] | None
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """One question with the answers of all runs."""

    number: int
    question: QuestionLog
    asked: Recording | None
    answers: tuple[AnswerView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideView:
    """What one run got for the conversation.

    Attributes:
        series: place of the run.
        blind: place among the answers when names are hidden.
        value: the score as text.
        step: against the first run, as a number; None for the first run or without a score.
        gained: checks that this run passes and the first does not.
        lost: checks that the first run passes and this one does not.
        unpassed: checks that do not hold, with what was measured.
    """

    series: int
    blind: int
    value: str
    step: float | None
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    unpassed: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One conversation that two or more of the runs have.

    Attributes:
        anchor: id of its element.
        key: its name in the runs.
        suite: id of its suite.
        kinds: "worse", "better", "flipped", "same", for the filter.
        step: the change that is largest in size; 0 if there is none.
        rank: in the order of change, from 0.
        place: in the order in which nothing is given away.
        sides: by run.
    """

    anchor: str
    key: str
    suite: str
    suite_title: str
    lead: str
    kinds: tuple[str, ...]
    step: float
    turns: tuple[TurnView, ...]
    sides: tuple[SideView, ...]
    rank: int = 0
    place: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The conversations of the page before its sound is loaded.

    Attributes:
        keys: in the order of the page.
        n_left_out: conversations that the page has no room for.
    """

    keys: tuple[str, ...]
    n_left_out: int


def choose(logs: Sequence[RunLog], comparison: Comparison, *, limit: int) -> Shown:
    """What the page shows: what changed first, the largest change first, then the rest in the order of the run.

    Args:
        logs: the runs; the first is what the others are held against.
        comparison: of them.
        limit: conversations at the most.
    """
    held = [{attempt.key for attempt in log.attempts} for log in logs[1:]]
    shared = list(dict.fromkeys(a.key for a in logs[0].attempts if any(a.key in keys for keys in held)))
    size: dict[str, float] = {}
    for change in (change for pair in comparison.pairs for change in pair.changes):
        size[change.key] = max(size.get(change.key, 0.0), abs(change.step))
    ordered = sorted(shared, key=lambda key: -size.get(key, -1.0))
    return Shown(keys=tuple(ordered[:limit]), n_left_out=max(0, len(ordered) - limit))


def item_views(
    logs: Sequence[RunLog], comparison: Comparison, keys: Sequence[str], recordings: Sequence[Recordings], *, seed: int
) -> list[ItemView]:
    """The conversations as the page shows them.

    Args:
        logs: the runs.
        comparison: of them.
        keys: conversations of the first run.
        recordings: by file name, for each run.
        seed: of the order in which answers and conversations stand while names are hidden.
    """
    attempts = [{attempt.key: attempt for attempt in reversed(log.attempts)} for log in logs]
    changes = [{change.key: change for change in pair.changes} for pair in comparison.pairs]
    places = list(range(len(keys)))
    random.Random(f"{seed}\0order").shuffle(places)
    items = []
    for rank, (key, place) in enumerate(zip(keys, places, strict=True)):
        found = [(series, of[key]) for series, of in enumerate(attempts) if key in of]
        blind = _shuffled([series for series, _ in found], f"{seed}\0{key}")
        stepped = [None, *(of.get(key) for of in changes)]
        sides = [_side(attempt, series, blind[series], stepped[series], comparison.metric) for series, attempt in found]
        turns = [_turn(found, index, blind, recordings) for index in range(len(found[0][1].turns))]
        items.append(replace(_item(logs[0], key, turns, sides), rank=rank, place=place))
    return items


def _shuffled(series: Sequence[int], seed: str) -> dict[int, int]:
    """A place for each run, drawn anew for every conversation."""
    places = list(range(len(series)))
    random.Random(seed).shuffle(places)
    return dict(zip(series, places, strict=True))


def _item(log: RunLog, key: str, turns: Sequence[TurnView], sides: Sequence[SideView]) -> ItemView:
    suite = key.partition("/")[0]
    card = log.cards.get(suite)
    steps = [side.step for side in sides if side.step]
    kinds = ["worse"] * any(step < 0 for step in steps) + ["better"] * any(step > 0 for step in steps)
    kinds += ["flipped"] * any(side.gained or side.lost for side in sides)
    return ItemView(
        anchor=anchor_of(key),
        key=key,
        suite=suite,
        suite_title=card.title if card else suite,
        lead=turns[0].question.text if turns else "",
        kinds=tuple(kinds or ["same"]),
        step=max(steps, key=abs, default=0.0),
        turns=tuple(turns),
        sides=tuple(sides),
    )


def anchor_of(key: str) -> str:
    """An id for an element, told apart by a hash where the name holds more than letters.

    >>> anchor_of("gaming/g03")
    'item-gaming-g03'
    """
    plain_key = re.sub(r"[^A-Za-z0-9_-]", "-", key)
    is_plain = plain_key == key.replace("/", "-", 1)
    return f"item-{plain_key}" + ("" if is_plain else f"-{hashlib.sha256(key.encode()).hexdigest()[:8]}")


def _side(attempt: AttemptLog, series: int, blind: int, change: Change | None, metric: str) -> SideView:
    checks = dict.fromkeys(item for score in attempt.scores for item in score.evidence)
    has_step = change is not None and change.first is not None and change.other is not None
    return SideView(
        series=series,
        blind=blind,
        value=number(metric, value_of(attempt.scores, metric)),
        step=change.step if change is not None and has_step else None,
        gained=change.gained if change else (),
        lost=change.lost if change else (),
        unpassed=tuple(item for item in checks if not item.passed),
    )


def _turn(
    found: Sequence[tuple[int, AttemptLog]], index: int, blind: Mapping[int, int], recordings: Sequence[Recordings]
) -> TurnView:
    first, attempt = found[0]
    question = attempt.turns[index].question
    answers = [
        _answer(of.turns[index], series, blind[series], recordings[series])
        for series, of in found
        if index < len(of.turns)
    ]
    return TurnView(
        number=index + 1,
        question=question,
        asked=recordings[first].get(question.audio) if question.audio is not None else None,
        answers=tuple(answers),
    )


def _answer(turn: TurnLog, series: int, blind: int, recordings: Recordings) -> AnswerView:
    kinds = [turn.failure, turn.transcript.failure if turn.transcript else None]
    heard, own = _texts(turn)
    return AnswerView(
        series=series,
        blind=blind,
        sound=recordings.get(turn.audio) if turn.audio is not None else None,
        absent="This run was read from a file without sound." if turn.duration_s else "No sound was given.",
        heard=heard,
        own=own,
        failures=tuple(dict.fromkeys(failure_title(kind) for kind in kinds if kind)),
    )


def _texts(turn: TurnLog) -> tuple[tuple[Span, ...] | None, tuple[Span, ...] | None]:
    heard = turn.transcript.text if turn.transcript else None
    if turn.text is None or heard is None:
        return (None if heard is None else plain(heard)), (None if turn.text is None else plain(turn.text))
    language = (turn.transcript.language if turn.transcript else "") or turn.question.answer_language
    found = compare_texts(reference=turn.text, hypothesis=heard, language=language)
    return found.hypothesis, found.reference
