"""Models that need nothing: for tests, benchmarks and for knowing what a score is worth.

`fake:echo` says the question back, `fake:silent` sends a second of silence, `fake:failing` breaks on a share of the
questions, `fake:slow` echoes after a delay, `fake:scripted:FILE` says what a file tells it. `fake:oracle` performs the
answer that an item calls good, `fake:random` that of another item: what they get tells whether the checks can tell.
All report scripted times, so two runs of one spec are equal to the byte.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.adapters.fake_performed import Stage, oracle, random_answer
from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.core.errors import AudioError, DataError, ModelError, UnknownName, UsageError
from aqaa_eval.core.inside import below
from aqaa_eval.core.plain_file import read_plain_text

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

MAX_SCRIPT_BYTES = 1 << 28
_TIMING = Timing(first_audio_s=0.1, total_s=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeModel:
    """A model made of one function of the query."""

    identity: str
    respond: Callable[[Query], Response]

    def answer(self, query: Query) -> Response:
        """Answer as the function says."""
        return self.respond(query)


PERFORMING = {"oracle": oracle, "random": random_answer}
"""Fakes that need a stage."""


def build(argument: str, options: Mapping[str, OptionValue], *, stage: Stage | None = None) -> FakeModel:
    """Make a fake by name, such as "echo" or "scripted:answers.jsonl".

    Args:
        argument: its name, and what comes after a colon.
        options: its settings.
        stage: good answers and a voice, for the fakes that perform.

    Raises:
        UnknownName: no fake of that name.
        UsageError: a setting that it does not have.
    """
    kind, _, rest = argument.partition(":")
    makers: dict[str, Callable[[str, Mapping[str, OptionValue]], Callable[[Query], Response]]] = {
        "echo": _echo,
        "silent": _silent,
        "failing": _failing,
        "slow": _slow,
        "scripted": _scripted,
    }
    if kind in PERFORMING:
        return _performing(argument, options, stage)
    if kind not in makers:
        raise UnknownName("fake model", kind, [*makers, *PERFORMING])
    respond = makers[kind](rest, options)
    settings = "".join(f",{name}={value}" for name, value in sorted(options.items()))
    identity = f"fake:{kind}" + (f"@{_file_hash(rest)}" if kind == "scripted" else "") + settings
    return FakeModel(identity=identity, respond=respond)


def _performing(kind: str, options: Mapping[str, OptionValue], stage: Stage | None) -> FakeModel:
    refuse_unknown(f"fake:{kind}", options, {})
    if kind not in PERFORMING:
        raise UnknownName("fake model", kind, PERFORMING)
    if stage is None:
        raise UsageError(f"fake:{kind} answers from the suites of a run, and there is none; use aqaa-eval run")
    return FakeModel(identity=f"fake:{kind}@{stage.voice}", respond=PERFORMING[kind](stage))


def _echo(_rest: str, options: Mapping[str, OptionValue]) -> Callable[[Query], Response]:
    refuse_unknown("fake:echo", options, {})
    return _say_back


def _say_back(query: Query) -> Response:
    # Of a spoken question there are no words here, so it is said back in sound alone.
    return Response(audio=query.question.audio, text=query.question.text, timing=_TIMING)


def _silent(_rest: str, options: Mapping[str, OptionValue]) -> Callable[[Query], Response]:
    refuse_unknown("fake:silent", options, {"duration_s": "seconds of silence, 1 if not given"})
    audio = Audio.silence(duration_s=option(options, "duration_s", 1.0))
    return lambda _query: Response(audio=audio, text=None, timing=_TIMING)


def _failing(_rest: str, options: Mapping[str, OptionValue]) -> Callable[[Query], Response]:
    refuse_unknown("fake:failing", options, {"share": "share of questions that break, 0.3 if not given"})
    share = option(options, "share", 0.3)

    def respond(query: Query) -> Response:
        # By the key alone: the same questions break whatever the order and however often the run is resumed.
        draw = int.from_bytes(hashlib.sha256(query.key.encode()).digest()[:4], "big") / 2**32
        if draw < share:
            raise ModelError(f"fake:failing breaks on {query.key} (share {share:g})")
        return _say_back(query)

    return respond


def _slow(_rest: str, options: Mapping[str, OptionValue]) -> Callable[[Query], Response]:
    refuse_unknown("fake:slow", options, {"delay_s": "seconds before the answer, 0.2 if not given"})
    delay_s = option(options, "delay_s", 0.2)

    def respond(query: Query) -> Response:
        time.sleep(delay_s)
        return _say_back(query)

    return respond


def _scripted(rest: str, options: Mapping[str, OptionValue]) -> Callable[[Query], Response]:
    refuse_unknown("fake:scripted", options, {})
    if not rest:
        raise UsageError("fake:scripted: which script? Write fake:scripted:answers.jsonl, with key, audio and text")
    answers = read_script(Path(rest))

    def respond(query: Query) -> Response:
        if query.key not in answers:
            raise ModelError(f"the script {Path(rest).name} has no answer for {query.key}")
        return answers[query.key]

    return respond


def read_script(path: Path) -> dict[str, Response]:
    """Read a script: JSON lines of `key`, and `audio` (path beside the script), `text`, `first_audio_s`, `total_s`.

    Raises:
        DataError: names file, line and field.
    """
    answers: dict[str, Response] = {}
    try:
        lines = read_plain_text(path, max_bytes=MAX_SCRIPT_BYTES).splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fake:scripted:FILE takes JSON lines") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            audio = read_audio(below(path.parent, row["audio"])) if row.get("audio") else None
            first = row.get("first_audio_s", _TIMING.first_audio_s)
            timing = Timing(first_audio_s=first, total_s=float(row.get("total_s", _TIMING.total_s)))
            answers[row["key"]] = Response(audio=audio, text=row.get("text"), timing=timing)
        except (AudioError, DataError) as error:
            raise DataError(f"{path}:{number}: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise DataError(f"{path}:{number}: not an answer: {type(error).__name__} {error}") from error
    return answers


def _file_hash(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:8]
