"""Makes `tokenizer.model`: run `python -m aqaa_eval.reference_model.tiny_vocabulary.build`.

Unigram pieces are trained on `text.md` (our own sentences) and laid out as in the published file: 64 specials, text,
then the 5,120 audio pieces. The result is the same on every run, and a test compares it with the bundled file.
"""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path

import sentencepiece

from aqaa_eval.reference_model.config import N_AUDIO_CODES, TINY_FIRST_AUDIO_ID
from aqaa_eval.reference_model.sentencepiece_file import (
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    Piece,
    read_pieces,
    replace_pieces,
)
from aqaa_eval.reference_model.vocabulary import KNOWN_SPECIALS, N_SPECIALS

# Which ids the published file makes user-defined; its other specials are control pieces.
_USER_DEFINED_SPECIALS = {19, 20, *range(25, 31), *range(39, 64)}
_MORE_SPECIALS = {35: "<|TTS|>", 36: "<|ASR|>", 37: "<|TQAA|>", 38: "<|AQTA|>"}


def build() -> bytes:
    """Trains the text pieces and gives the bytes of the model file."""
    text = (resources.files("aqaa_eval.reference_model.tiny_vocabulary") / "text.md").read_text("utf-8")
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.splitlines()),
        model_writer=trained,
        model_type="unigram",
        vocab_size=TINY_FIRST_AUDIO_ID - N_SPECIALS + 3,  # unknown, <s> and </s> are among the specials
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=["\n"],
        required_chars="".join(chr(code) for code in range(33, 127)),
        num_threads=1,
        minloglevel=2,
    )
    model = trained.getvalue()
    # The newline is a normal piece in the published file; as a user-defined one it only got past the trainer.
    texts = [
        Piece(text=piece.text, score=piece.score, kind=NORMAL)
        for piece in read_pieces(model)
        if piece.kind in (NORMAL, USER_DEFINED)
    ]
    audio = [Piece(text=f"<audio_{i}>", score=0.0, kind=USER_DEFINED) for i in range(N_AUDIO_CODES)]
    return replace_pieces(model, [*_specials(), *texts, *audio])


def _specials() -> list[Piece]:
    names = KNOWN_SPECIALS | _MORE_SPECIALS
    rows = [Piece(text="<unk>", score=0.0, kind=UNKNOWN)]
    for i in range(1, N_SPECIALS):
        kind = USER_DEFINED if i in _USER_DEFINED_SPECIALS else CONTROL
        rows.append(Piece(text=names.get(i, f"<reserved_{i}>"), score=0.0, kind=kind))
    return rows


if __name__ == "__main__":
    Path(__file__).with_name("tokenizer.model").write_bytes(build())
