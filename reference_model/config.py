"""Sizes of every part of Step-Audio-AQAA, and the presets, as plain functions.

A configuration is a value: `replace(tiny(), ...)` makes a variant. Field names of `Step1Config` are those of the
published `config.json` (`num_attention_groups` is the number of key/value heads).
"""

from __future__ import annotations

from dataclasses import dataclass, field

N_LINGUISTIC_CODES = 1024
N_SEMANTIC_CODES = 4096
N_AUDIO_CODES = N_LINGUISTIC_CODES + N_SEMANTIC_CODES


@dataclass(frozen=True, slots=True, kw_only=True)
class Step1Config:
    """The Step-1 decoder (bias-free, square-root ALiBi, grouped-query attention)."""

    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_attention_groups: int  # key/value heads
    num_hidden_layers: int
    vocab_size: int
    max_seq_len: int = 32768
    rms_norm_eps: float = 1e-5
    tie_word_embeddings: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinguisticConfig:
    """The streaming SAN-M encoder of the linguistic tokenizer (FunASR Paraformer)."""

    dim: int = 512
    heads: int = 4
    ffn: int = 2048
    blocks: int = 50
    kernel: int = 11  # width of the FSMN memory convolution
    n_codes: int = N_LINGUISTIC_CODES
    chunk: tuple[int, int, int] = (0, 4, 5)  # LFR frames: past, new, cached from the piece before
    look_back: int = 4  # chunks of keys and values kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticConfig:
    """The encoder of the semantic tokenizer (CosyVoice speech_tokenizer_v1, 25 Hz). Names are upstream's."""

    n_mels: int = 128
    n_audio_ctx: int = 1500
    n_audio_state: int = 1280
    n_audio_head: int = 20
    n_audio_layer: int = 6
    n_codebook_size: int = N_SEMANTIC_CODES


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowConfig:
    """Tokens to mel: Conformer encoder, length regulator, conditional flow matching (CosyVoice 1)."""

    vocab: int = N_AUDIO_CODES
    dim: int = 512
    heads: int = 8
    ffn: int = 2048
    blocks: int = 6
    channels: tuple[int, int] = (256, 256)
    head_dim: int = 64
    n_heads: int = 8
    n_blocks: int = 4  # transformer blocks per U-Net stage
    n_mid_blocks: int = 12
    input_frame_rate_hz: float = 125 / 3  # tokens per second of the flat interleaved stream
    sample_rate_hz: int = 22050
    hop: int = 256
    n_mels: int = 80
    speaker_dim: int = 192


@dataclass(frozen=True, slots=True, kw_only=True)
class HiftConfig:
    """Mel to wave: F0 predictor, harmonic source, iSTFT generator (HiFTNet)."""

    base_channels: int = 512
    n_harmonics: int = 8  # overtones beside the fundamental
    upsample_rates: tuple[int, ...] = (8, 8)
    upsample_kernels: tuple[int, ...] = (16, 16)
    n_fft: int = 16
    hop: int = 4
    resblock_kernels: tuple[int, ...] = (3, 7, 11)
    source_resblock_kernels: tuple[int, ...] = (7, 11)
    f0_channels: int = 512
    n_mels: int = 80
    sample_rate_hz: int = 22050


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The whole model: backbone, dual tokenizer, vocoder, and where audio ids begin in the vocabulary."""

    step1: Step1Config
    linguistic: LinguisticConfig = field(default_factory=LinguisticConfig)
    semantic: SemanticConfig = field(default_factory=SemanticConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    hift: HiftConfig = field(default_factory=HiftConfig)
    first_audio_id: int = 65536
    n_reserved_audio_ids: int = 4096
