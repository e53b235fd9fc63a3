"""Sizes of every part of Step-Audio-AQAA, and the presets, as plain functions.

A configuration is a value: `replace(tiny(), ...)` makes a variant. Field names of `Step1Config` are those of the
published `config.json` (`num_attention_groups` is the number of key/value heads).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

N_LINGUISTIC_CODES = 1024
N_SEMANTIC_CODES = 4096
N_AUDIO_CODES = N_LINGUISTIC_CODES + N_SEMANTIC_CODES
TINY_FIRST_AUDIO_ID = 768  # 64 specials and 704 text pieces come before


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

    def __post_init__(self) -> None:
        check_positive(self, allow_zero=())
        heads, groups = self.num_attention_heads, self.num_attention_groups
        if self.hidden_size % heads:
            raise ValueError(
                f"hidden_size ({self.hidden_size}) must be a multiple of num_attention_heads ({heads}): "
                "each head takes an equal share of the width"
            )
        if heads % groups:
            raise ValueError(
                f"num_attention_heads ({heads}) must be a multiple of num_attention_groups ({groups}): "
                "grouped-query attention shares each key/value head among equal groups"
            )


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

    def __post_init__(self) -> None:
        """Refuses sizes that the streaming encoder has no meaning for."""
        if self.dim % self.heads:
            raise ValueError(f"dim ({self.dim}) must be a multiple of heads ({self.heads})")
        past, new, kept = self.chunk
        if past != 0 or new < 1 or kept < 1 or self.look_back < 0:
            raise ValueError(
                f"chunk {self.chunk} with look_back {self.look_back}: chunk must be 0 (the past is kept as keys and "
                "values), at least 1, at least 1; look_back must not be negative"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticConfig:
    """The encoder of the semantic tokenizer (CosyVoice speech_tokenizer_v1, 25 Hz). Names are upstream's."""

    n_mels: int = 128
    n_audio_ctx: int = 1500
    n_audio_state: int = 1280
    n_audio_head: int = 20
    n_audio_layer: int = 6
    n_codebook_size: int = N_SEMANTIC_CODES

    def __post_init__(self) -> None:
        """Refuses a width that the heads cannot share."""
        if self.n_audio_state % self.n_audio_head:
            raise ValueError(
                f"n_audio_state ({self.n_audio_state}) must be a multiple of n_audio_head ({self.n_audio_head})"
            )


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
    temperature: float = 1.0  # deviation of the noise that the flow starts from
    n_steps: int = 10  # Euler steps from noise to mel
    guidance: float = 0.7  # velocity = (1 + guidance) conditional - guidance unconditional


@dataclass(frozen=True, slots=True, kw_only=True)
class HiftConfig:
    """Mel to wave: F0 predictor, harmonic source, iSTFT generator (HiFTNet)."""

    filters_source: bool = False  # False: the published network; True: `FilterHift`
    n_matches: int = 0  # how often `FilterHift` filters its wave to the mel that it was given
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
    layouts: tuple[str, ...] = ("audio_only", "text_to_audio", "interleave_10_15")  # what the weights learnt
    prompt_convention: str = "chat"  # or "tts"
    max_new_tokens: int | None = None  # longest answer unless the caller says otherwise; None for the published limit
    temperature: float | None = None  # of its answers unless the caller says otherwise; None for the published one

    def __post_init__(self) -> None:
        needed = self.first_audio_id + N_AUDIO_CODES + self.n_reserved_audio_ids
        if self.step1.vocab_size != needed:
            raise ValueError(
                f"vocab_size ({self.step1.vocab_size}) must be first_audio_id + {N_AUDIO_CODES} audio codes + "
                f"n_reserved_audio_ids = {needed}: text ids come first, audio ids after them"
            )
        if self.prompt_convention not in ("chat", "tts"):
            raise ValueError(f"prompt_convention ({self.prompt_convention!r}) must be 'chat' or 'tts'")
        if self.temperature is not None and not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature ({self.temperature}) must be 0 (greedy) or more, or left out")


