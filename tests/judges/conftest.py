"""Real synthesised speech, and attempts built by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.attempt import Attempt, Response, Timing, Transcript, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.sample import AudioFile, CheckSpec, Sample, Turn

Speak = Callable[[str], Audio]
MakeTurn = Callable[..., TurnAttempt]
MakeAttempt = Callable[..., Attempt]


@pytest.fixture(scope="session")
def speak() -> Speak:
    hibari = pytest.importorskip("hibari", reason="the speech of this test needs the extra: pip install .[offline]")
    voice = hibari.Hibari()
    return lambda text: Audio(samples=np.asarray(voice(text, seed=0), np.float32), sample_rate_hz=24_000)


@pytest.fixture
def sound() -> Audio:
    """Half a second of something loud enough to be an answer; judges that look closer need real speech."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(8000)
    return Audio(samples=noise.astype(np.float32), sample_rate_hz=16_000)


@pytest.fixture
def make_turn(sound: Audio) -> MakeTurn:
    def make(
        index: int,
        heard: str | None = "twelve",
        *,
        audio: Audio | None = sound,
        text: str | None = None,
        failure: Failure | None = None,
        language: str = "en",
        detail: str = "",
    ) -> TurnAttempt:
        transcript = None
        if heard is not None:
            transcript = Transcript(text=heard, language=language, confidence=0.9, asr="stub")
        response = Response(audio=audio, text=text, timing=Timing(first_audio_s=0.1, total_s=0.5))
        return TurnAttempt(index=index, response=response, transcript=transcript, failure=failure, detail=detail)

    return make


@pytest.fixture
def make_attempt() -> MakeAttempt:
    def make(turns: Sequence[TurnAttempt], checks: Sequence[Sequence[CheckSpec]], *, language: str = "en") -> Attempt:
        asked = tuple(
            Turn(
                audio=AudioFile(path=Path("question.ogg")),
                text="What is twelve?",
                language=language,
                answer_language=language,
                checks=tuple(specs),
            )
            for specs in checks
        )
        return Attempt(sample=Sample(suite="gaming", id="g01", turns=asked), repeat=0, turns=tuple(turns))

    return make
