from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import aqaa_eval
from aqaa_eval.adapters.isolated import IsolatedModel, isolate
from aqaa_eval.adapters.wire import WireError, pack, unpack
from aqaa_eval.catalog import make_model
from aqaa_eval.core.answers import ENOUGH_S
from aqaa_eval.core.attempt import Query
from aqaa_eval.core.errors import DataError, MissingWeights, ModelError, ModelTimeout, UsageError
from aqaa_eval.core.runspec import RunSpec
from tests.adapters.queries import ask, assistant, tone, user
from tests.adapters.test_command import is_running

TARGET = "tests.adapters.hostile_models:build"
ROOT = Path(aqaa_eval.__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _children_find_the_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("AQAA_TEST_PID_FILE", str(tmp_path / "pid"))


def start(argument: str = "", *, log: Path | None = None, **options: float) -> IsolatedModel:
    return isolate(TARGET, argument, options, python=sys.executable, log=log)


@pytest.fixture
def model(tmp_path: Path) -> Iterator[IsolatedModel]:
    made = start(log=tmp_path / "model.log", worker_timeout_s=5.0)
    yield made
    made.close()


def query(key: str = "s/a#0", seed: int = 5) -> Query:
    return ask(user(tone()), key=key, seed=seed)


def test_an_answer_from_another_process_is_the_same_to_the_bit(model: IsolatedModel) -> None:
    samples = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    question = tone()
    history = (user(question), assistant("Vier – 四", tone(frequency_hz=200)), user(None))
    assert model.answer(ask(*history)).audio is None
    audio = type(question)(samples=samples, sample_rate_hz=22_050)
    response = model.answer(ask(*history[:2], user(audio), seed=7))
    assert response.audio is not None
    assert np.array_equal(response.audio.samples, samples)
    assert response.audio.sample_rate_hz == 22_050
    assert (response.text, response.timing.first_audio_s, response.timing.total_s) == ("2: 7", 0.1, 0.5)


def test_the_identity_is_that_of_the_model_and_the_environment_is_told_apart(model: IsolatedModel) -> None:
    assert model.identity == "hostile@1"
    assert model.environment["python"] == sys.version.split()[0]
    assert "numpy" in model.environment


@pytest.mark.parametrize("key", ["prints", "reads", "floods"])
def test_what_a_model_prints_or_reads_does_not_get_between_the_messages(model: IsolatedModel, key: str) -> None:
    assert model.answer(query(key)).text == "1: 5"
    assert model.answer(query()).text == "2: 5"


def test_what_a_model_prints_is_in_the_log_up_to_a_limit(model: IsolatedModel, tmp_path: Path) -> None:
    model.answer(query("prints"))
    model.answer(query("floods"))
    model.close()
    log = (tmp_path / "model.log").read_bytes()
    assert b"a model that prints" in log
    assert b"a child that prints" in log
    assert 10_000_000 < len(log) <= 16 * 1024 * 1024 + 65536


def test_a_key_that_a_model_prints_is_blanked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-123456")
    model = start(log=tmp_path / "model.log")
    model.answer(query("tells a key"))
    model.close()
    assert "my key is ***" in (tmp_path / "model.log").read_text()
    assert "planted" not in (tmp_path / "model.log").read_text()


@pytest.mark.parametrize(("key", "reason"), [("killed", "was killed by SIGKILL"), ("exits", "ended with exit code 3")])
def test_a_child_that_ends_costs_one_answer_and_is_started_again(model: IsolatedModel, key: str, reason: str) -> None:
    before = model.pid
    with pytest.raises(ModelError, match=reason):
        model.answer(query(key))
    assert model.answer(query()).text == "1: 5", "a new process has answered nothing yet"
    assert model.pid != before


def test_a_child_that_is_killed_between_two_answers_costs_one_answer(model: IsolatedModel) -> None:
    assert model.pid is not None
    os.kill(model.pid, signal.SIGKILL)
    with pytest.raises(ModelError, match="was killed by SIGKILL"):
        model.answer(query())
    assert model.answer(query()).text == "1: 5"


def test_a_child_that_hangs_is_a_timeout_and_goes_with_all_that_it_started(tmp_path: Path) -> None:
    model = start(worker_timeout_s=1.5)
    start_s = time.perf_counter()
    with pytest.raises(ModelTimeout, match=r"no answer from the model's process within 1\.5 s \(worker_timeout_s\)"):
        model.answer(query("hangs with a child"))
    assert time.perf_counter() - start_s < 20
    assert not is_running(int((tmp_path / "pid").read_text()))
    assert model.answer(query()).text == "1: 5"
    model.close()


def test_a_stopped_child_that_takes_no_question_is_a_timeout(model: IsolatedModel) -> None:
    assert model.pid is not None
    os.kill(model.pid, signal.SIGSTOP)
    with pytest.raises(ModelTimeout):
        model.answer(ask(user(tone(duration_s=60))))


def test_a_model_that_never_answers_is_given_up_after_so_many_starts() -> None:
    model = start(worker_restarts=1)
    for _ in range(2):
        with pytest.raises(ModelError, match="exit code 3"):
            model.answer(query("exits"))
    with pytest.raises(ModelError, match=r"started 2 times without an answer and is given up \(worker_restarts=1\)"):
        model.answer(query())


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        ("breaks", ModelError, r"ValueError: shape \[1, 2\] is not"),
        ("refuses", ModelError, "^the prompt is too long$"),
        ("is late", ModelTimeout, "the server did not answer"),
    ],
)
def test_what_is_raised_there_is_raised_here_and_the_child_lives_on(
    model: IsolatedModel, key: str, kind: type[Exception], message: str
) -> None:
    before = model.pid
    with pytest.raises(kind, match=message):
        model.answer(query(key))
    assert model.answer(query()).text == "2: 5"
    assert model.pid == before


