"""The ear behind an address, over real HTTP against a scripted server."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aqaa_eval.catalog import make_transcriber
from aqaa_eval.core.attempt import Transcript
from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip
from aqaa_eval.testing.server import Handler, Reply, Request, ScriptedServer, json_reply

Speak = Callable[[str], Audio]
VERBOSE = {
    "text": " Twelve people came.",
    "language": "english",
    "segments": [
        {"start": 0.0, "end": 1.0, "avg_logprob": -0.1, "no_speech_prob": 0.02},
        {"start": 1.0, "end": 2.0, "avg_logprob": -0.3, "no_speech_prob": 0.04},
    ],
    "words": [
        {"word": "Twelve", "start": 0.1, "end": 0.5},
        {"word": "people", "start": 0.5, "end": 0.9},
        {"word": "came.", "start": 0.9, "end": 1.2},
    ],
}


@pytest.fixture(scope="module")
def sentence(speak: Speak) -> Audio:
    return speak("Twelve people came.")


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Transcript]]]:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret-key")
    servers: list[ScriptedServer] = []

    def transcribe(handler: Handler, *clips: Clip, **options: Any) -> list[Transcript]:
        server = ScriptedServer(handler, prefix="/v1").__enter__()
        servers.append(server)
        made = make_transcriber("http:whisper-1", {"base_url": server.base_url, **options})
        assert made is not None
        assert "a-secret-key" not in made.identity
        return made.transcribe(clips)

    yield transcribe
    for server in servers:
        server.__exit__(None, None, None)
        assert server.errors == []


def test_words_times_and_confidence_come_from_the_server(hear: Any, sentence: Audio) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return json_reply(VERBOSE)

    [transcript] = hear(answer, Clip(audio=sentence, languages=("en", "ja")))
    assert (transcript.text, transcript.language, transcript.failure) == ("Twelve people came.", "en", None)
    assert transcript.confidence == pytest.approx(0.8187, abs=1e-4)  # e to the mean of -0.1 and -0.3
    assert [word.text for word in transcript.words] == ["Twelve", "people", "came."]
    leading_s = sentence.duration_s - transcript.words[-1].end_s  # what is silent before the speech is not sent
    assert 0.1 <= transcript.words[0].start_s < 0.1 + leading_s
    [request] = seen
    assert request.path == "/v1/audio/transcriptions"
    assert request.headers["authorization"] == "Bearer a-secret-key"
    form = request.form()
    assert (form["model"], form["response_format"], float(form["temperature"])) == (b"whisper-1", b"verbose_json", 0.0)
    assert "language" not in form
    sent = read_audio(io.BytesIO(form["file"]).getvalue())
    assert (sent.sample_rate_hz, sent.duration_s) == (16_000, pytest.approx(sentence.duration_s, abs=0.7))


def test_a_forced_language_is_sent(hear: Any, sentence: Audio) -> None:
    forms: list[dict[str, bytes]] = []

    def answer(request: Request) -> Reply:
        forms.append(request.form())
        return json_reply({"text": "Zwölf Leute kamen."})

    [transcript] = hear(answer, Clip(audio=sentence), language="de")
    assert forms[0]["language"] == b"de"
    assert transcript.language == "de"


def test_a_server_that_knows_no_verbose_form_is_asked_for_the_plain_one_from_then_on(
    hear: Any, sentence: Audio
) -> None:
    forms: list[str] = []

    def answer(request: Request) -> Reply:
        forms.append(request.form()["response_format"].decode())
        if forms[-1] == "verbose_json":
            return json_reply({"error": {"message": "response_format must be json or text"}}, status=400)
        return json_reply({"text": "Twelve people came."})

    first, second = hear(answer, Clip(audio=sentence), Clip(audio=sentence), concurrency=1)
    assert (first.text, first.confidence, first.words) == ("Twelve people came.", None, ())
    assert second.text == first.text
    assert forms == ["verbose_json", "json", "json"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(hear: Any, sentence: Audio, status: int) -> None:
    def answer(request: Request) -> Reply:
        if request.number < 2:
            return json_reply({"error": {"message": "later"}}, status=status, headers={"retry-after-ms": "5"})
        return json_reply(VERBOSE)

    [transcript] = hear(answer, Clip(audio=sentence))
    assert transcript.text == "Twelve people came."


def test_a_server_that_hangs_up_or_sends_no_text_breaks_and_gives_no_empty_transcript(
    hear: Any, sentence: Audio
) -> None:
    import openai

    with pytest.raises(openai.APIConnectionError):
        hear(lambda request: Reply(status=None, hangs_up=True), Clip(audio=sentence), retries=0)
    with pytest.raises(openai.APITimeoutError):
        hear(lambda request: Reply(waits_forever=True), Clip(audio=sentence), retries=0, timeout_s=0.2)
    with pytest.raises(ValueError, match="no text"):
        hear(lambda request: json_reply({"result": "?"}), Clip(audio=sentence))
    with pytest.raises(openai.AuthenticationError):
        hear(lambda request: json_reply({"error": {"message": "who are you"}}, status=401), Clip(audio=sentence))


def test_what_it_makes_up_is_found_by_the_same_guards(hear: Any, sentence: Audio) -> None:
    temperatures: list[float] = []

    def loop(request: Request) -> Reply:
        temperatures.append(float(request.form()["temperature"]))
        return json_reply({"text": "go " * 60, "language": "en"})

    [transcript] = hear(loop, Clip(audio=sentence))
    assert (transcript.text, transcript.failure) == ("", Failure.ASR_HALLUCINATED)
    assert temperatures == [0.0, 0.4]


def test_silence_is_never_sent(hear: Any) -> None:
    def answer(request: Request) -> Reply:
        raise AssertionError("it was asked")

    [transcript] = hear(answer, Clip(audio=Audio.silence(duration_s=1.0)))
    assert transcript.failure is Failure.SILENT


def test_the_recordings_of_a_conversation_are_under_way_at_once(sentence: Audio) -> None:
    with ScriptedServer(lambda request: json_reply(VERBOSE, delay_s=0.3), prefix="/v1") as server:
        made = make_transcriber("http:m", {"base_url": server.base_url, "concurrency": 4})
        assert made is not None
        assert len(made.transcribe([Clip(audio=sentence)] * 6)) == 6
        assert server.n_most_at_once == 4
