"""From conversations whose sound is codes already to rows of ids with a loss mask.

The mask is 1 on the tokens of the last answer and 0 elsewhere: earlier turns and the question are read, not learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aqaa_eval.reference_model.layout import Layout, Segment, write_answer
from aqaa_eval.reference_model.prompt import TEMPLATES, Turn
from aqaa_eval.reference_model.vocabulary import EOT, Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedTurn:
    """One utterance of a training conversation.

    Attributes:
        role: "system", "human" or "assistant".
        text: what is said; of a question its transcript.
        codes: merged codes of its sound; empty if it has none.
    """

    role: str
    text: str
    codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedSegment:
    """One voice state of the answer that is learnt.

    Attributes:
        text: its words.
        codes: merged codes of its sound, whole groups; empty for a text answer (AQTA).
    """

    text: str
    codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedExample:
    """One conversation to learn from.

    Attributes:
        key: its name, for reports of what was skipped.
        turns: what was said before the answer; the last is the question.
        answer: the segments of the answer, in order.
    """

    key: str
    turns: tuple[CodedTurn, ...]
    answer: tuple[CodedSegment, ...]

    @property
    def is_spoken(self) -> bool:
        """True of an audio answer (AQTAA), False of a text answer (AQTA)."""
        return any(segment.codes for segment in self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Sound within a row, and what is said in it.

    Attributes:
        places: of the audio codes, in order.
        words: text ids of the words.
    """

    places: tuple[int, ...]
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """Ids with the mask of what is learnt.

    Attributes:
        ids: prompt and answer.
        loss: True where the token is part of the answer.
        heard: sound whose words are known, for `listening`.
    """

    ids: tuple[int, ...]
    loss: tuple[bool, ...]
    heard: tuple[Heard, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, prompt: Sequence[int], answer: Sequence[int]) -> TrainingRow:
        """A prompt that is read and an answer that is learnt.

        >>> TrainingRow.of([1, 2], [3]).loss
        (False, False, True)
        """
        return cls(ids=(*prompt, *answer), loss=(False,) * len(prompt) + (True,) * len(answer))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceRow:
    """The same prompt with an answer that is preferred and one that is not."""

    chosen: TrainingRow
    rejected: TrainingRow


def write_row(example: CodedExample, layout: Layout, *, vocabulary: Vocabulary, convention: str) -> TrainingRow:
    """Write a conversation as the model will see it.

    Earlier turns that have sound stand as their transcripts, the last question as sound, as in the sibling model's
    training on several turns. A text answer stands without audio markers in every layout.

    Args:
        example: the conversation.
        layout: how text and audio of the answer alternate.
        vocabulary: gives the ids.
        convention: "chat" or "tts".

    Raises:
        ValueError: the answer is empty, lacks text or sound where the layout needs it, or the conversation does not end
            with a question.
    """
    prompt = write_coded_prompt(example, vocabulary=vocabulary, convention=convention)
    answer = write_coded_answer(example, layout, vocabulary=vocabulary)
    return TrainingRow.of(prompt, answer)


def write_coded_prompt(example: CodedExample, *, vocabulary: Vocabulary, convention: str) -> list[int]:
    """The ids before the answer."""
    if not example.turns or example.turns[-1].role != "human":
        raise ValueError(f"{example.key}: a conversation must end with a question of the human")
    turns = [Turn(role=turn.role, parts=(turn.text,)) for turn in example.turns[:-1]]
    last = example.turns[-1]
    parts = (tuple(vocabulary.audio_span(last.codes)),) if last.codes else (last.text,)
    return TEMPLATES[convention]([*turns, Turn(role="human", parts=parts)], vocabulary)


def write_coded_answer(example: CodedExample, layout: Layout, *, vocabulary: Vocabulary) -> list[int]:
    """The ids of the answer, end of turn included."""
    texts = [vocabulary.encode_inner(segment.text) for segment in example.answer]
    if not texts or not all(texts):
        raise ValueError(f"{example.key}: the answer is empty")
    if not example.is_spoken:
        return [*(token for text in texts for token in text), EOT]
    segments = []
    for text, segment in zip(texts, example.answer, strict=True):
        if not segment.codes:
            raise ValueError(f"{example.key}: one segment of the answer has text and no sound")
        segments.append(Segment(text_ids=() if layout.n_text == 0 else tuple(text), codes=segment.codes))
    return write_answer(segments, layout, vocabulary)


def audio_mask(ids: Sequence[int], vocabulary: Vocabulary) -> list[bool]:
    """True where a token is an audio code: what masked DPO leaves out of its sums.

    >>> vocabulary = Vocabulary.tiny()
    >>> audio_mask([31, vocabulary.first_audio_id, 32], vocabulary)
    [False, True, False]
    """
    return [vocabulary.is_audio(token) for token in ids]
