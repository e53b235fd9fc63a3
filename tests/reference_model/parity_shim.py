"""Our model under upstream's terms: plain callables for whoever compares numbers with the published code.

Every `build_*` takes the configuration as the golden files' metadata hold it (`meta`, or its "cfg") and gives an
`nn.Module` with upstream's state-dict keys and random weights; load upstream's and call.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.config import (
    FlowConfig,
    HiftConfig,
    LinguisticConfig,
    SemanticConfig,
    Step1Config,
)
from aqaa_eval.reference_model.generate import greedy_ids
from aqaa_eval.reference_model.tokenizer import fbank, linguistic
from aqaa_eval.reference_model.tokenizer.linguistic import LinguisticEncoder
from aqaa_eval.reference_model.tokenizer.merge import merge as merge_streams
from aqaa_eval.reference_model.tokenizer.merge import split as split_codes
from aqaa_eval.reference_model.tokenizer.preprocess import preprocess
from aqaa_eval.reference_model.tokenizer.semantic import SemanticTokenizer
from aqaa_eval.reference_model.vocabulary import Vocabulary
from aqaa_eval.reference_model.vocoder.flow import Flow
from aqaa_eval.reference_model.vocoder.hift import Hift

__all__ = [
    "build_flow",
    "build_hift",
    "build_linguistic",
    "build_semantic",
    "build_step1",
    "encode_text",
    "merge",
    "preprocess",
    "split",
]

_FLOW_NAMES = {"ch": "channels", "hd": "head_dim", "nh": "n_heads", "nb": "n_blocks", "mid": "n_mid_blocks"}
_FLOW_NAMES |= {"rate": "input_frame_rate_hz"}
_HIFT_NAMES = {"base": "base_channels", "harm": "n_harmonics", "ups": "upsample_rates", "upk": "upsample_kernels"}
_HIFT_NAMES |= {"nfft": "n_fft", "rk": "resblock_kernels", "srk": "source_resblock_kernels", "f0c": "f0_channels"}


def _fields(config: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Golden names to ours, lists to tuples; both `meta` and its "cfg" are taken."""
    values = {**config, **config.get("cfg", {})}
    values.pop("cfg", None)
    return {names.get(key, key): tuple(v) if isinstance(v, list) else v for key, v in values.items()}


class Step1(Step1ForCausalLM):
    """The decoder with the comparison's two calls."""

    @torch.inference_mode()
    def logits(self, ids: Tensor) -> Tensor:
        """[B, T] to [B, T, V]."""
        return self(ids)  # type: ignore[no-any-return]

    def generate_greedy(self, ids: Tensor, n: int) -> Tensor:
        """`n` more ids after [B, T] or [T], with the cache: [B, n] or [n]."""
        self.join_projections()
        new = greedy_ids(self, ids.reshape(-1, ids.shape[-1]), n)
        return new if ids.ndim == 2 else new[0]


def build_step1(config: dict[str, Any]) -> Step1:
    return Step1(Step1Config(**_fields(config, {}))).eval()


def build_flow(config: dict[str, Any]) -> Flow:
    """Has `encode(token)`, `estimator(x, mask, mu, t, spks, cond)`, `solve(mu, spks, cond, z, n_timesteps)` and
    `inference(token, prompt_token, prompt_feat, embedding, z, n_timesteps)`."""
    return Flow(FlowConfig(**_fields(config, _FLOW_NAMES))).eval()


def build_hift(config: dict[str, Any]) -> Hift:
    """Has `f0(mel)`, `source_from(f0, phase, noise)` and `decode(mel, s)`."""
    return Hift(HiftConfig(**_fields(config, _HIFT_NAMES))).eval()


class Linguistic(LinguisticEncoder):
    """The encoder, and with it the front end and the codebook search; `encode(wav, cmvn)` is its own."""

    def frontend(self, wav: Tensor, cmvn: Tensor) -> Tensor:
        """[N] at 16 kHz to [L, 560]."""
        return fbank.frontend(wav, cmvn)

    def quantize(self, enc: Tensor, codebook: Tensor) -> Tensor:
        """[1, L, D] or [L, D] to [L]."""
        return linguistic.quantize(enc, codebook)


def build_linguistic(config: dict[str, Any]) -> Linguistic:
    return Linguistic(LinguisticConfig(**_fields(config, {}))).eval()


def build_semantic(config: dict[str, Any]) -> SemanticTokenizer:
    """Has `mel(wav)`, `encode(mel)` and `tokens(wav)`."""
    return SemanticTokenizer(SemanticConfig(**_fields(config, {}))).eval()


def merge(vq02: Sequence[int], vq06: Sequence[int]) -> list[int]:
    """Linguistic 0..1023 and semantic 0..4095 to the merged codes 0..5119."""
    return merge_streams(vq02, vq06)


def split(codes: Sequence[int]) -> tuple[list[int], list[int]]:
    """Merged codes back to linguistic and semantic."""
    both = split_codes(codes)
    return list(both.linguistic), list(both.semantic)


def encode_text(text: str, vocabulary: Vocabulary | str | Path | None = None) -> list[int]:
    """Ids with BOS, as upstream's tokenizer gives; `vocabulary` is a `tokenizer.model`, else our small one is taken."""
    if vocabulary is None:
        vocabulary = Vocabulary.tiny()
    elif not isinstance(vocabulary, Vocabulary):
        vocabulary = Vocabulary.from_file(vocabulary)
    return vocabulary.encode(text)
