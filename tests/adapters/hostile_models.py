"""Models that misbehave in every way a process can. Built in a child by the tests of `--python`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import MissingWeights, ModelError, ModelTimeout, UsageError


class Echo:
    """Says the question back; what else it does is told by the query's key."""

    def __init__(self, identity: str = "hostile@1") -> None:
        self.identity = identity
        self.n_answers = 0

    def answer(self, query: Query) -> Response:
        self.n_answers += 1
        if act := ACTS.get(query.key):
            act()
        audio = query.question.audio
        if query.key == "long" and audio is not None:
            audio = Audio(samples=np.full(8000 * 1200, 0.1, np.float32), sample_rate_hz=8000)
        timing = Timing(first_audio_s=0.1, total_s=0.5)
        return Response(audio=audio, text=f"{self.n_answers}: {query.seed}", timing=timing)


def _print() -> None:
    print("a model that prints")
    os.write(1, b"\x00\x00\x00\x05 right into the protocol" * 100)
    subprocess.run([sys.executable, "-c", "print('a child that prints')"], check=True)


def _raise(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def _flood() -> None:
    line = "x" * 1000 + "\n"
    for _ in range(20_000):
        sys.stderr.write(line)


def _leave_a_child() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.environ["AQAA_TEST_PID_FILE"]).write_text(str(child.pid))
    time.sleep(600)


ACTS: Mapping[str, Callable[[], None]] = {
    "prints": _print,
    "reads": lambda: None if sys.stdin.read() == "" else os.abort(),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exits": lambda: os._exit(3),
    "hangs": lambda: time.sleep(600),
    "hangs with a child": _leave_a_child,
    "floods": _flood,
    "breaks": _raise(ValueError("shape [1, 2] is not [2, 1]")),
    "refuses": _raise(ModelError("the prompt is too long")),
    "is late": _raise(ModelTimeout("the server did not answer")),
    "tells a key": lambda: print("my key is", os.environ.get("OPENAI_API_KEY")),
}


def build(argument: str, options: Mapping[str, object]) -> Echo:
    """Builds by argument: "" for a model; "slow", "dies", "no package", "no weights", "wrong" for what goes wrong."""
    if argument == "slow":
        time.sleep(600)
    if argument == "dies":
        os._exit(7)
    if argument == "no package":
        import a_package_that_is_not_there  # noqa: F401
    if argument == "no weights":
        raise MissingWeights("hf download some/model")
    if argument == "wrong":
        raise UsageError("hostile has no setting 'x'")
    if argument == "changes":
        counter = Path(os.environ["AQAA_TEST_PID_FILE"])
        number = int(counter.read_text()) if counter.exists() else 0
        counter.write_text(str(number + 1))
        return Echo(f"hostile@{number}")
    return Echo()
