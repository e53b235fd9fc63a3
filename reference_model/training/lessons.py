"""Which rows of the tiny domain each stage of the decoder sees.

Before the three stages of post-training stands a short pre-training in place of the published model's: writing down
what is heard, and answering in text what is asked in text. Without it the tiny decoder knows neither words nor sounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aqaa_eval.reference_model.layout import parse_layout
from aqaa_eval.reference_model.training.domain.pairs import DomainPair
from aqaa_eval.reference_model.training.rows import CodedExample, CodedSegment, CodedTurn, TrainingRow, write_row
from aqaa_eval.reference_model.training.speech_store import ANSWER, QUESTION, answer_key
from aqaa_eval.reference_model.vocabulary import Vocabulary

TRANSCRIBE = "Write down the words."
SKILLS = ("singing", "voice_control", "voice_understanding", "role_play")
"""Capabilities of stage 2: what is asked of the voice, not only of the words."""
_FIRST_LAYOUT, *_OTHER_LAYOUTS = ("interleave_10_15", "text_to_audio", "audio_only")

Codes = Mapping[tuple[str, str], tuple[int, ...]]
"""Merged codes of a recording by its kind and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """The pairs of the domain with their codes.

    Attributes:
        pairs: whose questions and answers are coded.
        codes: of their recordings.
        vocabulary: gives the ids.
        convention: of prompts.
        max_length: longest row; longer ones are left out.
    """

    pairs: Sequence[DomainPair]
    codes: Codes
    vocabulary: Vocabulary
    convention: str
    max_length: int

    def pretraining(self) -> list[TrainingRow]:
        """Transcripts of the questions, and the questions in writing with their answers."""
        written = {pair.question: pair for pair in self.pairs if pair.language == "en"}
        heard = (self._transcript(pair) for pair in self.pairs if pair.language == "en")
        asked = (_example(pair, (), ()) for pair in written.values())
        return self._rows([*heard, *asked], _FIRST_LAYOUT)

    def stage_1(self) -> list[TrainingRow]:
        """AQTAA in the paper's layout for every pair, in another layout for half of them, and AQTA for a third."""
        spoken = [self.spoken(pair) for pair in self.pairs]
        texts = [_example(pair, self._question(pair), ()) for pair in self.pairs if _draw(pair) % 3 == 0]
        rows = self._rows([*spoken, *texts], _FIRST_LAYOUT)
        for place, name in enumerate(_OTHER_LAYOUTS):
            chosen = [e for e, pair in zip(spoken, self.pairs, strict=True) if _draw(pair) % 4 == place]
            rows += self._rows(chosen, name)
        return rows

    def stage_2(self) -> list[TrainingRow]:
        """Selected AQTAA: every pair that asks something of the voice, and a seventh of the others."""
        chosen = [pair for pair in self.pairs if pair.capability in SKILLS or _draw(pair) % 7 == 0]
        return self._rows([self.spoken(pair) for pair in chosen], _FIRST_LAYOUT)

    def row(self, example: CodedExample, layout: str = _FIRST_LAYOUT) -> TrainingRow:
        """One row."""
        return write_row(example, parse_layout(layout), vocabulary=self.vocabulary, convention=self.convention)

    def _rows(self, examples: Sequence[CodedExample], layout: str) -> list[TrainingRow]:
        rows = (self.row(example, layout) for example in examples)
        return [row for row in rows if len(row) <= self.max_length]

    def _question(self, pair: DomainPair) -> tuple[int, ...]:
        return self.codes[QUESTION, pair.key]

    def spoken(self, pair: DomainPair) -> CodedExample:
        """The pair as an audio question with an audio answer."""
        return _example(pair, self._question(pair), self.codes[ANSWER, answer_key(pair)])

    def _transcript(self, pair: DomainPair) -> CodedExample:
        turns = (
            CodedTurn(role="system", text=TRANSCRIBE),
            CodedTurn(role="human", text=pair.question, codes=self._question(pair)),
        )
        return CodedExample(key=pair.key, turns=turns, answer=(CodedSegment(text=pair.question),))


def _example(pair: DomainPair, question: tuple[int, ...], answer: tuple[int, ...]) -> CodedExample:
    return CodedExample(
        key=pair.key,
        turns=(CodedTurn(role="human", text=pair.question, codes=question),),
        answer=(CodedSegment(text=pair.answer, codes=answer),),
    )


def _draw(pair: DomainPair) -> int:
    return int.from_bytes(hashlib.sha256(pair.key.encode()).digest()[:4], "big")
