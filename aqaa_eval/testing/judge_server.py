"""An OpenAI-compatible chat server whose verdict is a pure function of the request, and which fails as real ones do.

    >>> with JudgeServer(JudgeScript()) as server:
    ...     server.base_url.endswith("/v1")
    True

It fills in the JSON schema of `response_format`: an integer is a level drawn from the hash of the first two messages, a
boolean a bit of it. Faults come at a given share, drawn from the request's content and the number of the attempt, so
that a test can be run again, and a retry meets another fate. What was delivered whole is counted by content.

In a process of its own: `python -m aqaa_eval.testing.judge_server --latency 0.05 --faults 0.3`; it prints its base URL,
and GET /stats gives the counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aqaa_eval.testing.completion import completion
from aqaa_eval.testing.server import Chunk, Reply, Request, ScriptedServer, json_reply

DRIPS = 20


class Fault(StrEnum):
    """One way of failing."""

    TOO_MANY = "429"
    TOO_MANY_RETRY_AFTER = "429 with Retry-After"
    SERVER_ERROR = "500"
    HANG_UP = "hang-up"
    HANG_UP_MIDWAY = "hang-up midway"
    DRIP = "slow drip"
    TRUNCATED = "truncated JSON"
    PROSE = "prose around JSON"
    OUT_OF_RANGE = "out of range"
    REFUSAL = "refusal"
    REFUSAL_TEXT = "refusal in words"
    WRONG_LANGUAGE = "wrong language"


UNREACHABLE = frozenset(
    {Fault.TOO_MANY, Fault.TOO_MANY_RETRY_AFTER, Fault.SERVER_ERROR, Fault.HANG_UP, Fault.HANG_UP_MIDWAY, Fault.DRIP}
)
INVALID = frozenset({Fault.TRUNCATED, Fault.PROSE, Fault.OUT_OF_RANGE, Fault.WRONG_LANGUAGE})

Messages = Sequence[Mapping[str, str]]
Grader = Callable[[Messages, Mapping[str, Any]], dict[str, Any]]


def content_hash(messages: Messages) -> str:
    """Of the rules and the item; reminders after them do not change what is judged."""
    return hashlib.sha256(json.dumps([message["content"] for message in messages[:2]]).encode()).hexdigest()


def draw(name: str) -> float:
    """A number in [0, 1) by the hash of a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def hashed_grades(messages: Messages, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict by the schema that depends on what is judged and on nothing else."""
    seed = content_hash(messages)
    verdict: dict[str, Any] = {}
    for name, kind in schema["properties"].items():
        if kind["type"] == "integer":
            verdict[name] = kind["enum"][int(draw(f"{seed} {name}") * len(kind["enum"]))]
        elif kind["type"] == "boolean":
            verdict[name] = draw(f"{seed} {name}") < 0.5
        else:
            verdict[name] = "As the rubric says."
    return verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeScript:
    """How the server behaves.

    Attributes:
        grade: gives the verdict for messages and schema.
        fault_share: share of requests that fail.
        faults: the ways, equally likely.
        latency_s: before every reply.
        retry_after_s: in the header, where it is sent.
        drip_s: that a slow drip takes in all.
        seed: changes which requests fail.
        level_logprobs: whether to send log-probabilities (of levels: 0.8 for the one given, the rest on its neighbour).
    """

    grade: Grader = hashed_grades
    fault_share: float = 0.0
    faults: tuple[Fault, ...] = tuple(Fault)
    latency_s: float = 0.0
    retry_after_s: float = 0.05
    drip_s: float = 5.0
    seed: int = 0
    level_logprobs: bool = False


class JudgeServer(ScriptedServer):
    """Serves a script while it is entered.

    Attributes:
        delivered: valid verdicts sent whole, by content hash.
        faults: how often each fault was shown.
    """

    def __init__(self, script: JudgeScript, *, port: int = 0) -> None:
        super().__init__(self._handle, prefix="/v1", port=port)
        self._script = script
        self._attempts: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.faults: Counter[Fault] = Counter()

    def _handle(self, request: Request) -> Reply:
        if request.path.endswith("/stats"):
            return json_reply({"delivered": self.delivered, "faults": self.faults})
        body = request.json()
        messages, schema = body["messages"], body["response_format"]["json_schema"]["schema"]
        content = content_hash(messages)
        fault = self._fault(content)
        verdict = self._script.grade(messages, schema)
        if fault is not None:
            self.faults[fault] += 1
            return _failing(fault, verdict, schema, self._script)
        self.delivered[content] += 1
        text = json.dumps(verdict, ensure_ascii=False)
        tokens = _tokens(text, schema) if self._script.level_logprobs and body.get("logprobs") else None
        return json_reply(completion(text, logprobs=tokens), delay_s=self._script.latency_s)

    def _fault(self, content: str) -> Fault | None:
        number = self._attempts[content]
        self._attempts[content] += 1
        name = f"{self._script.seed} {content} {number}"
        if draw(name) >= self._script.fault_share:
            return None
        return self._script.faults[int(draw(f"{name} kind") * len(self._script.faults))]


def _failing(fault: Fault, verdict: dict[str, Any], schema: Mapping[str, Any], script: JudgeScript) -> Reply:
    if fault in UNREACHABLE:
        return _unreachable(fault, json.dumps(completion(json.dumps(verdict))).encode(), script)
    text, refusal = json.dumps(verdict), None
    if fault is Fault.TRUNCATED:
        text = text[: len(text) // 2]
    elif fault is Fault.PROSE:
        text = f"Of course! Here is my verdict: {text} I hope this helps."
    elif fault is Fault.OUT_OF_RANGE:
        name = next(name for name, kind in schema["properties"].items() if kind["type"] == "integer")
        text = json.dumps({**verdict, name: 11})
    elif fault is Fault.WRONG_LANGUAGE:
        text = json.dumps({**verdict, "reason": "回答很好，符合要求。"}, ensure_ascii=False)
    elif fault is Fault.REFUSAL:
        text, refusal = "", "I can't help with that."
    else:
        text = "I'm sorry, but I can't evaluate this conversation."
    return json_reply(completion(text, refusal=refusal), delay_s=script.latency_s)


def _unreachable(fault: Fault, body: bytes, script: JudgeScript) -> Reply:
    error = {"error": {"message": str(fault)}}
    if fault is Fault.TOO_MANY:
        return json_reply(error, status=429)
    if fault is Fault.TOO_MANY_RETRY_AFTER:
        return json_reply(error, status=429, headers={"retry-after": f"{script.retry_after_s:g}"})
    if fault is Fault.SERVER_ERROR:
        return json_reply(error, status=500, delay_s=script.latency_s)
    if fault is Fault.HANG_UP:
        return Reply(status=None, delay_s=script.latency_s)
    half = Chunk(data=body[: len(body) // 2])
    if fault is Fault.HANG_UP_MIDWAY:
        return Reply(chunks=(half,), hangs_up=True)
    step = -(-len(body) // DRIPS)
    drips = [body[start : start + step] for start in range(0, len(body), step)]
    return Reply(chunks=tuple(Chunk(data=drip, delay_s=script.drip_s / DRIPS) for drip in drips))


def _tokens(text: str, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One token per character, as a tokenizer may well do; levels get 0.8, their neighbour towards the middle 0.2."""
    levels = {str(level) for kind in schema["properties"].values() for level in kind.get("enum", ())}
    tokens = []
    for letter in text:
        others = [{"token": letter, "logprob": 0.0}]
        if letter in levels:
            neighbour = str(int(letter) - 1 if int(letter) > 3 else int(letter) + 1)
            others = [{"token": letter, "logprob": -0.2231436}, {"token": neighbour, "logprob": -1.6094379}]
        tokens.append({"token": letter, "logprob": others[0]["logprob"], "top_logprobs": others})
    return tokens


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A scripted judge, for tests and benchmarks.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    script = JudgeScript(latency_s=given.latency, fault_share=given.faults, seed=given.seed)
    JudgeServer(script, port=given.port).run()


if __name__ == "__main__":
    main()
