"""Kimi-Audio's package needs CUDA: here one of the same signature stands in for it and checks every call."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aqaa_eval.adapters.kimi_audio import KimiAudioModel, build
from aqaa_eval.catalog import make_model
from aqaa_eval.core.attempt import Finish
from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.core.errors import MissingWeights, ModelError, UsageError
from aqaa_eval.core.runspec import RunSpec
from tests.adapters.queries import ask, assistant, tone, user

N_STEPS = 1500
TRUSTED = {"trust_remote_code": True}


class KimiAudio:
    """The published signature, and the published behaviour as far as it needs no network."""

    made: dict[str, Any]
    calls: list[dict[str, Any]]

    def __init__(self, model_path: str, load_detokenizer: bool = True) -> None:
        if model_path == "broken":
            raise OSError("broken does not appear to have a file named config.json")
        KimiAudio.made = {"model_path": model_path, "load_detokenizer": load_detokenizer}
        KimiAudio.calls = []
        self.wave: torch.Tensor | None = torch.zeros(0)
        self.has_detokenizer = load_detokenizer

    def generate(
        self,
        chats: list[dict[str, Any]],
        output_type: str = "text",
        audio_temperature: float = 0.0,
        audio_top_k: int = 5,
        text_temperature: float = 0.0,
        text_top_k: int = 5,
        audio_repetition_penalty: float = 1.0,
        audio_repetition_window_size: int = 64,
        text_repetition_penalty: float = 1.0,
        text_repetition_window_size: int = 16,
        max_new_tokens: int = -1,
    ) -> tuple[torch.Tensor | None, str]:
        assert output_type in ["text", "both"]
        settings = {
            name: value for name, value in locals().items() if name.isidentifier() and name not in ("self", "chats")
        }
        heard = [self._hear(chat) for chat in chats]
        n_steps = sum(round(12.5 * audio.duration_s) + 6 for audio in heard if audio is not None)
        assert output_type == "text" or n_steps < N_STEPS, "no step left: the real one breaks here"
        KimiAudio.calls.append({"chats": chats, "heard": heard, **settings})
        if output_type == "text" or not self.has_detokenizer:
            return None, " Four. "
        if self.wave is not None and not self.wave.numel():
            self.wave = 0.1 * torch.randn(1, 24_000)
        wave, self.wave = self.wave, torch.zeros(0)
        return wave, " Four. "

    @staticmethod
    def _hear(chat: dict[str, Any]) -> Audio | None:
        assert set(chat) == {"role", "message_type", "content"}
        assert chat["role"] in ("user", "assistant"), "there is no system role"
        content = chat["content"]
        if chat["message_type"] == "text":
            assert isinstance(content, str)
            return None
        if chat["message_type"] == "audio-text":
            assert chat["role"] == "assistant"
            path, text = content
            assert isinstance(text, str)
        else:
            assert chat["message_type"] == "audio"
            path = content
        assert isinstance(path, str), "a tensor breaks its tokenizer"
        return read_audio(path)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kimia_infer", "kimia_infer.api", "kimia_infer.api.kimia"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["kimia_infer.api.kimia"].KimiAudio = KimiAudio  # type: ignore[attr-defined]


@pytest.fixture
def model(installed: None) -> KimiAudioModel:
    return build("", TRUSTED)


def test_a_question_travels_as_a_wav_file_and_text_and_speech_come_back(model: KimiAudioModel) -> None:
    question = tone(duration_s=0.5)
    response = model.answer(ask(user(question)))
    assert KimiAudio.made == {"model_path": "moonshotai/Kimi-Audio-7B-Instruct", "load_detokenizer": True}
    [call] = KimiAudio.calls
    [heard] = call["heard"]
    assert np.array_equal(heard.pcm16, question.pcm16)
    assert response.text == "Four."
    assert response.audio is not None
    assert (response.audio.sample_rate_hz, response.audio.duration_s) == (24_000, 1.0)
    assert (response.finish, response.timing.first_audio_s) == (Finish.STOP, None)


def test_it_is_asked_with_the_published_sampling(model: KimiAudioModel) -> None:
    model.answer(ask(user(tone())))
    [call] = KimiAudio.calls
    assert {name: call[name] for name in call if name not in ("chats", "heard")} == {
        "output_type": "both",
        "audio_temperature": 0.8,
        "audio_top_k": 10,
        "text_temperature": 0.0,
        "text_top_k": 5,
        "audio_repetition_penalty": 1.0,
        "audio_repetition_window_size": 64,
        "text_repetition_penalty": 1.0,
        "text_repetition_window_size": 16,
        "max_new_tokens": -1,
    }


def test_settings_reach_it(installed: None) -> None:
    model = build("/no/folder", {**TRUSTED, "audio_temperature": 0.5, "text_top_k": 3, "audio": False})
    response = model.answer(ask(user(tone())))
    assert KimiAudio.made == {"model_path": "/no/folder", "load_detokenizer": False}
    [call] = KimiAudio.calls
    assert (call["audio_temperature"], call["text_top_k"], call["output_type"]) == (0.5, 3, "text")
    assert (response.audio, response.text) == (None, "Four.")
    assert model.identity == "kimi-audio:/no/folder,audio=False,audio_temperature=0.5,text_top_k=3"


def test_the_history_is_sound_with_text_and_its_files_are_removed(model: KimiAudioModel) -> None:
    said = tone(duration_s=0.4, sample_rate_hz=24_000)
    model.answer(ask(user(tone()), assistant("Yes.", said), user(tone()), assistant("No."), user(tone(duration_s=0.7))))
    [call] = KimiAudio.calls
    assert [(chat["role"], chat["message_type"]) for chat in call["chats"]] == [
        ("user", "audio"),
        ("assistant", "audio-text"),
        ("user", "audio"),
        ("assistant", "text"),
        ("user", "audio"),
    ]
    assert call["chats"][1]["content"][1] == "Yes."
    assert np.array_equal(call["heard"][1].pcm16, said.pcm16)
    assert call["chats"][3]["content"] == "No."
    assert call["heard"][4].duration_s == 0.7
    paths = [Path(call["chats"][0]["content"]), Path(call["chats"][1]["content"][0])]
    assert not any(path.exists() or path.parent.exists() for path in paths)


def test_the_identity_holds_the_commit_of_the_hub_or_the_files_of_the_folder(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert build("", TRUSTED).identity == "kimi-audio:moonshotai/Kimi-Audio-7B-Instruct"
    repository = tmp_path / "hub" / "models--moonshotai--Kimi-Audio-7B-Instruct"
    snapshot = repository / "snapshots" / ("0123456789" * 4)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123456789" * 4)
    assert build("", TRUSTED).identity == "kimi-audio:moonshotai/Kimi-Audio-7B-Instruct@01234567"
    first = build(str(snapshot), TRUSTED).identity
    (snapshot / "config.json").write_text('{"a": 1}')
    assert build(str(snapshot), TRUSTED).identity != first


def test_the_seed_decides_what_is_drawn(model: KimiAudioModel) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    sounds = [model.answer(ask(user(tone()), seed=seed)).audio for seed in (1, 1, 2)]
    assert torch.rand(1) == expected, "the global generator is left as it was"
    hashes = [sound.content_hash for sound in sounds if sound is not None]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_conversation_that_leaves_no_room_for_an_answer_is_refused_with_the_figures(model: KimiAudioModel) -> None:
    long = Audio.silence(duration_s=58.0)
    model.answer(ask(user(long), assistant("Yes.", tone()), user(Audio.silence(duration_s=50.0))))
    with pytest.raises(
        ModelError, match=r"takes about 1468 of the 1500 steps .* leaves 2\.6 s to speak; 4 s are asked"
    ):
        model.answer(ask(user(long), assistant(None, tone(duration_s=0.0001)), user(long)))
    assert len(KimiAudio.calls) == 1, "the second was not put to it"
    with pytest.raises(ModelError, match=r"leaves 0\.0 s"):
        model.answer(ask(user(Audio.silence(duration_s=200.0))))


def test_a_text_answer_has_no_such_limit(installed: None) -> None:
    assert build("", {**TRUSTED, "audio": False}).answer(ask(user(Audio.silence(duration_s=200.0)))).text == "Four."


def test_speech_up_to_the_limit_is_marked_as_cut(model: KimiAudioModel) -> None:
    model._model.wave = 0.1 * torch.ones(1, int(24_000 * (1500 - 131) / 12.5))
    response = model.answer(ask(user(Audio.silence(duration_s=10.0))))
    assert response.finish is Finish.LENGTH


@pytest.mark.parametrize("wave", [None, torch.zeros(1, 0)[:, :0]])
def test_no_speech_is_an_answer_without_sound(model: KimiAudioModel, wave: torch.Tensor | None) -> None:
    model._model.generate = lambda chats, **settings: (wave, "Four.")
    assert model.answer(ask(user(tone()))).audio is None


def test_a_turn_without_sound_and_text_cannot_be_told(model: KimiAudioModel) -> None:
    with pytest.raises(ModelError, match="turn of the assistant has neither"):
        model.answer(ask(user(tone()), assistant(None), user(tone())))


def test_without_its_package_the_message_names_what_to_install() -> None:
    with pytest.raises(MissingWeights, match=r"MoonshotAI/Kimi-Audio.*flash-attn.*torchaudio torchdyn.*--python"):
        make_model(RunSpec(model="kimi-audio", model_options=TRUSTED))


@pytest.mark.parametrize(
    ("argument", "options", "message"),
    [
        ("", {"audio_temprature": 1.0}, "did you mean audio_temperature"),
        ("", {"text_top_k": -1}, "must not be negative"),
        ("", {"min_answer_s": 120}, "between 0 and 120"),
        ("broken", {}, "cannot be loaded: OSError: broken does not appear"),
    ],
)
def test_what_cannot_be_built_is_told(installed: None, argument: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(argument, {**TRUSTED, **options})


def test_code_of_a_checkpoint_is_run_only_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kimia_infer", None)  # importing it would raise something else
    with pytest.raises(UsageError, match=r"runs code that lies in the checkpoint .*--trust-remote-code"):
        build("", {})
    with pytest.raises(UsageError, match="runs code"):
        build("", {"trust_remote_code": False})
