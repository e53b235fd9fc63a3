"""One decoder layer: attention, then a gated feed-forward network, each on a normalised input, each added back.

Shapes: B batch, T time, D width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.backbone.attention import StepAttention
from aqaa_eval.reference_model.backbone.cache import KeyValueCache
from aqaa_eval.reference_model.backbone.fused import FusedLinears
from aqaa_eval.reference_model.backbone.norm import StepRMSNorm
from aqaa_eval.reference_model.config import Step1Config


class StepMLP(nn.Module):
    """SwiGLU (Shazeer 2020): down(silu(gate x) * up x), without biases."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)
        self.fused = FusedLinears(self.gate_proj, self.up_proj)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Transforms each position by itself; [B, T, D] in and out."""
        gate, up = self.fused(x_BTD)
        out_BTD: Tensor = self.down_proj(functional.silu(gate) * up)
        return out_BTD


class StepLayer(nn.Module):
    """Pre-norm residual layer."""

    def __init__(self, config: Step1Config, layer: int) -> None:
        super().__init__()
        self.input_layernorm = StepRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = StepAttention(config, layer)
        self.post_attention_layernorm = StepRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = StepMLP(config.hidden_size, config.intermediate_size)

    def forward(self, x_BTD: Tensor, bias: Tensor, cache: KeyValueCache | None) -> Tensor:
        """Runs the layer; arguments as in `StepAttention.forward`."""
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), bias, cache)
        change_BTD: Tensor = self.mlp(self.post_attention_layernorm(x_BTD))
        return x_BTD + change_BTD
