"""A judge that hears: the answers' sound goes along, and everything else is as with a judge that reads."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.judges.sound import MAX_SOUND_S, make_sound
from aqaa_eval.testing.judge_server import Fault, JudgeScript, JudgeServer, hashed_grades
from tests.judges.builders import SOUND, conversation, llm_judge

Messages = Sequence[Mapping[str, Any]]


class Ear:
    """A grader that notes what it is sent."""

    def __init__(self) -> None:
        self.seen: list[Messages] = []

    def __call__(self, messages: Messages, schema: Mapping[str, Any]) -> dict[str, Any]:
        self.seen.append(messages)
        return hashed_grades(messages, schema)


def louder(audio: Audio) -> Audio:
    return Audio(samples=2 * audio.samples, sample_rate_hz=audio.sample_rate_hz)


def test_the_answers_sound_follows_the_text_and_what_it_is_is_told() -> None:
    ear = Ear()
    with JudgeServer(JudgeScript(grade=ear)) as server, llm_judge(server.base_url, models="openai-audio:m") as judge:
        scores = {score.metric: score for score in judge.judge(conversation(["Ahoy!", None, "Rum."]))}
    system, user = ear.seen[0][0]["content"], ear.seen[0][1]["content"]
    assert "You also hear the answers" in system
    kinds = [part["type"] for part in user]
    assert kinds == ["text", "text", "input_audio", "text", "input_audio"]
    assert '"Ahoy!"' in user[0]["text"]
    assert [user[1]["text"], user[3]["text"]] == [f"Sound of the model's answer in turn {n}:" for n in (1, 3)]
    sent = read_audio(base64.b64decode(user[2]["input_audio"]["data"]))
    assert (sent.sample_rate_hz, user[2]["input_audio"]["format"]) == (16_000, "wav")
    np.testing.assert_allclose(sent.samples, SOUND.samples, atol=1e-3)
    # Without measurements a judge that reads cannot grade the delivery; one that hears can.
    assert scores["delivery"].value is not None
    assert scores["judge_speech"].value is not None


def test_another_sound_with_the_same_words_is_another_item_and_the_same_one_is_bought_once(tmp_path: Path) -> None:
    ear = Ear()
    verdicts = tmp_path / "verdicts.sqlite"
    with JudgeServer(JudgeScript(grade=ear)) as server:
        for audio in (SOUND, louder(SOUND), SOUND):
            with llm_judge(server.base_url, models="openai-audio:m", verdicts=verdicts, conversation=False) as judge:
                judge.judge(conversation(["Ahoy!"], audio=audio))
        assert server.n_requests == 2
        with llm_judge(server.base_url, verdicts=verdicts, conversation=False) as reader:
            reader.judge(conversation(["Ahoy!"]))
            reader.judge(conversation(["Ahoy!"], audio=louder(SOUND)))  # it cannot know the difference
        assert server.n_requests == 3
    assert isinstance(ear.seen[-1][1]["content"], str)


def test_retries_and_second_tries_send_the_sound_again() -> None:
    ear = Ear()
    script = JudgeScript(grade=ear, fault_share=0.5, faults=(Fault.PROSE, Fault.SERVER_ERROR, Fault.HANG_UP))
    with (
        JudgeServer(script) as server,
        llm_judge(server.base_url, models="openai-audio:m", second_tries=4, conversation=False) as judge,
    ):
        scores = [judge.judge(conversation(["Ahoy!"], id=f"c{number}"))[0] for number in range(6)]
        assert server.n_requests > 6
    assert all(score.value is not None for score in scores)
    assert all(any(part["type"] == "input_audio" for part in messages[1]["content"]) for messages in ear.seen)


def test_a_reader_and_a_hearer_make_a_panel() -> None:
    ear = Ear()
    with JudgeServer(JudgeScript(grade=ear)) as server:
        models = "openai:m,openai-audio:m"
        with llm_judge(server.base_url, models=models, conversation=False) as judge:
            scores = {score.metric: score for score in judge.judge(conversation(["Ahoy!"]))}
    assert sorted(type(messages[1]["content"]).__name__ for messages in ear.seen) == ["list", "str"]
    assert scores["content"].value is not None
    assert scores["delivery"].value is None  # one of the two has nothing to grade it by
    assert "openai-audio:m" in judge.identity


def test_of_a_long_answer_the_beginning_is_sent_and_the_judge_is_told() -> None:
    sound = make_sound("Sound:", Audio.silence(duration_s=MAX_SOUND_S + 30))
    assert sound.duration_s == MAX_SOUND_S
    assert sound.label == "Sound: (the first 120 of 150 s)"