def test_an_answer_of_twenty_minutes_is_cut_before_it_travels(model: IsolatedModel) -> None:
    audio = model.answer(query("long")).audio
    assert audio is not None
    assert audio.duration_s == ENOUGH_S


@pytest.mark.parametrize(
    ("argument", "kind", "message"),
    [
        ("dies", UsageError, "ended with exit code 7"),
        ("slow", UsageError, "not loaded within 2 s"),
        ("wrong", UsageError, "^hostile has no setting 'x'$"),
        ("no weights", MissingWeights, "hf download some/model"),
        ("no package", MissingWeights, "a_package_that_is_not_there.*install it in the environment"),
    ],
)
def test_a_model_that_cannot_be_loaded_says_why(argument: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        start(argument, worker_start_timeout_s=2.0)


def test_another_model_after_a_restart_is_refused() -> None:
    model = start("changes")
    with pytest.raises(ModelError, match="killed"):
        model.answer(query("killed"))
    with pytest.raises(ModelError, match="it is now hostile@1, and was hostile@0"):
        model.answer(query())


@pytest.mark.parametrize("python", ["/no/such/python", "/etc/passwd"])
def test_an_interpreter_that_is_none_is_refused(python: str) -> None:
    with pytest.raises(UsageError, match="not an executable"):
        isolate(TARGET, "", {}, python=python)


def test_a_program_that_is_no_python_is_refused() -> None:
    with pytest.raises(UsageError, match=r"process (ended with exit code|closed)"):
        isolate(TARGET, "", {}, python="/bin/true")


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="above 0"):
        start(worker_timeout_s=0.0)


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    body = f"""
import sys, time
from aqaa_eval.adapters.isolated import isolate
from tests.adapters.queries import ask, tone, user
model = isolate({TARGET!r}, "", {{}}, python=sys.executable)
print(model.pid, flush=True)
model.answer(ask(user(tone()), key="hangs"))
"""
    parent = subprocess.Popen([sys.executable, "-c", body], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    time.sleep(0.5)  # into the answer
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert not is_running(pid)


def bare_environment(folder: Path, *packages: str) -> str:
    """A virtual environment without pip that sees nothing but the named packages of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    ours = Path(np.__file__).parents[1]
    for package in packages:
        for path in ours.glob(package):
            (site / path.name).symlink_to(path)
    return str(folder / "bin" / "python")


def test_another_environment_needs_numpy_alone_for_a_model_that_needs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    python = bare_environment(tmp_path / "venv", "numpy", "numpy.libs")
    (tmp_path / "echo.py").write_text(
        "from aqaa_eval.core.attempt import Response, Timing\n"
        "class Echo:\n"
        "    identity = 'echo@1'\n"
        "    def answer(self, query):\n"
        "        timing = Timing(first_audio_s=0.1, total_s=0.5)\n"
        "        return Response(audio=query.question.audio, text=None, timing=timing)\n"
    )
    spec = RunSpec(model=f"python:{tmp_path / 'echo.py'}:Echo", python=python)
    other = make_model(spec)
    here = make_model(spec.model_copy(update={"python": None}))
    assert other.identity == here.identity
    assert "torch" not in other.environment  # type: ignore[attr-defined]
    theirs, ours = other.answer(query()), here.answer(query())
    assert theirs.audio is not None
    assert ours.audio is not None
    assert theirs.audio.content_hash == ours.audio.content_hash
    assert theirs.timing == ours.timing
    other.close()  # type: ignore[attr-defined]


def test_an_environment_without_numpy_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH")
    python = bare_environment(tmp_path / "venv")
    with pytest.raises(UsageError, match=r"No module named 'numpy'.*-m pip install numpy soundfile soxr"):
        make_model(RunSpec(model="fake:echo", python=python))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff\xff\xff", "header of 4294967295 bytes"),
        (b"\x00\x00\x00\x02{}", "no JSON object with n_samples"),
        (b'\x00\x00\x00\x11{"n_samples":[9]}', r"sounds of \[9\] samples; the limit is 8"),
        (b'\x00\x00\x00\x12{"n_samples":[-1]}', r"sounds of \[-1\]"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes, reason: str) -> None:
    left = bytearray(data)

    def read(n_bytes: int) -> bytes:
        taken = bytes(left[:n_bytes])
        del left[:n_bytes]
        return taken

    with pytest.raises((WireError, DataError), match=reason):
        unpack(read, max_samples=8)


def test_packing_is_undone_by_unpacking() -> None:
    from aqaa_eval.adapters.wire import pack_query, unpack_query

    original = ask(user(tone()), assistant("Ja"), user(tone(sample_rate_hz=44_100)), seed=2**31 - 1)
    left = bytearray(pack(pack_query(original)))

    def read(n_bytes: int) -> bytes:
        taken = bytes(left[:n_bytes])
        del left[:n_bytes]
        return taken

    again = unpack_query(unpack(read))
    assert (again.key, again.seed) == (original.key, original.seed)
    assert [message.text for message in again.messages] == [None, "Ja", None]
    assert not left
    for one, other in zip(again.messages, original.messages, strict=True):
        assert (one.audio is None) is (other.audio is None)
        if one.audio is not None and other.audio is not None:
            assert np.array_equal(one.audio.samples, other.audio.samples)
