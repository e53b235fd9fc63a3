"""Layouts hold for whatever the weights say; rows do not depend on their company; bad requests stop before compute."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aqaa_eval.reference_model import generate as generation
from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.generate import Request, generate, greedy_ids, stream
from aqaa_eval.reference_model.layout import (
    Phase,
    Symbol,
    first_state,
    moves_within,
    parse_answer,
    parse_layout,
    step,
    tokens_to_finish,
)
from aqaa_eval.reference_model.sampling import Sampling, choose, greedy, repeated_token
from aqaa_eval.reference_model.vocabulary import AUDIO_END, AUDIO_START, EOT, Vocabulary

LAYOUTS = ["audio_only", "text_to_audio", "interleave_10_15", "6:50", "3:5", "1:7", "2:3"]
PROMPT = (1, 4, 70, 80, 90)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.tiny()


@pytest.fixture(scope="module")
def model() -> Step1ForCausalLM:
    torch.manual_seed(0)
    return Step1ForCausalLM(replace(tiny().step1, num_hidden_layers=2, max_seq_len=2048)).eval()


def request(layout: str | None, n: int, **changes: object) -> Request:
    built = Request(
        prompts=(PROMPT,),
        seeds=(7,),
        layout=None if layout is None else parse_layout(layout),
        sampling=Sampling(max_new_tokens=n),
    )
    return replace(built, **changes)  # type: ignore[arg-type]


@given(name=st.sampled_from(LAYOUTS), limit=st.integers(40, 160), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=150)
def test_any_legal_walk_ends_within_its_limit_in_whole_groups(name: str, limit: int, seed: int) -> None:
    layout, state = parse_layout(name), first_state(parse_layout(name))
    if limit < tokens_to_finish(layout, state):
        return
    walk: list[Symbol] = []
    while state.phase is not Phase.DONE:
        walk.append(random.Random(seed + len(walk)).choice(moves_within(layout, state, limit - len(walk))))
        state = step(layout, state, walk[-1])
        if walk[-1] is Symbol.AUDIO_END:
            assert sum(s in (Symbol.LINGUISTIC, Symbol.SEMANTIC) for s in walk) % 5 == 0
    assert len(walk) <= limit


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("n", [64, 150])
def test_every_answer_parses_and_holds_whole_groups(
    model: Step1ForCausalLM, vocabulary: Vocabulary, name: str, n: int
) -> None:
    layout = parse_layout(name)
    (answer,) = generate(model, vocabulary, request(name, n))
    parsed = parse_answer(answer.ids, layout, vocabulary)
    assert len(answer.ids) <= n
    assert answer.finish in ("stop", "length")
    assert bool(parsed.text_ids) == (name != "audio_only")
    for i, code in enumerate(parsed.codes):
        assert (code < 1024) == (i % 5 < 2)


def test_ten_text_tokens_alternate_with_fifteen_audio_tokens(model: Step1ForCausalLM, vocabulary: Vocabulary) -> None:
    (answer,) = generate(model, vocabulary, request("interleave_10_15", 120))
    kinds = "".join("a" if vocabulary.is_audio(i) else "t" if i >= 64 else "|" for i in answer.ids)
    assert kinds.startswith("|" + ("t" * 10 + "a" * 15) * 2)


def test_groups_run_on_across_blocks_that_hold_no_whole_number_of_them(
    model: Step1ForCausalLM, vocabulary: Vocabulary
) -> None:
    (answer,) = generate(model, vocabulary, request("1:7", 60))
    kinds = "".join("a" if vocabulary.is_audio(i) else "t" if i >= 64 else "|" for i in answer.ids)
    assert kinds.startswith("|" + ("t" + "a" * 7) * 3)
    parse_answer(answer.ids, parse_layout("1:7"), vocabulary)


def test_an_answer_that_the_model_ends_by_itself_stops(vocabulary: Vocabulary) -> None:
    # Identical embeddings make every hidden state the same direction; the head then prefers the two ends.
    model = Step1ForCausalLM(replace(tiny().step1, num_hidden_layers=1)).eval()
    with torch.no_grad():
        model.model.embed_tokens.weight.fill_(1.0)
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        model.lm_head.weight[[AUDIO_END, EOT]] = 1.0
    sampling = greedy(max_new_tokens=500)
    (answer,) = generate(model, vocabulary, request("audio_only", 500, sampling=sampling))
    assert answer.finish == "stop"
    assert len(answer.ids) == 8  # start, one group, end, end of turn


def test_a_row_is_the_same_alone_and_in_any_batch(model: Step1ForCausalLM, vocabulary: Vocabulary) -> None:
    prompts = (PROMPT, (1, 4, *range(100, 130)), (1, 4, 66))
    batch = request("interleave_10_15", 80, prompts=prompts, seeds=(7, 8, 9))
    together = generate(model, vocabulary, batch)
    for i in range(3):
        alone = request("interleave_10_15", 80, prompts=prompts[i : i + 1], seeds=(7 + i,))
        assert generate(model, vocabulary, alone)[0] == together[i]
    assert together[0].ids != generate(model, vocabulary, request("interleave_10_15", 80, seeds=(8,)))[0].ids


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_stream_gives_the_tokens_of_the_whole(model: Step1ForCausalLM, vocabulary: Vocabulary, name: str) -> None:
    layout = parse_layout(name)
    (answer,) = generate(model, vocabulary, request(name, 120))
    parsed = parse_answer(answer.ids, layout, vocabulary)
    blocks = list(stream(model, vocabulary, request(name, 120)))
    assert [c for block in blocks for c in block.codes] == parsed.codes
    assert tuple(t for block in blocks for t in block.text_ids) == parsed.text_ids
    assert sum(block.ends_segment for block in blocks) == len(parsed.segments)
    assert all(len(block.codes) <= 15 for block in blocks)
    assert [block.finish for block in blocks] == [None] * (len(blocks) - 1) + [answer.finish]


def test_the_first_block_comes_before_the_rest_is_computed(
    model: Step1ForCausalLM, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    forward = model.model.forward
    monkeypatch.setattr(model.model, "forward", lambda *a: (calls.append(1), forward(*a))[1])
    blocks = stream(model, vocabulary, request("audio_only", 600))
    next(blocks)
    assert len(calls) == 16  # the prompt, then one forward before each of the next 15 tokens


@pytest.mark.parametrize("n_at_once", [1, 7, 50])
def test_a_long_prompt_read_in_pieces_gives_the_same_answer(
    model: Step1ForCausalLM, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch, n_at_once: int
) -> None:
    prompts = (tuple(range(64, 164)), PROMPT)
    whole = generate(model, vocabulary, request("audio_only", 30, prompts=prompts, seeds=(1, 2)))
    monkeypatch.setattr(generation, "_PREFILL", n_at_once)
    assert generate(model, vocabulary, request("audio_only", 30, prompts=prompts, seeds=(1, 2))) == whole


def test_greedy_free_decoding_equals_the_plain_loop(model: Step1ForCausalLM, vocabulary: Vocabulary) -> None:
    (answer,) = generate(model, vocabulary, request(None, 12, sampling=greedy(max_new_tokens=12)))
    assert list(answer.ids) == greedy_ids(model, torch.tensor([PROMPT]), 12)[0].tolist()


def test_a_token_that_fills_more_than_a_tenth_of_the_window_is_forbidden() -> None:
    rule = Sampling(repetition_window=10, repetition_share=0.1)
    assert repeated_token([5] * 9, rule) is None  # fewer than the window
    assert repeated_token([*range(9), 9], rule) is None
    assert repeated_token([9, *range(8), 9], rule) == 9
    assert repeated_token([9, 1, *range(10, 18), 9], rule) is None  # the earlier one has left the window


def test_the_repetition_rule_breaks_a_loop(model: Step1ForCausalLM, vocabulary: Vocabulary) -> None:
    plain = Sampling(temperature=0.0, max_new_tokens=40)
    ruled = replace(plain, repetition_window=10)
    (loop,) = generate(model, vocabulary, request(None, 40, sampling=plain))
    (free,) = generate(model, vocabulary, request(None, 40, sampling=ruled))
    history = [*PROMPT, *free.ids]
    for end in range(10, len(history)):
        if (banned := repeated_token(history[:end], ruled)) is not None and end >= len(PROMPT):
            assert history[end] != banned
    assert loop.ids[:5] == free.ids[:5]


def test_top_k_and_top_p_keep_only_the_likeliest() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    generator = torch.Generator().manual_seed(0)

    def places(**settings: float) -> set[int]:
        sampling = Sampling(temperature=1.0, **settings)  # type: ignore[arg-type]
        return {choose(logits, sampling, generator) for _ in range(300)}

    assert places(top_p=1.0) == {0, 1, 2, 3}
    assert places(top_p=0.79) == {0, 1}
    assert places(top_p=0.81) == {0, 1, 2}
    assert places(top_p=1.0, top_k=1) == {0}
    assert places(top_p=0.6, top_k=3) == {0, 1}


def test_draws_follow_the_probabilities_beyond_the_first_look() -> None:
    # 1,000 nearly equal tokens: the nucleus of 0.9 holds 900 of them, more than the 256 looked at first.
    generator = torch.Generator().manual_seed(0)
    sampling = Sampling(temperature=1.0, top_p=0.9)
    logits = torch.linspace(0.001, 0, 1000)
    drawn = {choose(logits, sampling, generator) for _ in range(8000)}
    assert 890 < len(drawn) <= 901
    assert max(drawn) <= 900


def test_the_shares_drawn_are_the_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.log(torch.tensor([0.6, 0.1, 0.3])) * 2
    sampling = Sampling(temperature=2.0, top_p=1.0)
    drawn = [choose(logits, sampling, generator) for _ in range(4000)]
    for place, share in enumerate((0.6, 0.1, 0.3)):
        assert abs(drawn.count(place) / 4000 - share) < 0.03  # more than three standard errors


def test_bad_requests_stop_before_any_compute(
    model: Step1ForCausalLM, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compute(*_: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr(model.model, "forward", no_compute)
    with pytest.raises(ValueError, match=r"prompt 0 holds id 5888 at 1, outside 0..5887"):
        generate(model, vocabulary, request("audio_only", 60, prompts=((1, 5888),)))
    with pytest.raises(ValueError, match=r"prompt 0 is empty"):
        generate(model, vocabulary, request("audio_only", 60, prompts=((),)))
    with pytest.raises(ValueError, match=r"exceed max_seq_len \(2048\); shorten the history or lower"):
        generate(model, vocabulary, request("audio_only", 2044))
    with pytest.raises(ValueError, match=r"max_new_tokens \(7\) must be at least 8"):
        generate(model, vocabulary, request("audio_only", 7))
    with pytest.raises(ValueError, match="1 prompts need as many seeds"):
        generate(model, vocabulary, request("audio_only", 60, seeds=(1, 2)))
    with pytest.raises(ValueError, match="a stream answers one prompt under a layout"):
        stream(model, vocabulary, request(None, 60))


@pytest.mark.parametrize("name", ["interleaved", "interleave_0_15", "10:0", "interleave_10", ""])
def test_an_unknown_layout_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no layout named"):
        parse_layout(name)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([AUDIO_START, 768, 768, 768], "token 3 of the answer is 768, but audio_only has semantic there"),
        ([768], "token 0 of the answer is 768, but audio_only has audio_start there"),
        ([AUDIO_START, 768, 769, 2000, 2001, 2002, EOT], "has linguistic or audio_end there"),
        ([AUDIO_START, 768, 769, 2000, 2001, 2002, AUDIO_END], "stops after 7 tokens without"),
        ([AUDIO_START, 45], "token 1 of the answer is 45"),
    ],
)
def test_a_malformed_answer_is_named_by_its_first_wrong_token(
    vocabulary: Vocabulary, ids: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        parse_answer(ids, parse_layout("audio_only"), vocabulary)


@pytest.mark.parametrize(
    ("field", "value"), [("temperature", -1.0), ("top_p", 0.0), ("top_p", 1.1), ("top_k", -1), ("max_new_tokens", 0)]
)
def test_impossible_sampling_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        replace(Sampling(), **{field: value})  # type: ignore[arg-type]
