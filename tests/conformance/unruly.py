"""A model that keeps every rule, and one for each rule that breaks it and no other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from aqaa_eval.conformance import Conversation, Materials
from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError, ModelTimeout
from aqaa_eval.core.pieces import ResponsePiece
from tests.adapters.queries import tone

RATE_HZ = 16_000


def materials(**changes: object) -> Materials:
    talk = Conversation(key="gaming/a", questions=tuple(tone(frequency_hz=200.0 + 50 * i) for i in range(3)))
    others = tuple(Conversation(key=f"gaming/{name}", questions=(tone(frequency_hz=f),)) for name, f in OTHERS)
    wants = Conversation(key="language_ability/zh", questions=(tone(frequency_hz=600.0),))
    plain = Materials(talk=talk, others=others, asks_for_chinese=wants, chinese=tone(frequency_hz=700.0))
    return replace(plain, **changes)  # type: ignore[arg-type]


OTHERS = (("b", 800.0), ("c", 900.0))


class Good:
    """Says the question back; can be closed, be late, be asked many at once."""

    identity = "good@1"
    concurrency = 3
    batch = 8

    def __init__(self, limit_s: float = 60.0) -> None:
        self.limit_s = limit_s
        self.is_closed = False
        self.pid: int | None = None
        self.n_closed = 0
        self.n_answers = 0

    def answer(self, query: Query) -> Response:
        self.n_answers += 1
        begin_s = time.perf_counter()
        if query.key in ("validate/late#0", "validate/cancelled#0"):
            self._take_long()
        sound = self.sound(query)
        return Response(audio=sound, text=self.text(query), timing=self.timing(time.perf_counter() - begin_s))

    def stream(self, query: Query) -> Iterator[ResponsePiece]:
        whole = self.answer(query)
        yield ResponsePiece(audio=None, text=whole.text or "")
        yield ResponsePiece(audio=whole.audio)

    def answer_many(self, queries: Sequence[Query]) -> list[Response]:
        return [self.answer(query) for query in queries]

    def close(self) -> None:
        self.is_closed = True
        self.n_closed += 1

    def _take_long(self) -> None:
        until_s = time.monotonic() + min(self.limit_s, 30.0)
        self.is_closed = False
        while time.monotonic() < until_s:
            if self.is_closed:
                raise ModelError("it was closed")
            time.sleep(0.005)
        raise ModelTimeout(f"no answer within {self.limit_s:.2f} s")

    def sound(self, query: Query) -> Audio | None:
        audio = query.question.audio
        assert audio is not None
        if not np.isfinite(audio.samples).all():
            raise ModelError("samples that are no numbers")
        return audio

    def text(self, query: Query) -> str | None:
        return query.key

    def timing(self, took_s: float) -> Timing:
        return Timing(first_audio_s=took_s / 2, total_s=took_s)


class Mute(Good):
    def sound(self, query: Query) -> Audio | None:
        return None


class Silent(Good):
    def sound(self, query: Query) -> Audio | None:
        return Audio.silence(duration_s=0.1, sample_rate_hz=RATE_HZ)


class WithoutMemory(Good):
    """Breaks on an earlier answer."""

    def sound(self, query: Query) -> Audio | None:
        if any(message.text for message in query.messages[:-1]):
            raise ModelError("one question at a time")
        return super().sound(query)


class NeedsAnswers(Good):
    def sound(self, query: Query) -> Audio | None:
        if any(message.audio is None and message.text is None for message in query.messages):
            raise ModelError("a turn without sound and text")
        return super().sound(query)


class AfraidOfSilence(Good):
    def sound(self, query: Query) -> Audio | None:
        audio = super().sound(query)
        assert audio is not None
        if not audio.samples.any():
            raise ZeroDivisionError("division by zero")
        return audio


class Short(Good):
    def sound(self, query: Query) -> Audio | None:
        audio = super().sound(query)
        assert audio is not None
        if audio.duration_s > 30:
            raise ModelError("60 s are more than the 30 s that it hears")
        return audio


class EnglishOnly(Good):
    def sound(self, query: Query) -> Audio | None:
        if query.key in ("language_ability/zh#0", "validate/chinese#0"):
            raise UnicodeEncodeError("ascii", "你", 0, 1, "ordinal not in range")
        return super().sound(query)


class Drawing(Good):
    def text(self, query: Query) -> str | None:
        return f"{self.n_answers}"


class LosingTheEnd(Good):
    def stream(self, query: Query) -> Iterator[ResponsePiece]:
        yield next(super().stream(query))


class BreakingInTheMiddle(Good):
    def stream(self, query: Query) -> Iterator[ResponsePiece]:
        yield next(super().stream(query))
        raise ModelError("the voice broke")


class MixingUp(Good):
    def answer_many(self, queries: Sequence[Query]) -> list[Response]:
        return super().answer_many(queries)[::-1]


class LosingOne(Good):
    def answer_many(self, queries: Sequence[Query]) -> list[Response]:
        return super().answer_many(queries)[1:]


class Unbatched(LosingOne):
    """Its `answer_many` is wrong, but nobody calls it."""

    batch = 1


class NotAtOnce(Good):
    """Holds state between its lines, as a class without a lock."""

    is_busy = False

    def sound(self, query: Query) -> Audio | None:
        if self.is_busy:
            raise RuntimeError("two at once")
        self.is_busy = True
        time.sleep(0.02)
        self.is_busy = False
        return super().sound(query)


class Crashing(Good):
    """Its process ends on NaN, and is started again under another number."""

    def __init__(self, limit_s: float = 60.0) -> None:
        super().__init__(limit_s)
        self.pid = 1 << 22

    def sound(self, query: Query) -> Audio | None:
        try:
            return super().sound(query)
        except ModelError as error:
            assert self.pid is not None
            self.pid += 1
            raise ModelError("the model's process was killed by SIGSEGV") from error


class Poisoned(Good):
    """Once NaN was in it, nothing comes out any more."""

    is_poisoned = False

    def sound(self, query: Query) -> Audio | None:
        if query.key == "validate/nan#0":
            self.is_poisoned = True
        if self.is_poisoned:
            raise ModelError("the cache holds NaN")
        return super().sound(query)


class Scribbling(Good):
    def sound(self, query: Query) -> Audio | None:
        audio = super().sound(query)
        assert audio is not None
        audio.samples[:] *= 0.5
        return audio


class Uncancellable(Good):
    def close(self) -> None:
        self.n_closed += 1


class DeadOnceClosed(Good):
    def sound(self, query: Query) -> Audio | None:
        if self.n_closed:
            raise ModelError("closed")
        return super().sound(query)


class Limitless(Good):
    """Has the setting and does not look at it."""

    def _take_long(self) -> None:
        if self.limit_s == 60.0:
            super()._take_long()
        time.sleep(1.5)


class LateByAnotherName(Good):
    def _take_long(self) -> None:
        try:
            super()._take_long()
        except ModelTimeout as error:
            raise ValueError("late") from error


class TwoRates(Good):
    def sound(self, query: Query) -> Audio | None:
        audio = super().sound(query)
        assert audio is not None
        return audio.resampled(24_000) if query.key.endswith("#1") else audio


class NotFinite(Good):
    def sound(self, query: Query) -> Audio | None:
        return Audio(samples=np.full(800, np.nan, np.float32), sample_rate_hz=RATE_HZ)


class LowRate(Good):
    def sound(self, query: Query) -> Audio | None:
        audio = super().sound(query)
        assert audio is not None
        return audio.resampled(4_000)


class Backwards(Good):
    def timing(self, took_s: float) -> Timing:
        return Timing(first_audio_s=took_s + 1, total_s=took_s)


class OwnClock(Good):
    def timing(self, took_s: float) -> Timing:
        return Timing(first_audio_s=0.1, total_s=5.0)


class Renaming(Good):
    @property
    def identity(self) -> str:  # type: ignore[override]
        return f"model at {time.monotonic()}"


class RenamedWhenMadeAgain(Good):
    n_made = 0

    def __init__(self, limit_s: float = 60.0) -> None:
        super().__init__(limit_s)
        type(self).n_made += 1
        self.identity = f"model@{self.n_made}"


class Nameless(Good):
    identity = ""


class Telling(Good):
    identity = "model(key=sk-12345678)"


class Hanging(Good):
    """Answers nothing, and cannot be closed."""

    close = None  # type: ignore[assignment]

    def sound(self, query: Query) -> Audio | None:
        time.sleep(60)
        return None


class Leaving(Good):
    def sound(self, query: Query) -> Audio | None:
        sys.exit(3)


class Plain:
    """Nothing but what the protocol asks for."""

    identity = "plain@1"

    def answer(self, query: Query) -> Response:
        return Response(audio=query.question.audio, text=None, timing=Timing(first_audio_s=None, total_s=0.0))


Maker = Callable[[float], Good]
