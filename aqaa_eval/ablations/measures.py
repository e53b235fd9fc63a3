"""What is measured in the arms of an ablation that answers conversations, and how it is read from a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean

from aqaa_eval.core.runlog import AttemptLog, RunLog, TurnLog
from aqaa_eval.metrics.pairing import scores_of
from aqaa_eval.reports.ablation import Measure, Unit

CHAT = Measure(key="chat", title="Chat", note="by the language-model judge, 1 to 5")
RELEVANCE = Measure(
    key="relevance",
    title="Relevance",
    note="yes or no per conversation, by the language-model judge",
    unit=Unit.NUMBER,
    is_binary=True,
    smallest=0.05,
)
FACTUALITY = Measure(
    key="factuality",
    title="Factuality",
    note="yes or no per conversation, by the language-model judge",
    unit=Unit.NUMBER,
    is_binary=True,
    smallest=0.05,
)
MOS = Measure(key="mos", title="MOS", note="fused score 1 to 5, by the weights of the suite's card")
CONTENT = Measure(key="content", title="Content", note="what was said, 1 to 5")
DELIVERY = Measure(key="delivery", title="Delivery", note="how it was said, as measured, 1 to 5")
FIDELITY = Measure(
    key="fidelity",
    title="Word error rate",
    note="of what was heard against the model's own text, mean over conversations",
    unit=Unit.SHARE,
    higher_is_better=False,
    smallest=0.05,
)
AGREEMENT = Measure(
    key="agreement",
    title="Speech fidelity",
    note="share of the model's own words that its speech says: 1 minus the word error rate, at least 0",
    unit=Unit.SHARE,
    smallest=0.05,
)
SPEECH = Measure(key="speech", title="MOS predictor", note="predicted naturalness of the sound, 1 to 5")
FIRST_AUDIO = Measure(
    key="first_audio_s",
    title="Time to first audio",
    note="mean over the turns",
    unit=Unit.SECONDS,
    higher_is_better=False,
    smallest=0.1,
)
REAL_TIME = Measure(
    key="real_time_factor",
    title="Real-time factor",
    note="seconds to answer over seconds of answer",
    unit=Unit.NUMBER,
    higher_is_better=False,
    smallest=0.1,
)
LENGTH = Measure(key="answer_s", title="Answer length", note="seconds of sound per answer", unit=Unit.SECONDS)

JUDGED = (CHAT, RELEVANCE, FACTUALITY)
"""As the paper's tables have them; they need a language model as judge."""
SCORED = (MOS, CONTENT, DELIVERY)
HEARD = (AGREEMENT, FIDELITY, SPEECH)
TIMED = (FIRST_AUDIO, REAL_TIME, LENGTH)
RUN_MEASURES = (*JUDGED, *SCORED, *HEARD, *TIMED)
"""All of a run, in the order of a reader's interest."""

Values = Mapping[str, float]
"""One value per conversation ("suite/sample")."""


def measure_named(key: str) -> Measure:
    """The measure of a metric's name; one that is not listed is a mean of points.

    >>> measure_named("fidelity").title, measure_named("noise").title
    ('Word error rate', 'Noise')
    """
    from aqaa_eval.reports.labels import metric_note, metric_title

    known = next((measure for measure in RUN_MEASURES if measure.key == key), None)
    return known or Measure(key=key, title=metric_title(key), note=metric_note(key))


def values_of(log: RunLog, measure: Measure) -> Values:
    """The measure in a run: repeats of a conversation are averaged; a conversation without a value is left out."""
    if measure.key in _OF_TURNS:
        return _over_attempts(log, _OF_TURNS[measure.key])
    if measure is AGREEMENT:
        return {key: 1.0 - min(1.0, rate) for key, rate in values_of(log, FIDELITY).items()}
    return {
        f"{suite}/{sample}": fmean(values)
        for suite, scores in scores_of(log, metric=measure.key).items()
        for sample, values in scores.values.items()
        if values
    }


def _over_attempts(log: RunLog, read: Callable[[AttemptLog], float | None]) -> Values:
    found: dict[str, list[float]] = {}
    for attempt in log.attempts:
        value = read(attempt)
        if value is not None:
            found.setdefault(f"{attempt.suite}/{attempt.sample}", []).append(value)
    return {key: fmean(values) for key, values in found.items()}


def _first_audio_s(attempt: AttemptLog) -> float | None:
    times_s = [turn.timing.first_audio_s for turn in attempt.turns if turn.timing]
    known_s = [time_s for time_s in times_s if time_s is not None]
    return fmean(known_s) if known_s else None


def _real_time_factor(attempt: AttemptLog) -> float | None:
    spoken = [turn for turn in attempt.turns if turn.timing and turn.duration_s]
    sound_s = sum(turn.duration_s or 0.0 for turn in spoken)
    return sum(_total_s(turn) for turn in spoken) / sound_s if sound_s else None


def _total_s(turn: TurnLog) -> float:
    return turn.timing.total_s if turn.timing else 0.0


def _answer_s(attempt: AttemptLog) -> float | None:
    lengths_s = [turn.duration_s for turn in attempt.turns if turn.duration_s is not None]
    return fmean(lengths_s) if lengths_s else None


_OF_TURNS: Mapping[str, Callable[[AttemptLog], float | None]] = {
    FIRST_AUDIO.key: _first_audio_s,
    REAL_TIME.key: _real_time_factor,
    LENGTH.key: _answer_s,
}
