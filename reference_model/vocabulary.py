"""Text pieces, special ids and audio ids in one vocabulary.

    0 unknown | 1..63 specials | 64.. text | first_audio_id.. 1,024 linguistic, 4,096 semantic | reserved

Read with sentencepiece itself, on purpose: transformers 5 rebuilds the published file as BPE and segments it wrongly.
The string is split at control and user-defined pieces, text runs between them are segmented, and the space that
sentencepiece puts before a text goes only before a run that opens the string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import sentencepiece

from aqaa_eval.reference_model.config import N_AUDIO_CODES, N_LINGUISTIC_CODES
from aqaa_eval.reference_model.sentencepiece_file import (
    CONTROL,
    USER_DEFINED,
    read_pieces,
    without_dummy_prefix,
)

UNKNOWN, BOS, EOS, EOT, BOT = 0, 1, 2, 3, 4
AUDIO_START, AUDIO_END, TEXT_START, TEXT_END = 31, 32, 33, 34
N_SPECIALS = 64
PAD = 0
# What the released vocabulary has at these places; a file without them belongs to another model.
KNOWN_SPECIALS = {
    BOS: "<s>",
    EOS: "</s>",
    EOT: "<|EOT|>",
    BOT: "<|BOT|>",
    AUDIO_START: "<audio_start>",
    AUDIO_END: "<audio_end>",
    TEXT_START: "<text_start>",
    TEXT_END: "<text_end>",
}
_AUDIO_PIECE = re.compile(r"<audio_\d+>")


class Vocabulary:
    """A sentencepiece file with its special and audio ids.

    Attributes:
        first_audio_id: id of `<audio_0>`; linguistic codes begin there, semantic ones 1,024 later.
        size: number of ids.
        model_bytes: the file, to be saved again beside the weights.
    """

    def __init__(self, model_bytes: bytes) -> None:
        pieces = read_pieces(model_bytes)
        self.model_bytes = model_bytes
        self.size = len(pieces)
        self._texts = [piece.text for piece in pieces]
        special = [(i, p) for i, p in enumerate(pieces) if p.kind in (CONTROL, USER_DEFINED)]
        self._special_ids = {piece.text: i for i, piece in special}
        self.first_audio_id = self._special_ids.get("<audio_0>", -1)
        self._check()
        # The longest piece first, so that <audio_12> is not read as <audio_1> by a shorter neighbour.
        names = sorted((t for t in self._special_ids if not _AUDIO_PIECE.fullmatch(t)), key=len, reverse=True)
        self._splitter = re.compile("|".join([r"<audio_\d+>", *map(re.escape, names)]))
        self._opening = sentencepiece.SentencePieceProcessor(model_proto=model_bytes)
        self._inner = sentencepiece.SentencePieceProcessor(model_proto=without_dummy_prefix(model_bytes))

    @classmethod
    def from_file(cls, path: str | Path) -> Vocabulary:
        """Reads a `tokenizer.model`.

        Raises:
            ValueError: the file is no such vocabulary; the message says what is wrong.
            OSError: it cannot be read.
        """
        try:
            return cls(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def tiny(cls) -> Vocabulary:
        """The small vocabulary bundled for tests, structured like the published one."""
        folder = resources.files("aqaa_eval.reference_model") / "tiny_vocabulary"
        return cls((folder / "tokenizer.model").read_bytes())

    def _check(self) -> None:
        wrong = [
            f"id {i} is {self._texts[i] if i < self.size else 'missing'!r}, expected {name!r}"
            for i, name in KNOWN_SPECIALS.items()
            if i >= self.size or self._texts[i] != name
        ]
        first = self.first_audio_id
        if first < 0 or self._special_ids.get(f"<audio_{N_AUDIO_CODES - 1}>") != first + N_AUDIO_CODES - 1:
            wrong.append(f"<audio_0>..<audio_{N_AUDIO_CODES - 1}> are not {N_AUDIO_CODES} ids in a row")
        if wrong:
            raise ValueError("not a Step-Audio vocabulary: " + "; ".join(wrong))

    def encode(self, text: str) -> list[int]:
        """Turns a string with its special pieces into ids, as the published tokenizer does, BOS first.

        >>> Vocabulary.tiny().encode("<|EOT|><audio_0>")[:2]
        [1, 3]
        """
        return [BOS, *self._encode_runs(text)]

    def _encode_runs(self, text: str) -> list[int]:
        ids: list[int] = []
        position = 0
        for match in self._splitter.finditer(text):
            if match.group() not in self._special_ids:
                continue
            ids += self._encode_run(text[position : match.start()], opens=position == 0)
            ids.append(self._special_ids[match.group()])
            position = match.end()
        return ids + self._encode_run(text[position:], opens=position == 0)

    def _encode_run(self, run: str, *, opens: bool) -> list[int]:
        if not run:
            return []
        ids: list[int] = (self._opening if opens else self._inner).encode(run)
        return ids

    def encode_inner(self, run: str) -> list[int]:
        """Segments a plain text run that does not open the string.

        Raises:
            ValueError: the text spells a special piece, which would give it powers over the prompt.
        """
        self.check_plain(run)
        return self._encode_run(run, opens=False)

    def check_plain(self, text: str) -> None:
        """Raises ValueError if `text` spells a control, user-defined or audio piece."""
        for match in self._splitter.finditer(text):
            if match.group() in self._special_ids:
                raise ValueError(
                    f"the text spells the special piece {match.group()!r}: a query must not steer the template; "
                    "put a space into it"
                )

    def decode(self, ids: Iterable[int]) -> str:
        """Gives the text of the text ids; specials and audio ids are passed over."""
        text_ids = [i for i in ids if N_SPECIALS <= i < self.first_audio_id]
        text: str = self._inner.decode(text_ids)
        return text

    def text_of(self, token_id: int) -> str:
        """Gives one text id's characters, its leading space included, for streaming."""
        return self._texts[token_id].replace("\u2581", " ")

    def audio_ids(self, codes: Iterable[int]) -> list[int]:
        """Turns merged audio codes (0..5119) into token ids.

        Raises:
            ValueError: a code is out of range.

        >>> Vocabulary.tiny().audio_ids([0, 5119])
        [768, 5887]
        """
        ids = [self.first_audio_id + code for code in codes]
        for i in ids:
            if not self.is_audio(i):
                raise ValueError(f"audio code {i - self.first_audio_id} is outside 0..{N_AUDIO_CODES - 1}")
        return ids

    def is_audio(self, token_id: int) -> bool:
        """Whether the id is one of the 5,120 audio codes; the reserved rows after them are not."""
        return self.first_audio_id <= token_id < self.first_audio_id + N_AUDIO_CODES

    def audio_codes(self, ids: Iterable[int]) -> list[int]:
        """Gives the merged codes of the audio ids among `ids`; all others are passed over."""
        return [i - self.first_audio_id for i in ids if self.is_audio(i)]

    def audio_span(self, codes: Sequence[int]) -> list[int]:
        """Gives an utterance as it stands in a prompt: `<audio_start>`, its audio ids, `<audio_end>`."""
        return [AUDIO_START, *self.audio_ids(codes), AUDIO_END]

    @property
    def first_semantic_id(self) -> int:
        """Where the semantic codes begin."""
        return self.first_audio_id + N_LINGUISTIC_CODES
