"""Questions and answers that training never heard, spoken when they are needed and coded by a model's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.errors import ModelError
from aqaa_eval.reference_model.audio_input import Recording
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.training.data import SpokenExample, SpokenSegment, SpokenTurn, code_examples
from aqaa_eval.reference_model.training.domain.pairs import DomainPair
from aqaa_eval.reference_model.training.rows import CodedExample
from aqaa_eval.reference_model.training.speech_store import Studio, Take


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """One held-out question with its answer and a wrong one.

    Attributes:
        chosen: the right answer, coded.
        rejected: the answer to another question of the same kind, coded.
        text: words of the right answer, as models are taught to say it.
        answer: its sound.
    """

    chosen: CodedExample
    rejected: CodedExample
    text: str
    answer: Audio


class HeldOut:
    """Items by key; the last few are kept, since every arm asks for an item before the next one is asked for."""

    def __init__(self, pairs: Sequence[DomainPair], studio: Studio, tokenizer: DualTokenizer) -> None:
        """Speak nothing yet.

        Args:
            pairs: the items; answers of at least two kinds.
            studio: speaks them.
            tokenizer: codes them, for all arms alike.
        """
        self._pairs = {pair.key: pair for pair in pairs}
        self._studio = studio
        self._tokenizer = tokenizer
        self.item = lru_cache(maxsize=4)(self._item)
        """The item of a key."""

    @property
    def keys(self) -> list[str]:
        """Of all items, in order."""
        return list(self._pairs)

    def _item(self, key: str) -> Item:
        pair = self._pairs[key]
        question = _recording(self._studio.ask(pair), "question")
        other = self._other(pair)
        right, wrong = (self._studio.answer(each.said, each.manner) for each in (pair, other))
        examples = [
            SpokenExample(
                key=key,
                turns=(SpokenTurn(role="human", text=pair.question, recording=question),),
                answer=(SpokenSegment(text=text, recording=_recording(take, "answer")),),
            )
            for text, take in ((pair.said, right), (other.said, wrong))
        ]
        try:
            chosen, rejected = code_examples(examples, self._tokenizer)
        except ValueError as error:
            raise ModelError(str(error)) from error
        sound = from_samples(right.samples, sample_rate_hz=right.sample_rate_hz, name="answer")
        return Item(chosen=chosen, rejected=rejected, text=pair.said, answer=sound)

    def _other(self, pair: DomainPair) -> DomainPair:
        """The next pair with another answer, of the same capability if there is one."""
        every = list(self._pairs.values())
        place = every.index(pair)
        ahead = [other for other in every[place + 1 :] + every[:place] if other.answer != pair.answer]
        if not ahead:
            raise ModelError("all held-out items have the same answer: there is no wrong one to prefer another to")
        return next((other for other in ahead if other.capability == pair.capability), ahead[0])


def _recording(take: Take, name: str) -> Recording:
    return Recording(samples=take.samples, sample_rate_hz=take.sample_rate_hz, name=name)
