"""One conversation as plain values for the page's script, which writes them as text and never as markup.

Short lists stand where thousands of records do: a piece of a transcript is its text alone where nothing is to be said
of it, else [text, differs, word] or [text, differs, word, doubt]; a stretch of the own text [text, differs], a check
[name, passed, measured, part], a fact [key of its name, value].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aqaa_eval.core.attempt import Evidence, Score, Transcript
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import AttemptLog, QuestionLog, TurnLog
from aqaa_eval.reports.difference import Span, compare_texts, plain
from aqaa_eval.reports.heard import Piece, pieces_of
from aqaa_eval.reports.labels import NOTHING, number, seconds
from aqaa_eval.reports.recordings import Recording
from aqaa_eval.reports.summary import METRICS
from aqaa_eval.reports.view import checks_of

Values = dict[str, Any]
_ORDER = {metric: place for place, metric in enumerate(METRICS)}


def body_of(attempt: AttemptLog, recordings: Mapping[str, Recording], places: Mapping[str, int]) -> Values:
    """All of one conversation.

    Args:
        attempt: the conversation.
        recordings: by file name.
        places: number of the block that holds a recording's sound, for those that the page carries.
    """
    checks = checks_of(attempt)

    def player(name: str | None) -> Values | None:
        return None if name is None else _player(recordings[name], places.get(name))

    turns = []
    for index, turn in enumerate(attempt.turns):
        values = _answer(turn) | {
            "question": _question(turn.question),
            "asked": player(turn.question.audio),
            "answered": player(turn.audio),
            "scores": _scores(score for score in attempt.scores if score.turn == index),
            "checks": [_check(check) for check in checks if check.turn == index],
        }
        turns.append(values)
    return {"turns": turns, "scores": _scores(score for score in attempt.scores if score.turn is None)}


def _player(recording: Recording, place: int | None) -> Values:
    values: Values = {"problem": recording.problem} if recording.problem else {}
    if recording.duration_s is not None:
        values |= {"length": round(recording.duration_s, 3), "wave": recording.waveform}
    return values | ({"link": recording.source} if place is None else {"sound": place})


def _question(question: QuestionLog) -> Values:
    return {
        "text": question.text,
        "language": question.language,
        "voice": question.voice,
        "reference": question.reference or "",
        "rubric": question.rubric or "",
    }


def _answer(turn: TurnLog) -> Values:
    kinds = [turn.failure, turn.transcript.failure if turn.transcript else None]
    notes = [turn.detail, turn.transcript.note if turn.transcript else ""]
    return {
        "unheard": turn.failure is Failure.BAD_INPUT,
        "failures": list(dict.fromkeys(kind.value for kind in kinds if kind)),
        "notes": list(dict.fromkeys(note for note in notes if note)),
        "facts": [list(fact) for fact in _facts(turn)],
        **_texts(turn),
    }


def _texts(turn: TurnLog) -> Values:
    """The model's own text and the transcript, each against the other, with the times of the words."""
    own = heard = None
    if turn.text is not None and turn.transcript is not None:
        language = turn.transcript.language or turn.question.answer_language
        found = compare_texts(reference=turn.text, hypothesis=turn.transcript.text, language=language)
        own, heard = found.reference, found.hypothesis
    elif turn.transcript is not None:
        heard = plain(turn.transcript.text)
    elif turn.text is not None:
        own = plain(turn.text)
    spoken = {} if turn.transcript is None else _heard(turn.transcript, heard or ())
    return {"own": None if own is None else [[span.text, int(span.differs)] for span in own], "heard": None} | spoken


def _heard(transcript: Transcript, spans: tuple[Span, ...]) -> Values:
    pieces = pieces_of(transcript, spans)
    values: Values = {
        "heard": [_piece(piece) for piece in pieces],
        "language": transcript.language,
    }
    if transcript.words:
        values["words"] = [[round(word.start_s, 2), round(word.end_s, 2)] for word in transcript.words]
    if transcript.second is not None:
        values["second"] = {
            "asr": transcript.second.asr,
            "text": transcript.second.text,
            "instead": [doubt.instead for doubt in transcript.second.doubts],
        }
    return values


def _piece(piece: Piece) -> str | list[Any]:
    text, differs, word, doubt = piece
    if doubt is not None:
        return [text, int(differs), word, doubt]
    return text if word is None and not differs else [text, int(differs), word]


def _facts(turn: TurnLog) -> Iterable[tuple[str, str]]:
    if turn.timing is not None:
        if turn.timing.first_audio_s is not None:
            yield "fact.first", seconds(turn.timing.first_audio_s)
        yield "fact.total", seconds(turn.timing.total_s)
        if turn.duration_s:
            yield "fact.factor", f"{turn.timing.total_s / turn.duration_s:.2f}"
    if turn.transcript is not None:
        if turn.transcript.language:
            yield "fact.language", turn.transcript.language
        if turn.transcript.confidence is not None:
            yield "fact.confidence", f"{turn.transcript.confidence:.2f}"
    if turn.finish is not None and turn.finish.value != "stop":
        yield "fact.finish", turn.finish.value


def _check(check: Evidence) -> list[Any]:
    return [check.name, int(check.passed), check.measured, check.part]


def _scores(scores: Iterable[Score]) -> list[Values]:
    """In the order of a reader's interest; a value is a dash where there is none, and the reason says why."""
    ranked = sorted(scores, key=lambda score: _ORDER.get(score.metric, len(_ORDER)))
    return [
        {
            "metric": score.metric,
            "value": NOTHING if score.value is None else number(score.metric, score.value),
            "status": score.status.value,
            "failure": score.failure.value if score.failure else "",
            "reason": score.reason,
            "judge": score.judge,
        }
        for score in ranked
    ]
