"""The dual-codebook tokenizer: a recording in, the merged codes of the language model out.

    recording -> preprocess -+-> linguistic encoder (16.7 Hz, 1,024 codes) -+-> merge 2:3 -> 41.7 codes a second
                             +-> semantic encoder   (25 Hz,   4,096 codes) -+

Beyond the waveform itself memory does not grow with the length: the linguistic encoder carries a short state from
block to block and the semantic one sees windows of 30 s; only codes are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol, Self

import torch
from torch import Tensor, nn

from aqaa_eval.reference_model.config import LinguisticConfig, SemanticConfig
from aqaa_eval.reference_model.tokenizer.errors import AudioInputError, WeightsError
from aqaa_eval.reference_model.tokenizer.fbank import N_FEATURES, n_linguistic_frames
from aqaa_eval.reference_model.tokenizer.linguistic import LinguisticEncoder, quantize
from aqaa_eval.reference_model.tokenizer.merge import (
    N_LINGUISTIC_PER_GROUP,
    N_SEMANTIC_PER_GROUP,
    DualCodes,
    merge,
)
from aqaa_eval.reference_model.tokenizer.preprocess import SAMPLE_RATE_HZ, Waveform, preprocess
from aqaa_eval.reference_model.tokenizer.semantic import (
    WINDOWS_PER_BATCH,
    SemanticCoder,
    SemanticTokenizer,
    n_semantic_frames,
    sinusoids,
    windows,
)
from aqaa_eval.reference_model.tokenizer.semantic_onnx import OnnxSemantic, load_semantic_onnx
from aqaa_eval.reference_model.tokenizer.weights import load_cmvn, load_codebook, load_linguistic, randomise
from aqaa_eval.reference_model.tokenizer.whisper_mel import log_mel

RECORDINGS_PER_BATCH = 8
SHORTEST_SAMPLES = 1_440  # 0.09 s: two linguistic and three semantic frames
_RANDOM_SHIFT, _RANDOM_SCALE = -10.0, 0.25  # about the mean and spread of log energies of speech


class HasTokenizerSizes(Protocol):
    """What the tokenizer needs of a model's configuration; `config.ModelConfig` has it."""

    @property
    def linguistic(self) -> LinguisticConfig:
        """Sizes of the linguistic encoder."""

    @property
    def semantic(self) -> SemanticConfig:
        """Sizes of the semantic encoder."""


