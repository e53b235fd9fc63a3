from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from aqaa_eval.reference_model.tokenizer import (
    AudioInputError,
    DualTokenizer,
    malformed_positions,
    n_merged_codes,
    preprocess,
    split,
)

Babble = Callable[..., Tensor]


def test_a_recording_becomes_groups_of_codes_that_vary(tokenizer: DualTokenizer, babble: Babble) -> None:
    codes = tokenizer.encode(babble(123_600), 16_000)
    assert len(codes) == n_merged_codes(123_600) == 320
    assert malformed_positions(codes) == []
    streams = split(codes)
    assert len(set(streams.linguistic)) > 5
    assert len(set(streams.semantic)) > 5


def test_both_streams_have_the_published_lengths(tokenizer: DualTokenizer, babble: Babble) -> None:
    (streams,) = tokenizer.streams([babble(123_600)])
    assert (len(streams.linguistic), len(streams.semantic)) == (128, 193)


def test_a_batch_gives_each_recording_what_it_gets_alone(tokenizer: DualTokenizer, babble: Babble) -> None:
    wavs = [babble(n, seed=n) for n in (40_000, 1_500, 500_000, 16_000, 7_777)]
    rates = [16_000, 16_000, 16_000, 8_000, 24_000]
    together = tokenizer.encode_batch(wavs, rates)
    assert together == [tokenizer.encode(wav, rate) for wav, rate in zip(wavs, rates, strict=True)]


def test_an_empty_batch_is_no_codes(tokenizer: DualTokenizer) -> None:
    assert tokenizer.encode_batch([], []) == []


def test_random_weights_depend_on_the_seed_only(sizes: Any, babble: Babble) -> None:
    state = torch.random.get_rng_state()
    wav = babble(16_000)
    first, again, other = (DualTokenizer.random(sizes, seed).encode(wav, 16_000) for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.random.get_rng_state(), state)


def test_weights_pass_through_a_state_dict(sizes: Any, tokenizer: DualTokenizer, babble: Babble) -> None:
    copy = DualTokenizer.blank(sizes)
    copy.load_state_dict(tokenizer.state_dict(), assign=True)
    wav = babble(16_000)
    assert copy.encode(wav, 16_000) == tokenizer.encode(wav, 16_000)


class LargestTensor(TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    n_elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        # A view makes no memory; what it looks at does.
        made = [
            t for t in (out if isinstance(out, tuple | list) else [out]) if isinstance(t, Tensor) and not t._is_view()
        ]
        self.n_elements = max([self.n_elements, *(t.numel() for t in made)])
        return out


def test_memory_does_not_grow_with_the_length(tokenizer: DualTokenizer, babble: Babble) -> None:
    largest = []
    for minutes in (2, 6):
        wav = babble(minutes * 960_000)
        with LargestTensor() as mode:
            tokenizer.streams([wav])
        largest.append(mode.n_elements)
    assert largest[0] == largest[1]


def test_ten_minutes_are_tokenised(tokenizer: DualTokenizer, babble: Babble) -> None:
    assert len(tokenizer.encode(babble(9_600_000), 16_000)) == 25_000


def test_silence_is_tokenised_like_any_sound(tokenizer: DualTokenizer) -> None:
    codes = tokenizer.encode(torch.zeros(16_000), 16_000)
    assert len(codes) == 40
    assert malformed_positions(codes) == []


@pytest.mark.parametrize("rate_hz", [8_000, 96_000])
def test_other_sample_rates_and_stereo_are_tokenised(tokenizer: DualTokenizer, babble: Babble, rate_hz: int) -> None:
    wav = babble(rate_hz)
    codes = tokenizer.encode(torch.stack([wav, wav]).numpy(), rate_hz)
    assert codes == tokenizer.encode(wav, rate_hz)
    assert len(codes) == 40


def test_a_prompt_is_trimmed_and_a_query_is_not(tokenizer: DualTokenizer, babble: Babble) -> None:
    wav = torch.cat([torch.zeros(32_000), babble(16_000), torch.zeros(32_000)])
    trimmed = tokenizer.encode(wav, 16_000, trim=True)
    assert len(trimmed) == n_merged_codes(len(preprocess(wav, 16_000, trim=True)))
    assert len(trimmed) < len(tokenizer.encode(wav, 16_000)) == n_merged_codes(80_000)


def test_3_ms_are_refused_with_the_shortest_length(tokenizer: DualTokenizer) -> None:
    with pytest.raises(AudioInputError, match=r"q\.wav lasts 0\.0030 s \(48 samples at 16 kHz\).*at least 0\.09 s"):
        tokenizer.encode(torch.ones(48), 16_000, name="q.wav")


def test_the_shortest_recording_is_one_group(tokenizer: DualTokenizer, babble: Babble) -> None:
    assert len(tokenizer.encode(babble(1_440), 16_000)) == 5
    with pytest.raises(AudioInputError, match="1439 samples"):
        tokenizer.encode(babble(1_439), 16_000)


def test_a_bad_recording_in_a_batch_is_named(tokenizer: DualTokenizer, babble: Babble) -> None:
    bad = babble(16_000).index_fill(0, torch.tensor([7]), torch.nan)
    with pytest.raises(AudioInputError, match=r"^b\.wav: sample 7 is nan"):
        tokenizer.encode_batch([babble(16_000), bad], [16_000, 16_000], names=["a.wav", "b.wav"])
