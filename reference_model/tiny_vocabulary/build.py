"""Makes `tokenizer.model`: run `python -m aqaa_eval.reference_model.tiny_vocabulary.build`.

Laid out as the published file: 64 specials, text, then the 5,120 audio pieces. The text pieces are the words of the
tiny domain, so that a small decoder need not learn to spell them, and all printable characters for what else there is.
The result is the same on every run, and a test compares it with the bundled file.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path

import sentencepiece

from aqaa_eval.reference_model.config import N_AUDIO_CODES, TINY_FIRST_AUDIO_ID
from aqaa_eval.reference_model.sentencepiece_file import (
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    Piece,
    replace_pieces,
)
from aqaa_eval.reference_model.training.domain.dictation import vocabulary
from aqaa_eval.reference_model.training.domain.templates import templates
from aqaa_eval.reference_model.vocabulary import KNOWN_SPECIALS, N_SPECIALS

SPACE = "\u2581"
"""How sentencepiece writes a space."""
ROLES = ("system", "human", "assistant")
_N_TEXT = TINY_FIRST_AUDIO_ID - N_SPECIALS
_CHARACTER_SCORE, _WORD_SCORE = -14.0, -8.0
# Which ids the published file makes user-defined; its other specials are control pieces.
_USER_DEFINED_SPECIALS = {19, 20, *range(25, 31), *range(39, 64)}
_MORE_SPECIALS = {35: "<|TTS|>", 36: "<|ASR|>", 37: "<|TQAA|>", 38: "<|AQTA|>"}


def build() -> bytes:
    """Gives the bytes of the model file.

    Raises:
        ValueError: the domain has more words than the vocabulary has room for.
    """
    container = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(vocabulary()),
        model_writer=container,
        model_type="unigram",
        vocab_size=_N_TEXT,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        num_threads=1,
        minloglevel=2,
    )
    audio = [Piece(text=f"<audio_{i}>", score=0.0, kind=USER_DEFINED) for i in range(N_AUDIO_CODES)]
    return replace_pieces(container.getvalue(), [*_specials(), *text_pieces(), *audio])


def text_pieces() -> list[Piece]:
    """The characters, the roles, the domain's words in small letters, and in capitals those that begin an answer.

    A word costs less than any way to spell it. What room is left goes to single letters, which spelling answers with.
    """
    characters = ["\n", SPACE, *map(chr, range(33, 127))]
    words = [SPACE + word for word in vocabulary()]
    starts = Counter(word for text in _answers() for word in re.findall(r"\b[A-Z][a-z]+", text))
    letters = Counter(letter for text in _answers() for letter in re.findall(r", ([A-Z])\b", text))
    words += ROLES
    n_left = _N_TEXT - len(characters) - len(words) - len(starts)
    if n_left < 0:
        raise ValueError(f"the domain has {-n_left} words more than a text vocabulary of {_N_TEXT} pieces holds")
    spelt = [SPACE + letter for letter, _ in letters.most_common(n_left)]
    n_unused = n_left - len(spelt)
    return [
        *(Piece(text=text, score=_CHARACTER_SCORE, kind=NORMAL) for text in characters),
        *(Piece(text=text, score=_WORD_SCORE, kind=NORMAL) for text in (*words, *sorted(starts), *spelt)),
        *(Piece(text=f"<unused_{i}>", score=0.0, kind=CONTROL) for i in range(n_unused)),
    ]


def _answers() -> list[str]:
    return [case.answer for template in templates() for case in template.cases]


def _specials() -> list[Piece]:
    names = KNOWN_SPECIALS | _MORE_SPECIALS
    rows = [Piece(text="<unk>", score=0.0, kind=UNKNOWN)]
    for i in range(1, N_SPECIALS):
        kind = USER_DEFINED if i in _USER_DEFINED_SPECIALS else CONTROL
        rows.append(Piece(text=names.get(i, f"<reserved_{i}>"), score=0.0, kind=kind))
    return rows


if __name__ == "__main__":
    Path(__file__).with_name("tokenizer.model").write_bytes(build())
