import json
import os
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.adapters.command import CommandModel, build
from aqaa_eval.core.answers import ENOUGH_S
from aqaa_eval.core.errors import ModelError, ModelTimeout, UsageError
from tests.adapters.queries import ask, assistant, tone, user


def write_program(folder: Path, body: str) -> Path:
    path = folder / "program.py"
    path.write_text(f"#!{sys.executable}\nimport json, os, shutil, subprocess, sys, time\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def model_of(folder: Path, body: str, **options: float) -> CommandModel:
    return build(str(write_program(folder, body)), options)


SAY_BACK = """
request = json.load(sys.stdin)
shutil.copy(request["messages"][-1]["audio"], request["output_audio"])
open(request["output_text"], "w").write("héllo\\n")
"""


def test_a_program_hears_the_question_and_its_wav_and_text_are_the_answer(tmp_path: Path) -> None:
    question = tone()
    response = model_of(tmp_path, SAY_BACK).answer(ask(user(question)))
    assert response.audio is not None
    assert np.array_equal(response.audio.pcm16, question.pcm16)
    assert response.text == "héllo"
    assert 0 < response.timing.total_s < 60


def test_a_program_sees_the_whole_history_key_and_seed_and_nothing_else(tmp_path: Path) -> None:
    body = f"""
request = json.load(sys.stdin)
request["exists"] = [os.path.exists(m["audio"]) if m["audio"] else None for m in request["messages"]]
open({str(tmp_path / "seen.json")!r}, "w").write(json.dumps(request))
"""
    query = ask(user(tone()), assistant("Four.", tone(frequency_hz=300)), user(tone()), key="gaming/g01#1", seed=7)
    response = model_of(tmp_path, body).answer(query)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert set(seen) == {"key", "seed", "messages", "output_audio", "output_text", "exists"}
    assert (seen["key"], seen["seed"]) == ("gaming/g01#1", 7)
    assert [(m["role"], m["text"]) for m in seen["messages"]] == [
        ("user", None),
        ("assistant", "Four."),
        ("user", None),
    ]
    assert seen["exists"] == [True, True, True]
    assert not os.path.exists(seen["messages"][0]["audio"]), "the files of a turn are removed after it"
    assert response.audio is None, "no file written is an answer without sound"
    assert response.text is None


def test_arguments_follow_the_program_and_reach_it_without_a_shell(tmp_path: Path) -> None:
    program = write_program(tmp_path, 'open(json.load(sys.stdin)["output_text"], "w").write("|".join(sys.argv[1:]))')
    model = build(f"{program} --voice 'b c' $HOME ;ls", {})
    assert model.answer(ask(user(tone()))).text == "--voice|b c|$HOME|;ls"


def test_a_program_that_fails_is_a_model_error_with_its_last_line(tmp_path: Path) -> None:
    model = model_of(tmp_path, 'sys.exit("first\\nno GPU found\\n\\n")')
    with pytest.raises(ModelError, match=r"exit code 1: no GPU found$"):
        model.answer(ask(user(tone())))


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    marker = tmp_path / "child.pid"
    body = f"""
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(marker)!r}, "w").write(str(child.pid))
time.sleep(60)
"""
    model = model_of(tmp_path, body, timeout_s=2.0)
    start = time.perf_counter()
    with pytest.raises(ModelTimeout, match="no answer within 2 s"):
        model.answer(ask(user(tone())))
    assert time.perf_counter() - start < 30
    assert not is_running(int(marker.read_text()))


def is_running(pid: int) -> bool:
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize(
    ("written", "reason"), [("b''", "empty"), ("b'RIFFxx'", "not a readable"), ("b'hello'", "not a readable")]
)
def test_a_broken_answer_file_is_a_model_error_that_says_so(tmp_path: Path, written: str, reason: str) -> None:
    model = model_of(tmp_path, f'open(json.load(sys.stdin)["output_audio"], "wb").write({written})')
    with pytest.raises(ModelError, match=reason):
        model.answer(ask(user(tone())))


def test_a_program_that_does_not_read_its_input_still_answers(tmp_path: Path) -> None:
    assert model_of(tmp_path, "sys.stdin.close()").answer(ask(user(tone()))).audio is None


def test_another_script_is_another_model(tmp_path: Path) -> None:
    first = model_of(tmp_path, SAY_BACK).identity
    assert first == model_of(tmp_path, SAY_BACK).identity
    assert first != model_of(tmp_path, SAY_BACK + "\n# changed").identity
    assert first.startswith("command:program.py@")


@pytest.mark.parametrize(
    ("argument", "options", "message"),
    [
        ("", {}, "which program"),
        ("./no-such-program", {}, "not an executable program"),
        ("'open", {}, "quote it"),
        ("true", {"timeout": 3}, "did you mean timeout_s"),
        ("true", {"timeout_s": 0.0}, "above 0"),
    ],
)
def test_a_wrong_command_is_refused_before_the_run(argument: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(argument, options)


def test_a_flood_on_standard_output_and_error_costs_no_memory_and_no_time(tmp_path: Path) -> None:
    body = (
        SAY_BACK
        + """
sys.stdout.write("x" * 50_000_000)
sys.stderr.write("y" * 50_000_000)
sys.exit("\\nthe last line")
"""
    )
    with pytest.raises(ModelError, match=r"exit code 1: the last line$"):
        model_of(tmp_path, body, timeout_s=60.0).answer(ask(user(tone())))


def test_a_program_that_is_killed_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="was killed by SIGKILL"):
        model_of(tmp_path, "os.kill(os.getpid(), 9)").answer(ask(user(tone())))


def test_a_program_that_leaves_a_daemon_behind_is_not_waited_for(tmp_path: Path) -> None:
    body = SAY_BACK + 'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])'
    start = time.perf_counter()
    assert model_of(tmp_path, body).answer(ask(user(tone()))).audio is not None
    assert time.perf_counter() - start < 30


def test_a_program_that_answers_and_does_not_exit_is_a_timeout(tmp_path: Path) -> None:
    with pytest.raises(ModelTimeout):
        model_of(tmp_path, SAY_BACK + "time.sleep(60)", timeout_s=1.5).answer(ask(user(tone())))


@pytest.mark.parametrize("path", ["output_audio", "output_text"])
def test_a_pipe_where_a_file_should_be_is_not_waited_for(tmp_path: Path, path: str) -> None:
    model = model_of(tmp_path, f'os.mkfifo(json.load(sys.stdin)["{path}"])')
    if path == "output_audio":
        with pytest.raises(ModelError, match="not a regular file"):
            model.answer(ask(user(tone())))
    else:
        assert model.answer(ask(user(tone()))).text is None


def test_an_endless_text_is_refused(tmp_path: Path) -> None:
    model = model_of(tmp_path, 'open(json.load(sys.stdin)["output_text"], "w").write("x" * 5_000_000)')
    with pytest.raises(ModelError, match=r"answer\.txt has 5000000 bytes"):
        model.answer(ask(user(tone())))


def test_a_wav_of_twenty_minutes_is_read_just_far_enough(tmp_path: Path) -> None:
    body = """
import wave
with wave.open(json.load(sys.stdin)["output_audio"], "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(8000)
    file.writeframes(b"\\x10\\x10" * 8000 * 1200)
"""
    audio = model_of(tmp_path, body).answer(ask(user(tone()))).audio
    assert audio is not None
    assert audio.duration_s == ENOUGH_S
