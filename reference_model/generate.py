"""Answers from prompts: batched decoding under a layout, whole or as a stream of token blocks.

Shapes: B batch, T prompt length after left padding, D width, W allowed ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.layout import GROUP, Layout
from aqaa_eval.reference_model.rules import Allowed, Band, FreeRules, LayoutRules
from aqaa_eval.reference_model.sampling import Sampling, choose, repeated_token
from aqaa_eval.reference_model.vocabulary import AUDIO_END, N_SPECIALS, PAD, Vocabulary

_PREFILL = 512  # prompt positions at once, at most
_BIAS_NUMBERS = 32_000_000  # and so few that the attention bias of rows, heads, queries and keys stays below this


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be answered, and how.

    Attributes:
        prompts: token ids of each row.
        seeds: one per row; the same seed gives the same row in any batch.
        layout: its output layout; None lets any token come.
        sampling: how tokens are drawn.
    """

    prompts: tuple[tuple[int, ...], ...]
    seeds: tuple[int, ...]
    layout: Layout | None
    sampling: Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One row's answer.

    Attributes:
        ids: its tokens, end of turn included.
        finish: "stop" if the model ended the turn, "length" if max_new_tokens did.
    """

    ids: tuple[int, ...]
    finish: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBlock:
    """A piece of one answer, as it comes.

    Attributes:
        text_ids: text tokens since the block before.
        codes: merged audio codes since then, whole groups.
        ends_segment: whether `<audio_end>` closed a voice state here.
        finish: "stop" or "length" in the last block, which holds nothing else; None before.
    """

    text_ids: tuple[int, ...] = ()
    codes: tuple[int, ...] = ()
    ends_segment: bool = False
    finish: str | None = None


def check_request(request: Request, model: Step1ForCausalLM) -> None:
    """Raises ValueError if the request cannot be met, before anything is computed."""
    config = model.config
    if not request.prompts or len(request.prompts) != len(request.seeds):
        raise ValueError(
            f"{len(request.prompts)} prompts need as many seeds and at least one, got {len(request.seeds)}"
        )
    for row, prompt in enumerate(request.prompts):
        check_ids(prompt, config.vocab_size, name=f"prompt {row}")
        total = len(prompt) + request.sampling.max_new_tokens
        if total > config.max_seq_len:
            raise ValueError(
                f"prompt {row} has {len(prompt)} tokens and max_new_tokens is {request.sampling.max_new_tokens}: "
                f"{total} exceed max_seq_len ({config.max_seq_len}); shorten the history or lower max_new_tokens"
            )


def check_ids(ids: Sequence[int], vocab_size: int, *, name: str) -> None:
    """Raises ValueError if a sequence is empty or holds an id outside the vocabulary."""
    if not ids:
        raise ValueError(f"{name} is empty: it must hold at least one token id")
    for place, token_id in enumerate(ids):
        if not 0 <= token_id < vocab_size:
            raise ValueError(f"{name} holds id {token_id} at {place}, outside 0..{vocab_size - 1}, the vocabulary")


class Decoder:
    """Decodes the rows of one request in step."""

    def __init__(self, model: Step1ForCausalLM, vocabulary: Vocabulary, request: Request) -> None:
        check_request(request, model)
        self._model = model
        self._sampling = request.sampling
        limit = request.sampling.max_new_tokens
        self.rows: list[LayoutRules | FreeRules] = [
            FreeRules(model.config.vocab_size, limit)
            if request.layout is None
            else LayoutRules(request.layout, vocabulary, limit)
            for _ in request.prompts
        ]
        self._histories = [list(prompt) for prompt in request.prompts]
        self._generators = [torch.Generator().manual_seed(seed) for seed in request.seeds]
        self._device = model.model.embed_tokens.weight.device
        longest = max(map(len, request.prompts))
        self._cache = model.new_cache(batch_size=len(request.prompts), capacity=longest + limit)
        model.join_projections()
        self._hidden_BD = self._prefill(longest)
        self._drawn: list[int | None] | None = None  # tokens that the model has not seen yet

    @torch.inference_mode()
    def _prefill(self, longest: int) -> Tensor:
        rows = [[PAD] * (longest - len(history)) + history for history in self._histories]
        ids_BT = torch.tensor(rows, device=self._device)
        lengths_B1 = torch.tensor([[len(history)] for history in self._histories], device=self._device)
        mask_BT = torch.arange(longest, device=self._device) >= longest - lengths_B1
        hidden_BTD = ids_BT.new_empty(0)
        keys = len(rows) * self._model.config.num_attention_heads * longest
        n_at_once = max(1, min(_PREFILL, _BIAS_NUMBERS // keys))
        for start in range(0, longest, n_at_once):
            part = slice(start, start + n_at_once)
            hidden_BTD = self._model.model(ids_BT[:, part], mask_BT[:, part], self._cache)
        return hidden_BTD[:, -1]

    @torch.inference_mode()
    def step(self) -> list[int | None]:
        """Draws the next token of every row; None for rows that have ended."""
        if self._drawn is not None:
            ids_B1 = torch.tensor([[PAD if token is None else token] for token in self._drawn], device=self._device)
            self._hidden_BD = self._model.model(ids_B1, None, self._cache)[:, 0]
        allowed = [None if rules.done else rules.allowed() for rules in self.rows]
        logits = self._band_logits(allowed)
        self._drawn = [None if may is None else self._draw(row, may, logits) for row, may in enumerate(allowed)]
        return self._drawn

    def _band_logits(self, allowed: Sequence[Allowed | None]) -> dict[Band, Tensor]:
        """Reads the output head only where some row may go."""
        bands = {may.band for may in allowed if may is not None and may.band is not None}
        if any(may is not None and may.specials for may in allowed):
            bands.add((0, N_SPECIALS))
        return {band: self._model.partial_logits(self._hidden_BD, *band).cpu() for band in bands}

    def _draw(self, row: int, may: Allowed, logits: dict[Band, Tensor]) -> int:
        parts: list[Tensor] = []
        width = 0
        if may.band is not None:
            parts.append(logits[may.band][row])
            width = may.band[1] - may.band[0]
        if may.specials:
            parts.append(logits[0, N_SPECIALS][row, list(may.specials)])
        candidates_W = parts[0] if len(parts) == 1 else torch.cat(parts)
        banned = repeated_token(self._histories[row], self._sampling)
        if banned is not None and candidates_W.shape[0] > 1:
            candidates_W = _without(candidates_W, banned, may)
        place = choose(candidates_W, self._sampling, self._generators[row])
        token = may.band[0] + place if may.band is not None and place < width else may.specials[place - width]
        self._histories[row].append(token)
        self.rows[row].accept(token)
        return token


def _without(candidates_W: Tensor, banned: int, may: Allowed) -> Tensor:
    width = 0 if may.band is None else may.band[1] - may.band[0]
    if may.band is not None and may.band[0] <= banned < may.band[1]:
        place = banned - may.band[0]
    elif banned in may.specials:
        place = width + may.specials.index(banned)
    else:
        return candidates_W
    candidates_W = candidates_W.clone()
    candidates_W[place] = float("-inf")
    return candidates_W


def generate(model: Step1ForCausalLM, vocabulary: Vocabulary, request: Request) -> list[Generated]:
    """Answers every prompt.

    Raises:
        ValueError: the request cannot be met; nothing was computed.
    """
    decoder = Decoder(model, vocabulary, request)
    answers: list[list[int]] = [[] for _ in request.prompts]
    while not all(rules.done for rules in decoder.rows):
        for answer, token in zip(answers, decoder.step(), strict=True):
            if token is not None:
                answer.append(token)
    return [
        Generated(ids=tuple(ids), finish=finish_of(rules)) for ids, rules in zip(answers, decoder.rows, strict=True)
    ]


def stream(
    model: Step1ForCausalLM, vocabulary: Vocabulary, request: Request, *, groups_per_block: int = 3
) -> Iterator[TokenBlock]:
    """Answers one prompt piece by piece.

    Args:
        model: the decoder.
        vocabulary: what the ids mean.
        request: with a single prompt and a layout.
        groups_per_block: audio groups (0.12 s each) after which a block is given out.

    Yields:
        Blocks in order; text comes with the audio that follows it.

    Raises:
        ValueError: the request cannot be met, holds several prompts, or has no layout.
    """
    if len(request.prompts) != 1 or request.layout is None:
        raise ValueError(
            f"a stream answers one prompt under a layout, got {len(request.prompts)} prompts, {request.layout}"
        )
    decoder = Decoder(model, vocabulary, request)
    return _blocks(decoder, vocabulary, groups_per_block * GROUP)


def _blocks(decoder: Decoder, vocabulary: Vocabulary, n_codes: int) -> Iterator[TokenBlock]:
    text: list[int] = []
    codes: list[int] = []
    while not decoder.rows[0].done:
        token = decoder.step()[0]
        if token is None:
            break
        if vocabulary.is_audio(token):
            codes.append(token - vocabulary.first_audio_id)
        elif token >= N_SPECIALS:
            text.append(token)
        if len(codes) >= n_codes or token == AUDIO_END:
            yield TokenBlock(text_ids=tuple(text), codes=tuple(codes), ends_segment=token == AUDIO_END)
            text, codes = [], []
    yield TokenBlock(text_ids=tuple(text), codes=tuple(codes), finish=finish_of(decoder.rows[0]))


def finish_of(rules: LayoutRules | FreeRules) -> str:
    """Says whether the model ended the turn ("stop") or the limit did ("length")."""
    return "length" if rules.was_cut else "stop"


def greedy_ids(model: Step1ForCausalLM, ids_BT: Tensor, n: int) -> Tensor:
    """Continues equal-length rows by their likeliest ids, of the whole vocabulary, without any rule.

    Returns:
        new ids, [B, n].
    """
    for row in ids_BT.tolist():
        check_ids(row, model.config.vocab_size, name="ids")
    cache = model.new_cache(batch_size=ids_BT.shape[0], capacity=ids_BT.shape[1] + n)
    new: list[Tensor] = []
    with torch.inference_mode():
        for _ in range(n):
            ids_BT = model(ids_BT, cache=cache)[:, -1:].argmax(-1)
            new.append(ids_BT)
    return torch.cat(new, dim=1).clone()
