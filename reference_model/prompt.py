"""The two ways in which the family writes a conversation as ids.

Both write turns as BOT, role, newline, content, EOT, and differ in ids: `chat` (Step-Audio-Chat, and by our reading
AQAA) segments the whole conversation as one string, `tts` (TTS-3B, EditX) encodes each part by itself, so that every
part carries a BOS of its own and a role begins with a space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aqaa_eval.reference_model.vocabulary import BOS, BOT, EOT, Vocabulary

ROLES = ("system", "human", "assistant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one side said.

    Attributes:
        role: "system", "human" or "assistant".
        parts: text (str) and ready token ids (tuple of int, such as `Vocabulary.audio_span` gives), in order.
    """

    role: str
    parts: tuple[str | tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r} must be one of {', '.join(ROLES)}")


def chat_prompt(turns: Sequence[Turn], vocabulary: Vocabulary) -> list[int]:
    """Writes the conversation as one string would be, and opens the assistant's turn.

    Text that follows text or a role is segmented together with it, as in one string.

    >>> chat_prompt([Turn(role="human", parts=((31, 32),))], Vocabulary.tiny())[:2]
    [1, 4]
    """
    ids = [BOS]
    for turn in turns:
        ids += [BOT, *_one_string(turn, vocabulary), EOT]
    return [*ids, BOT, *vocabulary.encode_inner("assistant\n")]


def _one_string(turn: Turn, vocabulary: Vocabulary) -> list[int]:
    ids: list[int] = []
    run = f"{turn.role}\n"
    for part in turn.parts:
        if isinstance(part, str):
            run += part
        else:
            ids += [*vocabulary.encode_inner(run), *part]
            run = ""
    return ids + vocabulary.encode_inner(run)


def tts_prompt(turns: Sequence[Turn], vocabulary: Vocabulary) -> list[int]:
    """Writes the conversation part by part, each text with its own BOS, and opens the assistant's turn.

    A system turn's text is encoded in one piece with its role; in the other turns the role stands alone.
    """
    ids = [BOS]
    for turn in turns:
        texts = list(turn.parts)
        head = f"{turn.role}\n"
        if turn.role == "system" and texts and isinstance(texts[0], str):
            head += texts.pop(0)  # type: ignore[operator]
        ids += [BOT, *_plain(head, vocabulary)]
        for part in texts:
            ids += _plain(part, vocabulary) if isinstance(part, str) else part
        ids.append(EOT)
    return [*ids, BOT, *vocabulary.encode("assistant\n")]


def _plain(text: str, vocabulary: Vocabulary) -> list[int]:
    vocabulary.check_plain(text)
    return vocabulary.encode(text)


TEMPLATES: dict[str, Callable[[Sequence[Turn], Vocabulary], list[int]]] = {
    "chat": chat_prompt,
    "tts": tts_prompt,
}
