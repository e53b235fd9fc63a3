"""A spoken conversation, and how it becomes a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aqaa_eval.reference_model.audio_input import Recording
from aqaa_eval.reference_model.prompt import TEMPLATES, Turn
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer, n_merged_codes
from aqaa_eval.reference_model.tokenizer.preprocess import SAMPLE_RATE_HZ
from aqaa_eval.reference_model.vocabulary import EOT, Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Utterance:
    """What one side said, in one of three forms.

    An earlier answer of the model is best given back as its own `ids`; where only a transcript is left (the published
    training replaces earlier audio turns by theirs), give `text`.

    Attributes:
        role: "system", "human" or "assistant".
        recording: speech.
        text: text; with a recording it comes before it, as an instruction.
        ids: an earlier answer's tokens.
    """

    role: str
    recording: Recording | None = None
    text: str | None = None
    ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.recording is None and not self.text and not self.ids:
            raise ValueError(f"an utterance of the {self.role} has no recording, no text and no ids: say something")


def shortest_prompt(conversation: Sequence[Utterance]) -> int:
    """Counts tokens that the prompt will have at least, without tokenising anything."""
    total = 0
    for utterance in conversation:
        if utterance.recording is not None:
            total += n_merged_codes(int(utterance.recording.duration_s * SAMPLE_RATE_HZ))
        total += len(utterance.ids or ())
    return total


def write_prompt(
    conversation: Sequence[Utterance], *, tokenizer: DualTokenizer, vocabulary: Vocabulary, convention: str
) -> list[int]:
    """Tokenises the conversation and writes it in one of the two conventions.

    Raises:
        ValueError: a recording or text cannot be used; the message names it.
    """
    recordings = [u.recording for u in conversation if u.recording is not None]
    codes = iter(
        tokenizer.encode_batch(
            [recording.samples for recording in recordings],
            [recording.sample_rate_hz for recording in recordings],
            names=[recording.name for recording in recordings],
        )
    )
    turns = []
    for utterance in conversation:
        parts: list[str | tuple[int, ...]] = [utterance.text] if utterance.text else []
        if utterance.recording is not None:
            parts.append(tuple(vocabulary.audio_span(next(codes))))
        if utterance.ids:
            # The template closes the turn itself.
            ids = utterance.ids[:-1] if utterance.ids[-1] == EOT else utterance.ids
            parts.append(ids)
        turns.append(Turn(role=utterance.role, parts=tuple(parts)))
    return TEMPLATES[convention](turns, vocabulary)
