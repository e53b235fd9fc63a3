"""The whole tiny model: a spoken conversation in, text and speech out, whole and streamed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aqaa_eval import reference_model
from aqaa_eval.reference_model.audio_input import Recording
from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.conversation import Utterance
from aqaa_eval.reference_model.layout import parse_answer, parse_layout
from aqaa_eval.reference_model.model import AnswerOptions, StepAudioAQAA, random_model
from aqaa_eval.reference_model.sampling import Sampling
from aqaa_eval.reference_model.tokenizer.errors import AudioInputError

SHORT = Sampling(max_new_tokens=60)


@pytest.fixture(scope="module")
def model() -> StepAudioAQAA:
    return random_model(tiny(), seed=0)


def noise(n: int = 16_000, rate_hz: int = 16_000, seed: int = 0) -> Recording:
    samples = np.random.default_rng(seed).normal(size=n).astype(np.float32) * 0.1
    return Recording(samples=samples, sample_rate_hz=rate_hz, name="query.wav")


def ask(**changes: Any) -> list[Utterance]:
    return [Utterance(role="human", recording=replace(noise(), **changes))]


@pytest.mark.parametrize("layout", ["audio_only", "text_to_audio", "interleave_10_15"])
def test_a_spoken_question_gets_a_spoken_answer_at_24_khz(model: StepAudioAQAA, layout: str) -> None:
    answer = model.answer(ask(), AnswerOptions(layout=layout, sampling=SHORT))
    assert answer.sample_rate_hz == 24_000
    assert answer.audio.dtype == np.float32
    assert bool(np.isfinite(answer.audio).all())
    assert bool(answer.text) == (layout != "audio_only")
    codes = parse_answer(answer.ids, parse_layout(layout), model.vocabulary).codes
    # 41.67 codes a second: the speech is as long as its codes say, to a mel frame.
    assert len(answer.audio) / 24_000 == pytest.approx(len(codes) / (125 / 3), abs=0.02)


def test_the_seed_decides_the_answer(model: StepAudioAQAA) -> None:
    first, again, other = (model.answer(ask(), AnswerOptions(seed=seed, sampling=SHORT)) for seed in (5, 5, 6))
    assert first.ids == again.ids
    assert np.array_equal(first.audio, again.audio)
    assert first.ids != other.ids


def test_a_model_of_its_own_temperature_answers_by_it(model: StepAudioAQAA) -> None:
    cool = StepAudioAQAA(
        replace(model.config, temperature=0.0),
        backbone=model.backbone,
        tokenizer=model.tokenizer,
        vocoder=model.vocoder,
        vocabulary=model.vocabulary,
    )
    assert model.published_sampling().temperature == 0.7
    assert cool.published_sampling() == replace(model.published_sampling(), temperature=0.0)
    assert cool._request([ask()], [AnswerOptions()]).sampling.temperature == 0.0
    assert cool._request([ask()], [AnswerOptions(sampling=SHORT)]).sampling == SHORT
    with pytest.raises(ValueError, match=r"temperature \(-1.0\) must be 0"):
        replace(model.config, temperature=-1.0)


def test_the_fingerprint_tells_weights_apart(model: StepAudioAQAA) -> None:
    again, other = random_model(tiny(), seed=0), random_model(tiny(), seed=1)
    assert again.fingerprint() == model.fingerprint()
    assert other.fingerprint() != model.fingerprint()
    again.backbone.join_projections()
    assert again.fingerprint() == model.fingerprint()


def test_a_batch_answers_each_as_alone(model: StepAudioAQAA) -> None:
    conversations = [ask(), [Utterance(role="human", recording=noise(40_000, seed=1))]]
    options = [AnswerOptions(seed=seed, sampling=SHORT) for seed in (1, 2)]
    together = model.answer_batch(conversations, options)
    for conversation, option, answer in zip(conversations, options, together, strict=True):
        alone = model.answer(conversation, option)
        assert alone.ids == answer.ids
        assert np.array_equal(alone.audio, answer.audio)
    with pytest.raises(ValueError, match="equal but for seed and speaker; got 2 of 2 kinds"):
        model.answer_batch(conversations, [options[0], replace(options[1], layout="audio_only")])


def test_the_stream_says_what_the_whole_says(model: StepAudioAQAA) -> None:
    options = AnswerOptions(seed=3, sampling=Sampling(max_new_tokens=200))
    whole = model.answer(ask(), options)
    ticks = iter(range(1000))
    chunks = list(model.stream(ask(), options, clock=lambda: float(next(ticks))))
    assert len(chunks) > 2
    assert [chunk.elapsed_s for chunk in chunks] == [float(i + 1) for i in range(len(chunks))]
    streamed = np.concatenate([chunk.audio for chunk in chunks])
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert len(streamed) == len(whole.audio)
    assert chunks[0].finish is None
    assert chunks[-1].finish == whole.finish
    # The vocoder's windows see less of the answer than the whole does; its own tests bound the joins.
    error = float(np.sqrt(np.mean((streamed - whole.audio) ** 2)))
    assert error < 0.05 * float(np.sqrt(np.mean(whole.audio**2)))


def test_the_first_sound_comes_before_the_last_token(model: StepAudioAQAA, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    forward = model.backbone.model.forward
    monkeypatch.setattr(model.backbone.model, "forward", lambda *a: (steps.append(1), forward(*a))[1])
    chunks = model.stream(ask(), AnswerOptions(sampling=Sampling(max_new_tokens=400)))
    next(chunks)
    at_first = len(steps)
    list(chunks)
    assert at_first < len(steps) / 2


def test_earlier_turns_reach_the_next_answer(model: StepAudioAQAA) -> None:
    options = AnswerOptions(sampling=SHORT)
    first = model.answer(ask(), options)
    history = [*ask(), Utterance(role="assistant", ids=first.ids), *ask()]
    transcribed = [
        Utterance(role="system", text="Speak slowly."),
        Utterance(role="human", text="Count from one to ten."),
        Utterance(role="assistant", text="One, two, three."),
        *ask(),
    ]
    answers = {model.answer(conversation, options).ids for conversation in (ask(), history, transcribed)}
    assert len(answers) == 3


def test_a_free_answer_is_repaired_into_whole_groups(model: StepAudioAQAA) -> None:
    answer = model.answer(ask(), AnswerOptions(layout="free", sampling=SHORT))
    assert len(answer.audio) > 0
    with pytest.raises(ValueError, match="a stream answers one prompt under a layout"):
        model.stream(ask(), AnswerOptions(layout="free", sampling=SHORT))


def test_a_layout_that_the_weights_never_saw_is_refused_unless_asked_for(model: StepAudioAQAA) -> None:
    with pytest.raises(ValueError, match=r"layout interleave_3_5 is not among those .* interleave_10_15"):
        model.answer(ask(), AnswerOptions(layout="3:5", sampling=SHORT))
    tried = AnswerOptions(layout="3:5", sampling=SHORT, allow_untrained_layout=True)
    assert model.answer(ask(), tried).text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": np.zeros(0, np.float32)}, "query.wav"),
        ({"samples": np.full(16_000, np.nan, np.float32)}, "query.wav"),
        ({"samples": np.full(16_000, np.inf, np.float32)}, "query.wav"),
        ({"samples": np.zeros(48, np.float32)}, "query.wav"),  # 3 ms
    ],
)
def test_audio_that_cannot_be_heard_is_named(
    model: StepAudioAQAA, changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.backbone.model, "forward", None)  # nothing is decoded
    with pytest.raises(AudioInputError, match=message):
        model.answer(ask(**changes), AnswerOptions(sampling=SHORT))


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": np.zeros(16_000, np.float32)},  # silent
        {"samples": noise(8_000).samples, "sample_rate_hz": 8_000},
        {"samples": noise(96_000).samples, "sample_rate_hz": 96_000},
        {"samples": np.stack([noise().samples] * 2, axis=1)},  # stereo
    ],
)
def test_unusual_audio_is_answered(model: StepAudioAQAA, changes: dict[str, Any]) -> None:
    assert len(model.answer(ask(**changes), AnswerOptions(sampling=SHORT)).audio) > 0


def test_a_conversation_that_cannot_fit_is_refused_before_any_compute(
    model: StepAudioAQAA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.tokenizer, "encode_batch", None)
    long = ask(samples=np.zeros(16_000 * 800, np.float32))
    with pytest.raises(ValueError, match=r"come to at least \d+ tokens, max_seq_len is 32768: drop or transcribe"):
        model.answer(long)
    with pytest.raises(ValueError, match="must end with an utterance of the human"):
        model.answer([*ask(), Utterance(role="assistant", text="Yes.")])
    with pytest.raises(ValueError, match="an utterance of the human has no recording"):
        Utterance(role="human")


def test_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    readme = Path(reference_model.__file__).with_name("README.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    assert " s: " in capsys.readouterr().out
