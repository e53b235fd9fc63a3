"""Step1ForCausalLM: the decoder under the names of the published state dict.

    ids -> embed_tokens -> N x [norm, attention, +, norm, SwiGLU, +] -> norm -> lm_head -> logits

No rotary embedding, no bias anywhere; order comes from square-root ALiBi alone (`alibi.py`). Upstream ignores the
attention mask; here a left-padded batch gives each row what it would get alone.

Shapes: B batch, T new positions, L positions seen, D width, V vocabulary, H heads.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from aqaa_eval.reference_model.backbone.alibi import causal_bias, reversed_bias_row
from aqaa_eval.reference_model.backbone.attention import (
    closed_between_samples,
    closed_by_padding,
    grouped_bias,
)
from aqaa_eval.reference_model.backbone.block import StepLayer
from aqaa_eval.reference_model.backbone.cache import KeyValueCache
from aqaa_eval.reference_model.backbone.norm import StepRMSNorm
from aqaa_eval.reference_model.config import Step1Config


class Step1Model(nn.Module):
    """Embedding, layers and the last normalisation."""

    def __init__(self, config: Step1Config) -> None:
        super().__init__()
        self.config = config
        self.gradient_checkpointing = False
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([StepLayer(config, i) for i in range(config.num_hidden_layers)])
        self.norm = StepRMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, ids_BT: Tensor, mask_BT: Tensor | None = None, cache: KeyValueCache | None = None) -> Tensor:
        """Gives the last hidden states.

        Args:
            ids_BT: token ids.
            mask_BT: 1 where a token counts, 0 on left padding; None if nothing is padded. Without a cache, several
                samples may be packed into a row: their positions are numbered 1, 2, ... and none sees another.
            cache: what came before; it is extended by these T positions.

        Returns:
            hidden_BTD.
        """
        x_BTD = self.embed_tokens(ids_BT)
        bias = self._bias(x_BTD, mask_BT, cache)
        recompute = self.gradient_checkpointing and cache is None and torch.is_grad_enabled()
        for layer in self.layers:
            if recompute:
                x_BTD = checkpoint(layer, x_BTD, bias, None, use_reentrant=False)
            else:
                x_BTD = layer(x_BTD, bias, cache)
        if cache is not None:
            cache.length += ids_BT.shape[1]
        hidden_BTD: Tensor = self.norm(x_BTD)
        return hidden_BTD

    def stack(self) -> list[StepLayer]:
        """The layers under their own type, which nn.ModuleList forgets."""
        return cast("list[StepLayer]", list(self.layers))

    def _bias(self, x_BTD: Tensor, mask_BT: Tensor | None, cache: KeyValueCache | None) -> Tensor:
        T, G = x_BTD.shape[1], self.config.num_attention_groups
        if cache is None:
            row_HC = reversed_bias_row(self.config.num_attention_heads, T, device=x_BTD.device, dtype=x_BTD.dtype)
            is_closed_BTT = None if mask_BT is None else closed_between_samples(mask_BT)
            return grouped_bias(causal_bias(row_HC, n_queries=T, n_keys=T), G, is_closed_BTT)
        cache.check_room(T)
        if mask_BT is not None:
            cache.mark_padding(mask_BT)
        L = cache.length + T
        if T == 1:
            bias_HTL = cache.bias_row_HC[:, None, cache.capacity - L :]
        else:
            bias_HTL = causal_bias(cache.bias_row_HC, n_queries=T, n_keys=L)
        is_pad_BC = cache.is_pad_BC
        return grouped_bias(bias_HTL, G, None if is_pad_BC is None else closed_by_padding(is_pad_BC[:, :L], T))


class Step1ForCausalLM(nn.Module):
    """The decoder with its output head.

    The published configuration lists the head as tied, and the published weights hold one of its own: the head is
    tied only when `config.tie_word_embeddings` says so, and the loader sets that by what the file holds.
    """

    def __init__(self, config: Step1Config) -> None:
        super().__init__()
        self.config = config
        self.model = Step1Model(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.tie_head()

    def tie_head(self) -> None:
        """Shares the embedding with the head if the configuration says so; to be repeated after the meta device."""
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, ids_BT: Tensor, mask_BT: Tensor | None = None, cache: KeyValueCache | None = None) -> Tensor:
        """Gives logits_BTV; arguments as in `Step1Model.forward`."""
        logits_BTV: Tensor = self.lm_head(self.model(ids_BT, mask_BT, cache))
        return logits_BTV

    def partial_logits(self, hidden_BD: Tensor, first_id: int, last_id: int) -> Tensor:
        """Gives the logits of the ids first_id..last_id - 1 only, reading only their rows of the head."""
        weight = self.lm_head.weight[first_id:last_id]
        return functional.linear(hidden_BD.to(weight.device), weight)

    def new_cache(self, *, batch_size: int, capacity: int) -> KeyValueCache:
        """Allocates an empty cache in the model's type, on its device.

        Args:
            batch_size: rows.
            capacity: positions, prompt and answer together, at most `config.max_seq_len`.

        Raises:
            ValueError: capacity is outside 1..max_seq_len.
        """
        config = self.config
        if not 1 <= capacity <= config.max_seq_len:
            raise ValueError(
                f"capacity ({capacity}) must lie in 1..max_seq_len ({config.max_seq_len}): "
                "shorten the prompt or max_new_tokens"
            )
        weight = self.model.embed_tokens.weight
        head_width = config.hidden_size // config.num_attention_heads
        shape = (batch_size, config.num_attention_groups, capacity, head_width)
        # Each layer's memory lies where the layer does, which under a device_map need not be one place.
        homes = [layer.input_layernorm.weight for layer in self.model.stack()]
        return KeyValueCache(
            [(home.new_zeros(shape), home.new_zeros(shape)) for home in homes],
            reversed_bias_row(config.num_attention_heads, capacity, device=weight.device, dtype=weight.dtype),
        )

    def join_projections(self) -> None:
        """Lays q/k/v and gate/up out as one matrix each, for decoding; the state dict keeps its names."""
        for layer in self.model.stack():
            layer.self_attn.fused.join()
            layer.mlp.fused.join()

    def separate_projections(self) -> None:
        """Undoes `join_projections`: to be called before the weights are written."""
        for layer in self.model.stack():
            layer.self_attn.fused.separate()
            layer.mlp.fused.separate()
