"""Which rows of the tiny domain each stage of the decoder sees.

Before the three stages of post-training stands a short pre-training in place of the published model's: writing down
what is heard, and answering in text what is asked in text. Without it the tiny decoder knows neither words nor sounds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aqaa_eval.reference_model.layout import parse_layout
from aqaa_eval.reference_model.training.domain.dictation import words_of
from aqaa_eval.reference_model.training.domain.pairs import DomainPair
from aqaa_eval.reference_model.training.domain.voice_templates import ABOUT_THE_VOICE
from aqaa_eval.reference_model.training.listening import with_words
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
        n_question_takes: in how many takes each question is coded.
        per_template: rows of stage 1 that each template gets at least, about; rare ones are repeated.
        dictated: pairs that are only written down; their words are coded, too.
    """

    pairs: Sequence[DomainPair]
    codes: Codes
    vocabulary: Vocabulary
    convention: str
    max_length: int
    n_question_takes: int = 1
    per_template: int = 1
    dictated: Sequence[DomainPair] = ()

    def pretraining(self) -> list[TrainingRow]:
        """Transcripts of dictations and questions, every take, and the questions in writing with their answers."""
        spoken = [*self.dictated, *self._english()]
        heard = (self._transcript(pair, take) for pair in spoken for take in range(self.n_question_takes))
        return self._rows([*heard, *self._in_writing()], _FIRST_LAYOUT)

    def stage_1(self) -> list[TrainingRow]:
        """AQTAA in the paper's layout for every pair, a sixth of them in each other layout, and AQTA for a third.

        The dictations are written down once more: whoever hears only questions from here on begins to guess again. So
        come the questions in writing: a sum costs a tenth of its sound there, and is the same sum.
        """
        spoken = [self.spoken(pair, take) for pair, take in self._takes()]
        rows = self._rows(spoken, _FIRST_LAYOUT)
        texts = [
            _example(pair, self._question(pair, self._last_take), ()) for pair in self.pairs if _draw(pair) % 3 == 0
        ]
        texts += [self._transcript(pair, _draw(pair) % self.n_question_takes) for pair in self.dictated]
        rows += self._rows([*texts, *self._in_writing()], _FIRST_LAYOUT)
        for place, name in enumerate(_OTHER_LAYOUTS):
            chosen = [self.spoken(pair, self._last_take) for pair in self.pairs if _draw(pair) % 6 == place]
            rows += self._rows(chosen, name)
        return rows

    def _english(self) -> list[DomainPair]:
        return [pair for pair in self.pairs if pair.language == "en"]

    def _in_writing(self) -> Iterator[CodedExample]:
        """Every question in English once, asked and answered in text; what depends on the voice cannot be asked so."""
        askable = (pair for pair in self._english() if pair.template not in ABOUT_THE_VOICE)
        by_text = {written(pair.question): pair for pair in askable}
        return (_example(replace(pair, question=text), (), ()) for text, pair in by_text.items())

    def answers(self) -> list[TrainingRow]:
        """AQTAA in the paper's layout for every pair, once."""
        return self._rows([self.spoken(pair) for pair in self.pairs], _FIRST_LAYOUT)

    def stage_2(self) -> list[TrainingRow]:
        """Selected AQTAA: every pair that asks something of the voice, and a seventh of the others."""
        chosen = [pair for pair in self.pairs if pair.capability in SKILLS or _draw(pair) % 7 == 0]
        return self._rows([self.spoken(pair) for pair in chosen], _FIRST_LAYOUT)

    def _takes(self) -> Iterator[tuple[DomainPair, int]]:
        """Every pair with a take of its question, pairs of rare templates several times."""
        counts = Counter(pair.template for pair in self.pairs)
        for pair in self.pairs:
            for turn in range(max(1, round(self.per_template / counts[pair.template]))):
                yield pair, (_draw(pair) + turn) % self.n_question_takes

    @property
    def _last_take(self) -> int:
        return self.n_question_takes - 1

    def row(self, example: CodedExample, layout: str = _FIRST_LAYOUT) -> TrainingRow:
        """One row, with the words of what is heard and said.

        Of a question in another language these are the words of its answer: all that the tiny domain asks of another
        language is what a word of it means, and the vocabulary has no others.
        """
        row = write_row(example, parse_layout(layout), vocabulary=self.vocabulary, convention=self.convention)
        said = " ".join(segment.text for segment in example.answer)
        question = example.turns[-1].text
        heard = question if question.isascii() else said
        return with_words(row, self._words(heard), self._words(said), self.vocabulary)

    def _words(self, text: str) -> list[int]:
        return self.vocabulary.encode_inner(written(text))

    def _rows(self, examples: Sequence[CodedExample], layout: str) -> list[TrainingRow]:
        rows = (self.row(example, layout) for example in examples)
        return [row for row in rows if len(row) <= self.max_length]

    def _question(self, pair: DomainPair, take: int) -> tuple[int, ...]:
        return self.codes[QUESTION, take_key(pair.key, take)]

    def spoken(self, pair: DomainPair, take: int = 0) -> CodedExample:
        """The pair as an audio question, in one of its takes, with an audio answer."""
        return _example(pair, self._question(pair, take), self.codes[ANSWER, answer_key(pair)])

    def _transcript(self, pair: DomainPair, take: int) -> CodedExample:
        turns = (
            CodedTurn(role="system", text=TRANSCRIBE),
            CodedTurn(role="human", text=pair.question, codes=self._question(pair, take)),
        )
        return CodedExample(key=pair.key, turns=turns, answer=(CodedSegment(text=written(pair.question)),))


def written(text: str) -> str:
    """A question as it is written down: words in small letters, a space before each, as the vocabulary has them.

    >>> written("What is two, plus two?")
    ' what is two plus two'
    """
    return "".join(f" {word}" for word in words_of(text))


def take_key(key: str, number: int) -> str:
    """Key of a take of a question: its own for the recording, another for each varied one.

    >>> take_key("plus/one-two/0", 0), take_key("plus/one-two/0", 1)
    ('plus/one-two/0', 'plus/one-two/0~1')
    """
    return f"{key}~{number}" if number else key


def _example(pair: DomainPair, question: tuple[int, ...], answer: tuple[int, ...]) -> CodedExample:
    return CodedExample(
        key=pair.key,
        turns=(CodedTurn(role="human", text=pair.question, codes=question),),
        answer=(CodedSegment(text=pair.said, codes=answer),),
    )


def _draw(pair: DomainPair) -> int:
    return int.from_bytes(hashlib.sha256(pair.key.encode()).digest()[:4], "big")
