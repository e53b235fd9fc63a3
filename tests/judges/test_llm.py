"""The language-model judge against a scripted server: what becomes of good, odd and missing replies."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.attempt import Score, Status
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.judges import wire
from aqaa_eval.judges.llm_build import build
from aqaa_eval.testing.judge_server import INVALID, UNREACHABLE, Fault, JudgeScript, JudgeServer, hashed_grades
from aqaa_eval.testing.server import Reply, Request, ScriptedServer, json_reply
from tests.judges.builders import QUICK, conversation, llm_judge

MOS = ("content", "judge_speech", "chat")
Messages = Sequence[Mapping[str, str]]


def by_metric(scores: Sequence[Score]) -> dict[str, Score]:
    return {score.metric: score for score in scores}


def fixed(**values: Any) -> Any:
    """A grader that gives these values, and the others from the hash."""
    return lambda messages, schema: {**hashed_grades(messages, schema), **_known(values, schema)}


def _known(values: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in schema["properties"]}


def test_a_conversation_gets_a_verdict_per_rubric_and_a_score_per_scale() -> None:
    grader = fixed(content=4, speech=5, factuality=1, relevance=0, chat=3, reason="It names a ship.")
    with JudgeServer(JudgeScript(grade=grader)) as server, llm_judge(server.base_url) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!", "Rum."])))
        assert tuple(scores) == judge.metrics
        assert server.n_requests == 2
    values = {metric: score.value for metric, score in scores.items()}
    assert values == {
        "content": 4.0, "delivery": None, "judge_speech": 5.0, "factuality": 1.0, "relevance": 0.0, "chat": 3.0
    }  # fmt: skip
    assert "It names a ship." in scores["content"].reason
    assert scores["delivery"].status is Status.UNSCORED
    assert "acoustics=false" in scores["delivery"].reason


def test_the_judge_reads_the_notes_the_answer_and_the_rubric_and_is_asked_at_temperature_0() -> None:
    bodies: list[dict[str, Any]] = []

    def remember(messages: Messages, schema: Mapping[str, Any]) -> dict[str, Any]:
        bodies.append({"messages": messages, "schema": schema})
        return hashed_grades(messages, schema)

    attempt = conversation(["Ahoy!"], checklist=("Is it a pirate?",), reference="Arr, matey.")
    with JudgeServer(JudgeScript(grade=remember)) as server, llm_judge(server.base_url) as judge:
        scores = by_metric(judge.judge(attempt))
    role_play = next(body for body in bodies if "check_1" in body["schema"]["properties"])
    system, user = (message["content"] for message in role_play["messages"])
    assert "In the part in every turn" in system
    assert '"Ahoy!"' in user
    assert '"Arr, matey."' in user
    assert "check_1: turn 1: Is it a pirate?" in user
    [tick] = scores["content"].evidence
    assert tick.name == "Is it a pirate?"


def test_measured_acoustics_are_told_in_words(speak: Any) -> None:
    seen: list[str] = []

    def remember(messages: Messages, schema: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(messages[1]["content"])
        return hashed_grades(messages, schema)

    attempt = conversation(["Ahoy there, my friend."], audio=speak("Ahoy there, my friend."))
    with JudgeServer(JudgeScript(grade=remember)) as server, llm_judge(server.base_url, acoustics=True) as judge:
        scores = by_metric(judge.judge(attempt))
    assert scores["delivery"].value is not None
    assert all("syllables/s; level" in text and "pitch" in text for text in seen)


@pytest.mark.parametrize("fault", sorted(INVALID))
def test_an_invalid_reply_is_asked_for_once_more_and_then_marked(fault: Fault) -> None:
    script = JudgeScript(fault_share=1.0, faults=(fault,))
    with JudgeServer(script) as server, llm_judge(server.base_url, conversation=False) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!"])))
        assert server.n_requests == 2
        assert judge.usage.n_second_tries == 1
    assert (scores["content"].value, scores["content"].status) == (None, Status.FAILED)
    assert scores["content"].failure is Failure.JUDGE_INVALID
    assert "no verdict in 2 replies" in scores["content"].reason


def test_a_valid_second_try_counts_and_sees_what_was_wrong() -> None:
    told: list[str] = []

    def once_wrong(messages: Messages, schema: Mapping[str, Any]) -> dict[str, Any]:
        if len(messages) == 2:
            return {**hashed_grades(messages, schema), "content": 9}
        told.append(messages[2]["content"])
        return {**hashed_grades(messages, schema), "content": 2}

    script = JudgeScript(grade=once_wrong)
    with JudgeServer(script) as server, llm_judge(server.base_url, conversation=False) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!"])))
    assert scores["content"].value == 2.0
    assert "content must be a whole number from 1 to 5, got 9" in told[0]


@pytest.mark.parametrize("fault", [Fault.REFUSAL, Fault.REFUSAL_TEXT])
def test_a_refusal_is_a_refusal_and_not_asked_again(fault: Fault) -> None:
    script = JudgeScript(fault_share=1.0, faults=(fault,))
    with JudgeServer(script) as server, llm_judge(server.base_url, conversation=False) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!"])))
        assert server.n_requests == 1
    assert scores["content"].failure is Failure.JUDGE_REFUSED


@pytest.mark.parametrize("fault", sorted(UNREACHABLE))
def test_an_unreachable_server_is_tried_again_and_then_told(fault: Fault) -> None:
    script = JudgeScript(fault_share=1.0, faults=(fault,))
    options = {"conversation": False, "attempts": 3, "timeout_s": 0.3}
    with JudgeServer(script) as server, llm_judge(server.base_url, **options) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!"])))
        assert server.n_requests == 3
        assert judge.usage.n_retries == 2
    assert (scores["content"].status, scores["content"].failure) == (Status.FAILED, Failure.JUDGE_UNREACHABLE)
    assert "tried 3 times" in scores["content"].reason


@pytest.mark.parametrize("fault", [None, *Fault])
def test_the_openai_client_meets_the_same_fates_as_our_own_connections(
    fault: Fault | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fates = []
    script = JudgeScript(fault_share=1.0 if fault else 0.0, faults=(fault or Fault.HANG_UP,))
    for straight in (True, False):
        monkeypatch.setattr(wire, "is_plain", lambda base_url, straight=straight: straight)
        options = {"conversation": False, "attempts": 2, "timeout_s": 0.5}
        with JudgeServer(script) as server, llm_judge(server.base_url, **options) as judge:
            content = judge.judge(conversation(["Ahoy!"]))[0]
            fates.append((content.value, content.failure, server.n_requests))
    assert fates[0] == fates[1]
    assert (fates[0][0] is None) is (fault is not None)


def test_nobody_is_asked_while_the_server_wants_a_pause() -> None:
    arrived: list[float] = []

    def handle(request: Request) -> Reply:
        arrived.append(time.monotonic())
        if len(arrived) == 1:
            return json_reply({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "0.4"})
        schema = request.json()["response_format"]["json_schema"]["schema"]
        text = json.dumps(hashed_grades(request.json()["messages"], schema))
        return json_reply({"choices": [{"message": {"content": text}}]})

    with ScriptedServer(handle, prefix="/v1") as server, llm_judge(server.base_url, concurrency=1) as judge:
        scores = judge.judge(conversation(["Ahoy!"]))
    assert by_metric(scores)["content"].value is not None
    assert min(second - arrived[0] for second in arrived[1:]) >= 0.4


def test_a_wrong_key_is_not_tried_again_and_the_message_says_what_the_server_said() -> None:
    reply = json_reply({"error": {"message": "invalid api key"}}, status=401)
    with ScriptedServer(lambda _: reply) as server, llm_judge(server.base_url, conversation=False) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!"])))
        assert server.n_requests == 1
    assert "401" in scores["content"].reason
    assert "invalid api key" in scores["content"].reason


def test_settings_that_a_server_does_not_know_are_left_out() -> None:
    bodies: list[dict[str, Any]] = []

    def picky(request: Request) -> Reply:
        body = request.json()
        bodies.append(body)
        for name in ("logprobs", "seed", "max_tokens"):
            if name in body:
                return json_reply({"error": {"message": f"Unsupported parameter: '{name}'"}}, status=400)
        schema = body["response_format"]["json_schema"]["schema"]
        return json_reply({"choices": [{"message": {"content": json.dumps(hashed_grades(body["messages"], schema))}}]})

    with ScriptedServer(picky) as server, llm_judge(server.base_url) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!"])))
    assert scores["content"].value is not None
    assert scores["chat"].value is not None
    assert not {"logprobs", "top_logprobs", "seed", "max_tokens"} & bodies[-1].keys()
    assert bodies[-1]["max_completion_tokens"] == 400


def test_a_level_is_weighted_by_the_probabilities_that_the_server_gives() -> None:
    script = JudgeScript(grade=fixed(content=4, chat=1, factuality=1), level_logprobs=True)
    with JudgeServer(script) as server, llm_judge(server.base_url) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!"])))
    assert scores["content"].value == pytest.approx(0.8 * 4 + 0.2 * 3, abs=1e-6)
    assert scores["chat"].value == pytest.approx(0.8 * 1 + 0.2 * 2, abs=1e-6)
    assert scores["factuality"].value == 1.0  # a yes or no stays one
    assert math.isclose(math.exp(-0.2231436), 0.8, rel_tol=1e-6)


def test_silence_is_at_the_floor_and_nobody_is_asked() -> None:
    with JudgeServer(JudgeScript()) as server, llm_judge(server.base_url) as judge:
        scores = by_metric(judge.judge(conversation([None, None])))
        assert server.n_requests == 0
    assert {metric: score.value for metric, score in scores.items()} == {
        "content": 1.0, "delivery": 1.0, "judge_speech": None, "factuality": 0.0, "relevance": 0.0, "chat": 1.0
    }  # fmt: skip
    assert {score.failure for score in scores.values()} == {Failure.NO_AUDIO}


def test_one_missing_answer_is_told_to_the_judge() -> None:
    seen: list[str] = []

    def remember(messages: Messages, schema: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(messages[1]["content"])
        return hashed_grades(messages, schema)

    with JudgeServer(JudgeScript(grade=remember)) as server, llm_judge(server.base_url) as judge:
        judge.judge(conversation(["Ahoy!", None]))
    assert all("turn 2, the model gave no answer" in text for text in seen)


def test_a_panel_takes_the_mean_and_keeps_the_disagreement() -> None:
    def by_model(request: Request) -> Reply:
        body = request.json()
        schema = body["response_format"]["json_schema"]["schema"]
        grades = {"a": 5, "b": 4, "c": 1}
        verdict = hashed_grades(body["messages"], schema)
        verdict.update({name: grades[body["model"]] for name in ("content", "speech", "chat") if name in verdict})
        return json_reply({"choices": [{"message": {"content": json.dumps(verdict)}}]})

    values = {}
    with ScriptedServer(by_model) as server:
        for rule in ("mean", "median", "vote"):
            with llm_judge(server.base_url, models="openai:a,openai:b,openai:c", panel=rule) as judge:
                scores = by_metric(judge.judge(conversation(["Ahoy!"])))
                values[rule] = scores["content"].value
    assert values == {"mean": pytest.approx(10 / 3, abs=1e-6), "median": 4.0, "vote": 1.0}
    assert scores["disagreement"].value == pytest.approx((1 + 4 + 3) / 3, abs=1e-6)
    told = [(evidence.name, evidence.passed) for evidence in scores["content"].evidence]
    assert told == [
        ("openai:a agrees on content", False),
        ("openai:b agrees on content", False),
        ("openai:c agrees on content", True),
    ]


def one_judge_is_down(request: Request) -> Reply:
    body = request.json()
    if body["model"] == "down":
        return json_reply({"error": {"message": "no"}}, status=404)
    schema = body["response_format"]["json_schema"]["schema"]
    return json_reply({"choices": [{"message": {"content": json.dumps(hashed_grades(body["messages"], schema))}}]})


def test_a_panel_below_its_quorum_gives_no_score() -> None:
    models = "openai:a,openai:b,openai:down"
    with ScriptedServer(one_judge_is_down) as server:
        with llm_judge(server.base_url, models=models) as judge:
            enough = by_metric(judge.judge(conversation(["Ahoy!"])))
        with llm_judge(server.base_url, models=models, quorum=3) as judge:
            short = by_metric(judge.judge(conversation(["Ahoy!"])))
    assert enough["content"].value is not None
    assert "openai:down" in enough["content"].reason
    assert short["content"].failure is Failure.JUDGE_UNREACHABLE
    assert "2 of 3 verdicts, 3 needed" in short["content"].reason


def test_repeats_have_seeds_of_their_own_and_are_averaged() -> None:
    seeds: list[int] = []

    def by_seed(request: Request) -> Reply:
        body = request.json()
        seeds.append(body["seed"])
        schema = body["response_format"]["json_schema"]["schema"]
        verdict = {**hashed_grades(body["messages"], schema), "content": 2 + body["seed"] // 1000}
        return json_reply({"choices": [{"message": {"content": json.dumps(verdict)}}]})

    with ScriptedServer(by_seed) as server, llm_judge(server.base_url, repeats=3, conversation=False) as judge:
        scores = by_metric(judge.judge(conversation(["Ahoy!"])))
    assert sorted(seeds) == [0, 1000, 2000]
    assert scores["content"].value == 3.0


def test_a_cost_limit_stops_the_asking_and_a_new_budget_goes_on(tmp_path: Path) -> None:
    attempts = [conversation(["Ahoy!"], id=f"c{number:02d}") for number in range(10)]
    prices = {"price_in": 1000.0, "price_out": 1000.0, "cost_limit": 1.8, "max_tokens": 16, "conversation": False}
    verdicts = tmp_path / "verdicts.sqlite"
    with JudgeServer(JudgeScript()) as server:
        n_scored = []
        for _ in range(40):
            with llm_judge(server.base_url, verdicts=verdicts, **prices) as judge:
                scores = [by_metric(judge.judge(attempt))["content"] for attempt in attempts]
                assert judge.usage.cost <= 1.8
            n_scored.append(sum(score.value is not None for score in scores))
            if n_scored[-1] == len(attempts):
                break
            lost = next(score for score in scores if score.value is None)
            assert (lost.status, lost.failure) == (Status.FAILED, Failure.JUDGE_UNREACHABLE)
            assert "judge budget spent" in lost.reason
        assert n_scored == sorted(n_scored)
        assert 0 < n_scored[0] < 10
        assert n_scored[-1] == 10
        assert set(server.delivered.values()) == {1}


def test_the_same_question_at_the_same_time_is_bought_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    script = JudgeScript(latency_s=0.1)
    with JudgeServer(script) as server, llm_judge(server.base_url) as judge, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(judge.judge, [conversation(["Ahoy!"])] * 4))
    assert all(scores == found[0] for scores in found)
    assert set(server.delivered.values()) == {1}


def test_the_model_text_is_judged_on_the_text_channel() -> None:
    seen: list[str] = []

    def remember(messages: Messages, schema: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(messages[1]["content"])
        return hashed_grades(messages, schema)

    attempt = conversation(["As heard."])
    with JudgeServer(JudgeScript(grade=remember)) as server:
        judge = build(["openai:m"], {**QUICK, "base_url": server.base_url}, channel="text")
        try:
            scores = by_metric(judge.judge(attempt))
        finally:
            judge.close()
    assert "judge_speech" in scores
    assert scores["judge_speech"].status is Status.UNSCORED
    assert seen


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (["openai:m"], {"base_url": "http://x", "temprature": 1}, "temprature"),
        (["openai:m", "openai:m"], {"base_url": "http://x"}, "twice"),
        (["openai:m"], {"base_url": "http://x", "cost_limit": 1.0}, "price_in"),
        (["openai:m"], {"base_url": "http://x", "quorum": 2}, "quorum 2 of 1"),
        (["openai:m"], {"base_url": "http://x", "openai:n.seed": 2}, "no judge named 'openai:n'"),
        (["openai:m"], {"api_key_env": "NO_SUCH_KEY_HERE"}, "NO_SUCH_KEY_HERE"),
        (["hf:./nowhere"], {}, "no folder with config.json"),
    ],
)
def test_wrong_settings_are_refused_by_name(names: list[str], options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(names, options)