class DualTokenizer(nn.Module):
    """Both encoders and their codebooks.

    Args:
        linguistic: the streaming encoder.
        semantic: the window encoder, in PyTorch or ONNX.
        cmvn: [2, 560], the linguistic front end's shift and scale.
        codebook: [1024, D], the linguistic centroids.
    """

    cmvn: Tensor
    codebook: Tensor

    def __init__(
        self, *, linguistic: LinguisticEncoder, semantic: SemanticCoder, cmvn: Tensor, codebook: Tensor
    ) -> None:
        super().__init__()
        self.linguistic = linguistic
        self.semantic = semantic
        self.register_buffer("cmvn", cmvn)
        self.register_buffer("codebook", codebook)

    @classmethod
    def blank(cls, config: HasTokenizerSizes) -> Self:
        """A tokenizer on the meta device, for `load_state_dict(..., assign=True)`."""
        with torch.device("meta"):
            return cls(
                linguistic=LinguisticEncoder(config.linguistic),
                semantic=SemanticTokenizer(config.semantic),
                cmvn=torch.empty(2, N_FEATURES),
                codebook=torch.empty(config.linguistic.n_codes, config.linguistic.dim),
            ).eval()

    @classmethod
    def random(cls, config: HasTokenizerSizes, seed: int) -> Self:
        """Seeded random weights: meaningless codes in the right number, for tests and dry runs."""
        generator = torch.Generator().manual_seed(seed)
        tokenizer = cls.blank(config).to_empty(device="cpu")
        randomise(tokenizer, generator)
        tokenizer.codebook.normal_(generator=generator)
        tokenizer.cmvn[0], tokenizer.cmvn[1] = _RANDOM_SHIFT, _RANDOM_SCALE
        for name, buffer in tokenizer.named_buffers():
            if name.endswith("positional_embedding"):
                buffer.copy_(sinusoids(*buffer.shape))
            elif name.endswith("embed"):
                buffer.normal_(std=buffer.shape[1] ** -0.5, generator=generator)
        return tokenizer

    @classmethod
    def from_published(
        cls, folder: Path, *, config: HasTokenizerSizes | None = None, semantic: Literal["torch", "onnx"] = "torch"
    ) -> Self:
        """Loads the published tokenizer folder.

        Args:
            folder: holds `linguistic_tokenizer.npy`, `speech_tokenizer_v1.onnx` and, in some folder below, Paraformer's
                `model.pt` beside its `am.mvn`.
            config: sizes; the published ones if not given.
            semantic: convert the ONNX file to PyTorch, or run it through onnxruntime.

        Raises:
            WeightsError: a file is missing or does not fit.
        """
        onnx_path = _only(folder, "speech_tokenizer_v1.onnx")
        paraformer = _only(folder, "am.mvn").parent
        sizes = config.linguistic if config else LinguisticConfig()
        semantic_sizes = config.semantic if config else SemanticConfig()
        coder = (
            load_semantic_onnx(onnx_path, semantic_sizes)
            if semantic == "torch"
            else OnnxSemantic(onnx_path, n_mels=semantic_sizes.n_mels)
        )
        return cls(
            linguistic=load_linguistic(_only(paraformer, "model.pt"), sizes),
            semantic=coder,
            cmvn=load_cmvn(paraformer / "am.mvn"),
            codebook=load_codebook(_only(folder, "linguistic_tokenizer.npy"), sizes),
        )

    def encode(self, wav: Waveform, sample_rate_hz: int, *, trim: bool = False, name: str = "audio") -> list[int]:
        """The merged codes of one recording, 0..5119 in groups of five.

        Args:
            wav: samples, see `preprocess`.
            sample_rate_hz: its sample rate.
            trim: cut silence at both ends, as for a voice prompt; a chat query keeps it.
            name: what messages call the recording.

        Raises:
            AudioInputError: the recording is empty, not finite, shorter than one group, or malformed.
        """
        return self.encode_batch([wav], [sample_rate_hz], trim=trim, names=[name])[0]

    def encode_batch(
        self,
        wavs: Sequence[Waveform],
        sample_rates_hz: Sequence[int],
        *,
        trim: bool = False,
        names: Sequence[str] | None = None,
    ) -> list[list[int]]:
        """The merged codes of several recordings of any lengths; see `encode`."""
        names = names or [f"recording {i}" for i in range(len(wavs))]
        prepared = [
            preprocess(wav, rate_hz, trim=trim, name=name)
            for wav, rate_hz, name in zip(wavs, sample_rates_hz, names, strict=True)
        ]
        for wav_N, name in zip(prepared, names, strict=True):
            _check_long_enough(wav_N, name=name)
        return [merge(codes.linguistic, codes.semantic) for codes in self.streams(prepared)]

    def streams(self, wavs: Sequence[Tensor]) -> list[DualCodes]:
        """Both code streams of recordings that are pre-processed already (16 kHz mono)."""
        linguistic = self._linguistic_codes(wavs)
        semantic = self._semantic_codes(wavs)
        return [
            DualCodes(linguistic=tuple(slow), semantic=tuple(fast))
            for slow, fast in zip(linguistic, semantic, strict=True)
        ]

    def _linguistic_codes(self, wavs: Sequence[Tensor]) -> list[list[int]]:
        """Recordings of like length go together, so that none waits long for another."""
        codes: list[list[int]] = [[] for _ in wavs]
        by_length = iter(sorted(range(len(wavs)), key=lambda i: len(wavs[i])))
        while batch := list(islice(by_length, RECORDINGS_PER_BATCH)):
            for block in self.linguistic.encode_blocks([wavs[i] for i in batch], self.cmvn):
                ids = iter(quantize(torch.cat(block), self.codebook).tolist())
                for i, enc_LD in zip(batch, block, strict=True):
                    codes[i] += islice(ids, len(enc_LD))
        return codes

    def _semantic_codes(self, wavs: Sequence[Tensor]) -> list[list[int]]:
        codes: list[list[int]] = [[] for _ in wavs]
        pending: Iterator[tuple[int, Tensor]] = ((i, window) for i, wav in enumerate(wavs) for window in windows(wav))
        while batch := list(islice(pending, WINDOWS_PER_BATCH)):
            mels = [log_mel(window.to(self.codebook.device), n_mels=self.semantic.n_mels) for _, window in batch]
            for (i, _), window_codes in zip(batch, self.semantic.codes(mels), strict=True):
                codes[i] += window_codes
        return codes


def n_merged_codes(n_samples: int) -> int:
    """How many codes `encode` gives for audio at 16 kHz.

    >>> [n_merged_codes(n) for n in (1_439, 1_440, 16_000, 123_600)]
    [0, 5, 40, 320]
    """
    n_groups = min(
        n_linguistic_frames(n_samples) // N_LINGUISTIC_PER_GROUP,
        n_semantic_frames(n_samples) // N_SEMANTIC_PER_GROUP,
    )
    return n_groups * (N_LINGUISTIC_PER_GROUP + N_SEMANTIC_PER_GROUP)


def _check_long_enough(wav_N: Tensor, *, name: str) -> None:
    if n_merged_codes(len(wav_N)) == 0:
        raise AudioInputError(
            f"{name} lasts {len(wav_N) / SAMPLE_RATE_HZ:.4f} s ({len(wav_N)} samples at 16 kHz); one group of codes "
            f"needs at least {SHORTEST_SAMPLES / SAMPLE_RATE_HZ} s: give a longer recording or pad it with silence"
        )


def _only(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        raise WeightsError(f"{folder} holds {len(found)} files named {name}; it must hold exactly one")
    return found[0]
