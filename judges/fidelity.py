"""Speech fidelity: whether a model says what it writes. Word error rate of its speech against its own text."""

from __future__ import annotations

from aqaa_eval.core.attempt import Attempt, Score, Status, TurnAttempt
from aqaa_eval.core.sample import Turn
from aqaa_eval.judges.answers import Answer, State, find_answers
from aqaa_eval.metrics.normaliser import NORMALISER_VERSION
from aqaa_eval.metrics.word_errors import count_word_errors

METRIC = "fidelity"


class FidelityJudge:
    """Scores each turn whose model gives both text and speech.

    The transcriber's own errors are in it: read it beside the error rate of that transcriber on clear speech.
    """

    @property
    def identity(self) -> str:
        """Such as "fidelity@normaliser-1"."""
        return f"fidelity@normaliser-{NORMALISER_VERSION}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it scores."""
        return (METRIC,)

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """One score per turn: errors per reference word, with the number of reference words as its weight."""
        turns = {turn.index: turn for turn in attempt.turns}
        return tuple(
            self._turn(answer, turns.get(answer.turn), asked)
            for answer, asked in zip(find_answers(attempt), attempt.sample.turns, strict=True)
        )

    def _turn(self, answer: Answer, turn: TurnAttempt | None, asked: Turn) -> Score:
        if answer.state is not State.ANSWERED or turn is None or turn.response is None:
            return Score(
                metric=METRIC,
                value=None,
                status=answer.status,
                reason=answer.reason,
                judge=self.identity,
                turn=answer.turn,
                failure=answer.failure,
            )
        if turn.response.text is None:
            return self._unscored(answer.turn, "the model gives no text of its own")
        if turn.transcript is None:
            return self._unscored(answer.turn, "the answer was not transcribed")
        language = turn.transcript.language or asked.answer_language
        found = count_word_errors(reference=turn.response.text, hypothesis=turn.transcript.text, language=language)
        if found.rate is None:
            return self._unscored(answer.turn, "the model's own text holds no words")
        return Score(
            metric=METRIC,
            value=found.rate,
            reason=f"{found.errors} errors in {found.n_reference} words: {found.substitutions} substituted, "
            f"{found.deletions} left out, {found.insertions} added",
            judge=self.identity,
            turn=answer.turn,
            weight=float(found.n_reference),
        )

    def _unscored(self, turn: int, reason: str) -> Score:
        return Score(metric=METRIC, value=None, status=Status.UNSCORED, reason=reason, judge=self.identity, turn=turn)
