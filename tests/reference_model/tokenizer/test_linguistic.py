from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank, spectrogram

from aqaa_eval.reference_model.config import LinguisticConfig
from aqaa_eval.reference_model.tokenizer import DualTokenizer
from aqaa_eval.reference_model.tokenizer import linguistic as module
from aqaa_eval.reference_model.tokenizer.fbank import (
    features_between,
    frontend,
    kaldi_fbank,
    n_linguistic_frames,
)
from aqaa_eval.reference_model.tokenizer.linguistic import LinguisticEncoder, quantize

Babble = Callable[..., Tensor]
IDENTITY = torch.tensor([[0.0], [1.0]]).expand(2, 560)


def test_the_filterbank_agrees_with_the_numpy_one_of_transformers(babble: Babble) -> None:
    wav = babble(16_000)
    filters = mel_filter_bank(257, 80, 20, 8000, 16000, None, "kaldi", triangularize_in_mel_space=True)
    reference = spectrogram(
        wav.numpy().astype(np.float64) * 2**15,
        np.hamming(400),
        400,
        160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    ).T
    assert reference.shape == (98, 80)
    torch.testing.assert_close(kaldi_fbank(wav), torch.from_numpy(reference).float(), atol=2e-4, rtol=2e-4)


def test_a_stacked_frame_is_seven_filterbank_frames_with_the_ends_repeated(babble: Babble) -> None:
    wav = babble(3 * 3_840 + 1_500)
    bank, stacked = kaldi_fbank(wav), frontend(wav, IDENTITY).view(-1, 7, 80)
    last = len(bank) - 1
    assert len(stacked) == -(-len(bank) // 6)
    for j in (0, 1, 7, len(stacked) - 1):
        expected = torch.stack([bank[min(max(6 * j + k, 0), last)] for k in range(-3, 4)])
        torch.testing.assert_close(stacked[j], expected)


def test_normalisation_adds_before_it_multiplies(babble: Babble) -> None:
    wav = babble(4_000)
    cmvn = torch.stack([torch.full((560,), 2.0), torch.full((560,), 3.0)])
    torch.testing.assert_close(frontend(wav, cmvn), (frontend(wav, IDENTITY) + 2.0) * 3.0)


@given(n_samples=st.integers(0, 20_000), cut=st.floats(0, 1))
def test_features_computed_in_two_parts_equal_those_computed_at_once(n_samples: int, cut: float) -> None:
    wav = torch.randn(n_samples, generator=torch.Generator().manual_seed(n_samples))
    n = n_linguistic_frames(n_samples)
    middle = int(n * cut)
    parts = [features_between(wav, IDENTITY, first=a, end=b) for a, b in ((0, middle), (middle, n))]
    torch.testing.assert_close(torch.cat(parts), frontend(wav, IDENTITY))


def literal_encode(encoder: LinguisticEncoder, feats: Tensor) -> Tensor:
    """The published walk, piece by piece with growing caches, written as plainly as it can be."""
    dim, width = encoder.config.dim, feats.shape[1]
    layers = [*encoder.encoders0, *encoder.encoders]
    angle = torch.arange(1, len(feats) + 1)[:, None] * torch.exp(
        torch.arange(width // 2) * -(np.log(10_000) / (width // 2 - 1))
    )
    scaled = feats * dim**0.5 + torch.cat([angle.sin(), angle.cos()], dim=1)
    kept, caches, out = torch.zeros(5, width), [(torch.zeros(0, dim), torch.zeros(0, dim))] * len(layers), []
    for piece in scaled.split(4):
        x = torch.cat([kept, piece])
        kept = x[-5:]
        for i, layer in enumerate(layers):
            q, k, v = layer.self_attn.linear_q_k_v(layer.norm1(x)).chunk(3, dim=1)
            keys, values = torch.cat([caches[i][0], k]), torch.cat([caches[i][1], v])
            caches[i] = (torch.cat([caches[i][0], k[:-5]])[-16:], torch.cat([caches[i][1], v[:-5]])[-16:])
            split = [part.view(len(part), encoder.config.heads, -1).transpose(0, 1) for part in (q, keys, values)]
            scores = split[0] @ split[1].transpose(1, 2) / split[0].shape[-1] ** 0.5
            heads = (scores.softmax(-1) @ split[2]).transpose(0, 1).reshape(len(q), dim)
            memory = nn.functional.conv1d(v.T[None], layer.self_attn.fsmn_block.weight, padding=5, groups=dim)[0].T + v
            attended = layer.self_attn.linear_out(heads) + memory
            x = attended + x if layer.has_residual else attended
            x = x + layer.feed_forward(layer.norm2(x))
        out.append(encoder.after_norm(x)[-len(piece) :])
    return torch.cat(out)


@pytest.mark.parametrize("n_samples", [900, 3_840, 5_000, 19_200, 45_000])
def test_many_pieces_at_once_equal_the_walk_piece_by_piece(
    tokenizer: DualTokenizer, babble: Babble, n_samples: int
) -> None:
    wav = babble(n_samples)
    whole = tokenizer.linguistic.encode(wav, tokenizer.cmvn)[0]
    with torch.no_grad():
        expected = literal_encode(tokenizer.linguistic, frontend(wav, tokenizer.cmvn))
    torch.testing.assert_close(whole, expected, atol=2e-5, rtol=2e-4)


@pytest.mark.parametrize("pieces_per_block", [1, 3, 7])
def test_the_size_of_a_block_does_not_change_the_output(
    tokenizer: DualTokenizer, babble: Babble, monkeypatch: pytest.MonkeyPatch, pieces_per_block: int
) -> None:
    wav = babble(50_000)
    whole = tokenizer.linguistic.encode(wav, tokenizer.cmvn)
    monkeypatch.setattr(module, "PIECES_PER_BLOCK", pieces_per_block)
    torch.testing.assert_close(tokenizer.linguistic.encode(wav, tokenizer.cmvn), whole, atol=1e-5, rtol=1e-5)


def test_recordings_side_by_side_do_not_see_each_other(tokenizer: DualTokenizer, babble: Babble) -> None:
    wavs = [babble(n, seed=n) for n in (40_000, 880, 300, 9_000)]
    blocks = list(tokenizer.linguistic.encode_blocks(wavs, tokenizer.cmvn))
    for i, wav in enumerate(wavs):
        alone = tokenizer.linguistic.encode(wav, tokenizer.cmvn)[0]
        torch.testing.assert_close(torch.cat([block[i] for block in blocks]), alone, atol=1e-5, rtol=1e-5)


def test_what_comes_later_never_changes_earlier_frames(tokenizer: DualTokenizer, babble: Babble) -> None:
    short = babble(10 * 3_840)
    long = torch.cat([short, babble(20_000, seed=9)])
    before = tokenizer.linguistic.encode(short, tokenizer.cmvn)
    after = tokenizer.linguistic.encode(long, tokenizer.cmvn)
    torch.testing.assert_close(after[:, : before.shape[1]], before, atol=1e-5, rtol=1e-5)


def test_audio_too_short_for_a_frame_has_none(tokenizer: DualTokenizer) -> None:
    assert tokenizer.linguistic.encode(torch.zeros(48), tokenizer.cmvn).shape == (1, 0, 32)


def test_a_frame_gets_the_nearest_centroid_not_the_most_aligned() -> None:
    codebook = torch.tensor([[10.0, 0.0], [0.0, 1.0], [1.0, 0.5]])
    assert quantize(torch.tensor([[[2.0, 0.0], [0.0, 2.0]]]), codebook).tolist() == [2, 1]


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"chunk": (4, 4, 5)}, {"chunk": (0, 0, 5)}, {"look_back": -1}])
def test_sizes_without_a_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        LinguisticConfig(**wrong)  # type: ignore[arg-type]
