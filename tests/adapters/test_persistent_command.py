from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.adapters.command import build
from aqaa_eval.adapters.persistent_command import PersistentCommandModel
from aqaa_eval.core.attempt import Query
from aqaa_eval.core.errors import ModelError, ModelTimeout, UsageError
from tests.adapters.queries import ask, assistant, tone, user
from tests.adapters.test_command import write_program

LOOP = """
print("loading"); print(json.dumps({"ready": True}), flush=True)
n = 0
for line in sys.stdin:
    request = json.loads(line)
    n += 1
    key, reply = request["key"], {"key": request["key"]}
    if key == "exits": sys.exit("no more memory")
    if key == "hangs": time.sleep(60)
    if key == "floods":
        while True: print("x" * 1000)
    if key == "never ends a line":
        while True: sys.stdout.write("x" * 1000)
    if key == "reports": reply["error"] = "the voice is not loaded"
    if key == "early": reply["first_audio_s"] = 0.0001
    if key == "wrong time": reply["first_audio_s"] = 1e9
    if key == "broken": open(request["output_audio"], "w").write("RIFF")
    elif key != "silent": shutil.copy(request["messages"][-1]["audio"], request["output_audio"])
    open(request["output_text"], "w").write(f"{n}: {len(request['messages'])}")
    print("just so"); print("[1, 2]"); print(json.dumps({"key": "another"}))
    print(json.dumps(reply), flush=True)
"""


def start(folder: Path, body: str = LOOP, **options: float) -> PersistentCommandModel:
    model = build(str(write_program(folder, body)), {"persistent": True, **options})
    assert isinstance(model, PersistentCommandModel)
    return model


@pytest.fixture
def model(tmp_path: Path) -> Iterator[PersistentCommandModel]:
    made = start(tmp_path, timeout_s=10.0)
    yield made
    made.close()


def query(key: str = "s/a#0") -> Query:
    return ask(user(tone()), key=key)


def test_one_process_answers_all_turns(model: PersistentCommandModel) -> None:
    question, pid = tone(), model.pid
    response = model.answer(ask(user(question)))
    assert response.audio is not None
    assert np.array_equal(response.audio.pcm16, question.pcm16)
    assert (response.text, response.timing.first_audio_s) == ("1: 1", None)
    assert model.answer(ask(user(tone()), assistant("Ja"), user(tone()))).text == "2: 3"
    assert model.pid == pid


def test_it_is_the_same_model_as_one_that_is_started_per_turn(model: PersistentCommandModel, tmp_path: Path) -> None:
    assert model.identity == build(str(tmp_path / "program.py"), {}).identity


def test_it_may_tell_when_its_sound_began(model: PersistentCommandModel) -> None:
    assert model.answer(query("early")).timing.first_audio_s == 0.0001
    with pytest.raises(ModelError, match=r"first_audio_s is 1000000000\.0; it must lie between"):
        model.answer(query("wrong time"))


def test_no_sound_and_a_reported_error_and_a_broken_file_leave_it_running(model: PersistentCommandModel) -> None:
    pid = model.pid
    assert model.answer(query("silent")).audio is None
    with pytest.raises(ModelError, match=r"the voice is not loaded$"):
        model.answer(query("reports"))
    with pytest.raises(ModelError, match="not a readable audio file"):
        model.answer(query("broken"))
    assert model.answer(query()).text == "4: 1"
    assert model.pid == pid


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("exits", "ended with exit code 1; the last line of its log: no more memory"),
        ("floods", "more than 1048576 bytes on standard output and no reply"),
        ("never ends a line", "a line of more than 1048576 bytes"),
    ],
)
def test_a_program_that_breaks_costs_one_turn_and_is_started_again(
    model: PersistentCommandModel, key: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        model.answer(query(key))
    assert model.answer(query()).text == "1: 1"


def test_a_program_that_is_killed_costs_one_turn(model: PersistentCommandModel) -> None:
    assert model.pid is not None
    os.kill(model.pid, signal.SIGKILL)
    with pytest.raises(ModelError, match="was killed by SIGKILL"):
        model.answer(query())
    assert model.answer(query()).text == "1: 1"


def test_a_program_that_hangs_is_a_timeout(tmp_path: Path) -> None:
    model = start(tmp_path, timeout_s=1.0)
    with pytest.raises(ModelTimeout, match=r"no answer within 1 s \(timeout_s\)"):
        model.answer(query("hangs"))
    assert model.answer(query()).text == "1: 1"
    model.close()


def test_a_program_that_never_answers_is_given_up(tmp_path: Path) -> None:
    model = start(tmp_path, restarts=0)
    with pytest.raises(ModelError, match="exit code 1"):
        model.answer(query("exits"))
    with pytest.raises(ModelError, match=r"started 1 times without an answer and given up \(restarts=0\)"):
        model.answer(query())


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        (
            "sys.exit('no CUDA device')",
            {},
            'exit code 1; the last line of its log: no CUDA device; before it was {"ready"',
        ),
        ("time.sleep(60)", {"start_timeout_s": 1.0}, r"no {\"ready\": true} within 1 s \(start_timeout_s\)"),
        (LOOP, {"start_timeout_s": 0.0}, "above 0"),
        (LOOP, {"restarts": -1}, "at least 0"),
    ],
)
def test_a_program_that_does_not_become_ready_is_told_before_the_run(
    tmp_path: Path, body: str, options: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        start(tmp_path, body, **options)
