from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aqaa_eval.reference_model.config import SemanticConfig
from aqaa_eval.reference_model.tokenizer import DualTokenizer
from aqaa_eval.reference_model.tokenizer.semantic import (
    SemanticQuantizer,
    SemanticTokenizer,
    n_semantic_frames,
)
from aqaa_eval.reference_model.tokenizer.whisper_mel import log_mel, mel_filters

Babble = Callable[..., Tensor]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    whisper_audio = pytest.importorskip("whisper.audio")


@pytest.fixture
def semantic(tokenizer: DualTokenizer) -> SemanticTokenizer:
    assert isinstance(tokenizer.semantic, SemanticTokenizer)
    return tokenizer.semantic


@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_mel_filters_are_whispers(n_mels: int) -> None:
    expected = whisper_audio.mel_filters("cpu", n_mels)
    torch.testing.assert_close(mel_filters(n_mels, torch.device("cpu")), expected, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("n_samples", [480, 16_000, 48_333])
def test_the_spectrogram_is_whispers_without_its_padding(babble: Babble, n_samples: int) -> None:
    wav = babble(n_samples)
    expected = whisper_audio.log_mel_spectrogram(wav, n_mels=128)
    assert expected.shape[1] == n_samples // 160
    torch.testing.assert_close(log_mel(wav), expected, atol=2e-5, rtol=2e-4)


def test_windows_of_unlike_length_do_not_see_each_others_padding(semantic: SemanticTokenizer, babble: Babble) -> None:
    mels = [log_mel(babble(n, seed=n)) for n in (16_000, 480, 5_123, 7_000)]
    together = semantic.codes(mels)
    assert together == [semantic.codes([mel])[0] for mel in mels]
    assert [len(codes) for codes in together] == [25, 1, 8, 11]


def test_padding_leaves_the_encoder_output_of_real_frames_alone(semantic: SemanticTokenizer, babble: Babble) -> None:
    mel = log_mel(babble(5_123))
    padded = torch.nn.functional.pad(mel, (0, 60), value=7.0)[None]
    with torch.no_grad():
        masked = semantic.encoder(padded, torch.tensor([mel.shape[1]]))
    alone = semantic.encode(mel)
    torch.testing.assert_close(masked[:, : alone.shape[1]], alone, atol=1e-5, rtol=1e-5)


def test_long_audio_is_windows_of_30_s_apart_from_each_other(semantic: SemanticTokenizer, babble: Babble) -> None:
    wav = babble(500_000)
    expected = semantic.tokens(wav[:480_000]) + semantic.tokens(wav[480_000:])
    assert semantic.tokens(wav) == expected
    assert len(expected) == n_semantic_frames(500_000) == 750 + 32


def test_a_tail_under_480_samples_is_dropped(semantic: SemanticTokenizer, babble: Babble) -> None:
    assert semantic.tokens(babble(479)) == []
    assert len(semantic.tokens(babble(480))) == 1


def test_the_nearest_code_is_that_of_the_normalised_frame() -> None:
    quantizer = SemanticQuantizer(SemanticConfig(n_audio_state=2, n_audio_head=1, n_codebook_size=3))
    quantizer.load_state_dict({"_codebook.embed": torch.tensor([[1.0, 0.0], [0.0, 1.0], [50.0, 0.0]])})
    assert quantizer(torch.tensor([[[60.0, 1.0], [0.1, 9.0]]])).tolist() == [[0, 1]]


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"n_audio_state \(64\) must be a multiple of n_audio_head \(5\)"):
        SemanticConfig(n_audio_state=64, n_audio_head=5)
