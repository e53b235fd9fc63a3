"""Work in other processes: in order, done when the block ends, and its errors are told here."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import torch

from aqaa_eval.reference_model.training.side_by_side import beside, in_processes, tell


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_parts_come_back_in_order_with_their_numbers(n_jobs):
    assert list(in_processes(n_jobs, operator.mul, [5, 6, 7])) == [0, 6, 14]


def test_work_beside_is_done_when_it_is_waited_for_and_at_the_end(tmp_path):
    threads = torch.get_num_threads()
    with beside(2, os.mkdir, tmp_path / "made") as wait:
        assert torch.get_num_threads() == max(1, threads // 2)
        wait()
        assert (tmp_path / "made").is_dir()
        assert torch.get_num_threads() == threads
    with beside(2, os.mkdir, tmp_path / "unasked"):
        pass
    assert (tmp_path / "unasked").is_dir()


class SlowToPickle:
    def __reduce__(self):
        time.sleep(0.5)
        return str, ("there",)


def test_the_block_may_change_what_the_work_was_given():
    given = {"one": SlowToPickle(), "two": 2}
    with beside(2, dict.__len__, given) as wait:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            given[len(given)] = 0
        wait()


def test_what_the_work_tells_is_heard_here_in_order():
    heard = []
    with beside(2, tell_thrice, "flow", hear=lambda *news: heard.append(news)) as wait:
        wait()
    assert heard == [("flow", number, {"loss": 0.5}) for number in (1, 2, 3)]


def tell_thrice(stage):
    for number in (1, 2, 3):
        tell(stage, number, {"loss": 0.5})


def test_nobody_hears_what_is_told_from_no_work():
    tell("flow", 1, {})


def test_with_one_job_nothing_is_begun(tmp_path):
    with beside(1, os.mkdir, tmp_path / "made") as wait:
        wait()
    assert not (tmp_path / "made").exists()


def test_what_the_work_raises_is_raised_here(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), beside(2, os.rmdir, tmp_path / "nowhere"):
        pass


def test_what_fails_beside_is_said_while_the_block_goes_on(tmp_path, caplog):
    said_meanwhile = []

    def wait_for_it() -> None:
        end = time.monotonic() + 60
        while not caplog.records and time.monotonic() < end:
            time.sleep(0.05)
        said_meanwhile.append(caplog.text)

    with pytest.raises(FileNotFoundError), beside(2, os.rmdir, tmp_path / "nowhere"):
        wait_for_it()
    assert "FileNotFoundError" in said_meanwhile[0]
    assert "nowhere" in said_meanwhile[0]


def test_an_error_here_does_not_wait_for_the_work():
    threads, begun = torch.get_num_threads(), time.monotonic()
    with pytest.raises(ValueError, match="mine"), beside(2, time.sleep, 600):
        raise ValueError("mine")
    assert time.monotonic() - begun < 300
    assert torch.get_num_threads() == threads


SCRIPT = """
import time
from aqaa_eval.reference_model.training.side_by_side import beside

def work():
    print("begun", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    with beside(2, work):
        time.sleep(600)
"""


def test_the_work_of_a_killed_process_ends_too(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.kill()
        process.communicate(timeout=60)  # its output ends when the last process that could write to it has
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
