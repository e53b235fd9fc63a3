"""Two small runs with real sound for the rating page, in which the models' names and scores are easy to find."""

from __future__ import annotations

from pathlib import Path

from aqaa_eval.core.attempt import Finish, Score, Timing
from aqaa_eval.core.runlog import AttemptLog, Manifest, QuestionLog, RunLog, TurnLog
from aqaa_eval.core.runspec import RunSpec
from tests.reports.builders import store, syllables


def rated_run(folder: Path, *, model: str, hz: float, n: int = 4, silent: tuple[int, ...] = ()) -> RunLog:
    attempts = []
    for place in range(n):
        asked = store(folder, f"question{place}.flac", syllables(duration_s=0.4, frequency_hz=120))
        said = None
        if place not in silent:
            said = store(folder, f"{model}-{place}.flac", syllables(duration_s=0.4, frequency_hz=hz + place))
        turn = TurnLog(
            question=QuestionLog(
                audio=asked,
                text=f"Question <b>{place}</b>?",
                language="en",
                answer_language="en",
                reference="the secret reference",
                rubric=None,
                voice="v",
            ),
            audio=said,
            text="what was said",
            timing=Timing(first_audio_s=0.1, total_s=0.2),
            duration_s=0.4,
            finish=Finish.STOP,
            transcript=None,
            failure=None,
            detail="",
        )
        score = Score(metric="content", value=4.125, reason="r", judge="the-judge")
        attempts.append(AttemptLog(suite="gaming", sample=f"g{place:02d}", repeat=0, turns=(turn,), scores=(score,)))
    return RunLog(
        folder=folder,
        spec=RunSpec(model=model),
        manifest=Manifest(model=model, asr="none", judge="the-judge", normaliser="1"),
        cards={},
        attempts=tuple(attempts),
        n_planned=n,
    )
