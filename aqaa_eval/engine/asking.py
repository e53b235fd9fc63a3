"""Putting questions to the model: one, or several conversations at once where it can; whatever it does is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aqaa_eval.core.answers import checked_response
from aqaa_eval.core.attempt import Query, Response
from aqaa_eval.core.errors import ModelTimeout
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import SpeechModel


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Why a question has no answer."""

    failure: Failure
    detail: str


def ask(model: SpeechModel, queries: Sequence[Query]) -> list[Response | NoAnswer]:
    """One answer per query, or why there is none.

    If the model breaks on several at once, each is asked alone: a conversation that it cannot bear, or a batch that
    does not fit its memory, does not cost the others theirs.
    """
    if len(queries) < 2:
        return [_ask_one(model, query) for query in queries]
    many: Any = model  # a model with a batch has `answer_many`; see `Tools.model_batch`
    try:
        answers = many.answer_many(queries)
        if len(answers) != len(queries):
            raise ValueError(f"the model gave {len(answers)} answers to {len(queries)} questions")
    except Exception:
        return [_ask_one(model, query) for query in queries]
    return [_checked(answer) for answer in answers]


def _ask_one(model: SpeechModel, query: Query) -> Response | NoAnswer:
    try:
        answer = model.answer(query)
    except ModelTimeout as error:
        return NoAnswer(failure=Failure.TIMEOUT, detail=str(error))
    except Exception as error:  # a model may raise anything: it is one failed answer, told with its reason
        return NoAnswer(failure=Failure.MODEL_ERROR, detail=f"{type(error).__name__}: {error}")
    return _checked(answer)


def _checked(answer: object) -> Response | NoAnswer:
    try:
        return checked_response(answer)
    except Exception as error:
        return NoAnswer(failure=Failure.MODEL_ERROR, detail=f"{type(error).__name__}: {error}")