def check_positive(config: object, *, allow_zero: tuple[str, ...]) -> None:
    """Raises ValueError naming the first numeric field that is not positive.

    Args:
        config: a configuration dataclass.
        allow_zero: fields that may also be 0.
    """
    for each in fields(config):  # type: ignore[arg-type]
        value = getattr(config, each.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if value < 0 or (value == 0 and each.name not in allow_zero):
            raise ValueError(f"{each.name} ({value}) must be positive: it is a size")


def to_dict(config: Any) -> dict[str, Any]:
    """Turns a configuration into plain JSON values.

    >>> to_dict(tiny().step1)["num_attention_groups"]
    2
    """
    return {each.name: _plain(getattr(config, each.name)) for each in fields(config)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    return list(value) if isinstance(value, tuple) else value


def model_config_from_dict(values: dict[str, Any]) -> ModelConfig:
    """Reads what `to_dict(ModelConfig)` wrote.

    Args:
        values: plain values; parts that are left out get their full published size.

    Raises:
        ValueError: a field is unknown or a size breaks a rule.

    >>> model_config_from_dict(to_dict(tiny())) == tiny()
    True
    """
    parts: dict[str, Any] = {
        "step1": Step1Config,
        "linguistic": LinguisticConfig,
        "semantic": SemanticConfig,
        "flow": FlowConfig,
        "hift": HiftConfig,
    }
    built = {name: _build(kind, values[name]) for name, kind in parts.items() if name in values}
    rest = {name: value for name, value in values.items() if name not in parts}
    config: ModelConfig = _build(ModelConfig, built | rest)
    return config


def _build(kind: Any, values: dict[str, Any]) -> Any:
    known = {each.name for each in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def tiny() -> ModelConfig:
    """A model of a few million parameters for CPU tests: every class of the full one, only narrower.

    Its text vocabulary is a small one of its own (`tiny_vocabulary/`): the published 74,752 rows alone would be
    most of it. Six heads on purpose: square-root ALiBi treats counts that are no power of two in a second way.
    """
    return ModelConfig(
        step1=Step1Config(
            hidden_size=192,
            intermediate_size=512,
            num_attention_heads=6,
            num_attention_groups=2,
            num_hidden_layers=4,
            vocab_size=TINY_FIRST_AUDIO_ID + N_AUDIO_CODES,
            max_seq_len=32768,
        ),
        linguistic=LinguisticConfig(dim=64, heads=4, ffn=128, blocks=3),
        semantic=SemanticConfig(n_audio_state=64, n_audio_head=4, n_audio_layer=2),
        flow=FlowConfig(
            dim=64, heads=4, ffn=128, blocks=2, channels=(64, 64), head_dim=16, n_heads=2, n_blocks=1, n_mid_blocks=2
        ),
        hift=HiftConfig(base_channels=32, f0_channels=32),
        first_audio_id=TINY_FIRST_AUDIO_ID,
        n_reserved_audio_ids=0,
        max_new_tokens=256,  # random weights never end a turn: about 4 s of noise is enough
    )


def bench_150m() -> ModelConfig:
    """About 150 M parameters of backbone with the published vocabulary; exists to be timed, not trained."""
    step1 = Step1Config(
        hidden_size=768,
        intermediate_size=2048,
        num_attention_heads=12,
        num_attention_groups=4,
        num_hidden_layers=6,
        vocab_size=74752,
    )
    return replace(tiny(), step1=step1, first_audio_id=65536, n_reserved_audio_ids=4096)


def step_audio_tts_3b() -> ModelConfig:
    """The released TTS-3B (and EditX) backbone: 3,529,706,496 parameters, head of its own."""
    step1 = Step1Config(
        hidden_size=3072,
        intermediate_size=8192,
        num_attention_heads=48,
        num_attention_groups=4,
        num_hidden_layers=32,
        vocab_size=74752,
    )
    return ModelConfig(step1=step1, prompt_convention="tts", layouts=("audio_only",))


def step_omni_13b() -> ModelConfig:
    """The reading '13 billion' of the article, 12.9 B parameters in Step-1's proportions.

    No checkpoint of this size exists: the paper and the released weights say 130 billion. The sizes are ours.
    """
    step1 = Step1Config(
        hidden_size=5120,
        intermediate_size=13824,
        num_attention_heads=40,
        num_attention_groups=8,
        num_hidden_layers=44,
        vocab_size=74752,
    )
    return ModelConfig(step1=step1)


def step_omni_130b() -> ModelConfig:
    """The paper's Step-Omni, the text part of the AQAA checkpoint: 131,946,590,208 parameters.

    The published length limit is not known to us; 32,768 is that of the 3B sibling.
    """
    step1 = Step1Config(
        hidden_size=12288,
        intermediate_size=31232,
        num_attention_heads=96,
        num_attention_groups=8,
        num_hidden_layers=88,
        vocab_size=74752,
    )
    return ModelConfig(step1=step1)


PRESETS = {
    "tiny": tiny,
    "bench_150m": bench_150m,
    "step_audio_tts_3b": step_audio_tts_3b,
    "step_omni_13b": step_omni_13b,
    "step_omni_130b": step_omni_130b,
}
