"""Decoding that can only write a verdict: the model chooses where there is a choice, all else is written for it.

A verdict's form is a row of pieces: fixed text, free text up to a quote, one of a few words. Fixed text is fed in one
step, free text is sampled greedily among tokens that keep the JSON string whole, and a choice compares the
probabilities of its words, which also gives the level between the levels. So a model of any size gives a valid verdict,
at a fraction of the steps; whether it is a good one is another question.
"""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aqaa_eval.judges.levels import expected_level
from aqaa_eval.judges.verdict import ReplyForm, Scale

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Text that stands in every verdict."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """A JSON string's inside, ended by the model or after `max_tokens`."""

    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few words; `scale` if they are levels."""

    words: tuple[str, ...]
    scale: Scale | None = None


Piece = Fixed | Free | Choice
MAX_BEGINNINGS = 12
"""Beginnings of prompts that are kept read: the rubrics that take turns within a run, nine suites and one for all."""


def pieces_of(form: ReplyForm, *, max_reason_tokens: int) -> list[Piece]:
    """The pieces of a verdict.

    >>> pieces_of(ReplyForm(scales=(Scale(name="chat"),)), max_reason_tokens=9)[2]
    Fixed(text='", "chat": ')
    """
    pieces: list[Piece] = [Fixed(text='{"reason": "'), Free(max_tokens=max_reason_tokens)]
    before = '", '
    for name in form.tick_names:
        pieces += [Fixed(text=f'{before}"{name}": '), Choice(words=("true", "false"))]
        before = ", "
    for scale in form.scales:
        words = tuple(str(level) for level in scale.levels)
        pieces += [Fixed(text=f'{before}"{scale.name}": '), Choice(words=words, scale=scale)]
        before = ", "
    return [*pieces, Fixed(text="}")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came out.

    Attributes:
        text: a valid verdict.
        expected: probability-weighted level by scale.
        n_tokens: of the text.
    """

    text: str
    expected: dict[str, float]
    n_tokens: int


class ConstrainedWriter:
    """Writes verdicts with one model; greedy, so the same prompt gives the same verdict."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._plain, self._closing = _string_tokens(tokenizer, n_logits=model.config.get_text_config().vocab_size)
        self._beginnings: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def write(self, prompt_ids: Sequence[int], pieces: Sequence[Piece], *, n_shared: int = 0) -> Written:
        """Write the pieces after a prompt.

        Args:
            prompt_ids: tokens of the prompt.
            pieces: what is to be written.
            n_shared: tokens at the prompt's beginning that other prompts have too: they are read once. They are read in
                a step of their own also the first time, so that the verdict does not depend on what was asked before.
        """
        state = _State(self._model, self._read_beginning(tuple(prompt_ids[:n_shared])), n_read=n_shared)
        state.feed(list(prompt_ids[n_shared:]))
        texts: list[str] = []
        expected: dict[str, float] = {}
        for piece in pieces:
            if isinstance(piece, Fixed):
                texts.append(piece.text)
                state.feed(self._encode(piece.text))
            elif isinstance(piece, Free):
                texts.append(self._write_free(state, piece))
            else:
                word, level = self._choose(state, piece)
                texts.append(word)
                if piece.scale is not None and level is not None:
                    expected[piece.scale.name] = level
        return Written(text="".join(texts), expected=expected, n_tokens=state.n_fed - len(prompt_ids))

    def _read_beginning(self, ids: tuple[int, ...]) -> Any:
        """A copy of the model's cache after these tokens."""
        if not ids:
            return None
        if ids not in self._beginnings:
            state = _State(self._model)
            state.feed(list(ids))
            state.logits()
            self._beginnings[ids] = state.cache
            if len(self._beginnings) > MAX_BEGINNINGS:
                self._beginnings.popitem(last=False)
        self._beginnings.move_to_end(ids)
        return copy.deepcopy(self._beginnings[ids])

    def _write_free(self, state: _State, piece: Free) -> str:
        import torch

        written: list[int] = []
        while len(written) < piece.max_tokens:
            logits = state.logits()
            best = int(torch.where(self._plain | self._closing, logits, -torch.inf).argmax())
            if bool(self._closing[best]):
                break
            written.append(best)
            state.feed([best])
        text = str(self._tokenizer.decode(written, skip_special_tokens=True)).replace("\ufffd", "")
        return json.dumps(text, ensure_ascii=False)[1:-1]

    def _choose(self, state: _State, piece: Choice) -> tuple[str, float | None]:
        """The likeliest word, by its first token, and the mean level if the words are levels."""
        import torch

        first = [self._encode(word) for word in piece.words]
        if len({ids[0] for ids in first}) < len(first):
            raise ValueError(
                f"this model's tokenizer does not tell {', '.join(piece.words)} apart by their first token"
            )
        scores = torch.log_softmax(state.logits()[[ids[0] for ids in first]].float(), dim=-1).tolist()
        best = max(range(len(first)), key=lambda index: float(scores[index]))
        state.feed(first[best])
        if piece.scale is None:
            return piece.words[best], None
        return piece.words[best], expected_level(piece.scale, list(zip(piece.words, scores, strict=True)))

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        # SentencePiece puts a space before a text's first word; within a reply there is none.
        if len(ids) > 1 and self._tokenizer.convert_ids_to_tokens(ids[0]) == "▁":
            return ids[1:]
        return ids


class _State:
    """The model's cache and what it expects next; tokens are fed in one step, lazily."""

    def __init__(self, model: Any, cache: Any = None, *, n_read: int = 0) -> None:
        self._model = model
        self._waiting: list[int] = []
        self.cache = cache
        self.n_fed = n_read

    def feed(self, ids: list[int]) -> None:
        self._waiting += ids
        self.n_fed += len(ids)

    def logits(self) -> torch.Tensor:
        """Of the next token, shape (vocabulary,)."""
        import torch

        with torch.inference_mode():
            ids = torch.tensor([self._waiting], device=self._model.device)
            output = self._model(input_ids=ids, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        self.cache, self._waiting = output.past_key_values, []
        found: torch.Tensor = output.logits[0, -1].float().cpu()
        return found


def _string_tokens(tokenizer: Any, *, n_logits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two masks over the vocabulary: tokens that may stand inside a JSON string, and tokens that end it."""
    import torch

    plain, closing = torch.zeros(n_logits, dtype=torch.bool), torch.zeros(n_logits, dtype=torch.bool)
    special = set(tokenizer.all_special_ids)
    texts = tokenizer.batch_decode([[index] for index in range(min(len(tokenizer), n_logits))])
    for index, text in enumerate(texts):
        if index in special or not text:
            continue
        closing[index] = text.startswith('"')
        plain[index] = not any(letter in '"\\' or ord(letter) < 32 for letter in text)
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id < n_logits:
        closing[tokenizer.eos_token_id] = True
    return plain, closing
