"""Records as JSON and back: the bytes of the store are checked by pydantic on the way in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aqaa_eval.core.attempt import Finish, Score, Timing, Transcript
from aqaa_eval.core.errors import DataError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import QuestionLog

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model said on one turn, with its sound by file name.

    Attributes:
        audio: file name in the run's audio folder; None if nothing was said.
        duration_s: length of the sound.
        text: the model's own text.
        failure: NO_AUDIO, SILENT, MODEL_ERROR, ... with a sentence in `detail`.
    """

    audio: str | None
    duration_s: float | None
    text: str | None
    timing: Timing | None
    finish: Finish | None
    failure: Failure | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The transcript of one turn, or why there is none."""

    transcript: Transcript | None
    failure: Failure | None
    detail: str


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


@cache
def _to_json(kind: Any) -> Callable[[object], bytes]:
    return _adapter(kind).serializer.to_json  # `dump_json` hands on twelve settings of which none is wanted


def encode(value: object, kind: Any) -> bytes:
    """A record as JSON bytes."""
    return _to_json(kind)(value)


def decode(body: bytes, kind: Any) -> Any:
    """The record behind JSON bytes.

    Raises:
        DataError: the bytes are not such a record.
    """
    try:
        return _adapter(kind).validate_json(body)
    except ValidationError as error:
        raise DataError(
            f"a stored record is not a {getattr(kind, '__name__', kind)}: {error.errors()[0]['msg']}"
        ) from error


SCORES = tuple[Score, ...]
KINDS: dict[str, Any] = {"ask": QuestionLog, "generate": Answer, "transcribe": Heard, "judge": SCORES}
