"""Speech fidelity: whether a model says what it writes. Word error rate of its speech against its own text.

One ear cannot tell a model that said something else from a recogniser that misheard it. With two, the errors fall
apart: those that both ears make alike were most probably said (`said_otherwise`), the others are the listening's
(`misheard`). The two add up to `fidelity`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from aqaa_eval.core.attempt import Attempt, Score, Status, TurnAttempt
from aqaa_eval.core.sample import Turn
from aqaa_eval.judges.answers import Answer, State, find_answers
from aqaa_eval.metrics.normaliser import NORMALISER_VERSION
from aqaa_eval.metrics.word_errors import WordEdit, count_word_errors, word_edits

METRIC = "fidelity"
SAID_OTHERWISE, MISHEARD = "said_otherwise", "misheard"
MAX_SHOWN = 8


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
        """Per turn, errors per reference word, with the number of reference words as its weight.

        The two parts of the error come with it where any turn of the conversation was heard by two ears.
        """
        turns = {turn.index: turn for turn in attempt.turns}
        answers = find_answers(attempt)
        scores = [
            self._turn(answer, turns.get(answer.turn), asked)
            for answer, asked in zip(answers, attempt.sample.turns, strict=True)
        ]
        has_second = any(turn.transcript is not None and turn.transcript.second is not None for turn in attempt.turns)
        if has_second and any(score.value is not None for score in scores):
            for answer, whole in zip(answers, tuple(scores), strict=True):
                scores += self._parts(whole, turns.get(answer.turn))
        return tuple(scores)

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

    def _parts(self, whole: Score, turn: TurnAttempt | None) -> list[Score]:
        """The error rate's two parts; without a value where the whole has none, or only one ear heard the turn."""
        transcript = turn.transcript if turn is not None else None
        if whole.value is None or turn is None or turn.response is None or transcript is None:
            return [replace(whole, metric=metric) for metric in (SAID_OTHERWISE, MISHEARD)]
        if transcript.second is None:
            reason = f"the second ear does not hear {transcript.language or 'this language'}"
            return [
                replace(self._unscored(whole.turn or 0, reason), metric=metric) for metric in (SAID_OTHERWISE, MISHEARD)
            ]
        text = turn.response.text or ""
        first, second = (
            word_edits(reference=text, hypothesis=heard, language=transcript.language)
            for heard in (transcript.text, transcript.second.text)
        )
        agreed = tuple((Counter(first) & Counter(second)).elements())
        alone = tuple((Counter(first) - Counter(second)).elements())
        n_words = int(whole.weight)
        return [
            replace(whole, metric=SAID_OTHERWISE, value=len(agreed) / n_words, reason=_told(agreed, "both ears heard")),
            replace(
                whole, metric=MISHEARD, value=len(alone) / n_words, reason=_told(alone, "only the first ear heard")
            ),
        ]

    def _unscored(self, turn: int, reason: str) -> Score:
        return Score(metric=METRIC, value=None, status=Status.UNSCORED, reason=reason, judge=self.identity, turn=turn)


def _told(edits: tuple[WordEdit, ...], who: str) -> str:
    """The edits in a sentence.

    >>> _told((WordEdit(place=1, reference="train", hypothesis="plane"),), "both ears heard")
    "both ears heard 'plane' for 'train'"
    """
    if not edits:
        return f"{who} nothing else"
    shown = ", ".join(
        f"{edit.hypothesis!r} for {edit.reference!r}"
        if edit.hypothesis and edit.reference
        else f"nothing for {edit.reference!r}"
        if edit.reference
        else f"{edit.hypothesis!r} added"
        for edit in edits[:MAX_SHOWN]
    )
    more = f" and {len(edits) - MAX_SHOWN} more" if len(edits) > MAX_SHOWN else ""
    return f"{who} {shown}{more}"
