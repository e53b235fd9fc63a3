from __future__ import annotations

import threading
import time
from pathlib import Path

from aqaa_eval.core.attempt import Query, Response, Timing
from tests.engine.builders import ToneSuite, drive, dump, request


class Crowd:
    """A model that may be asked by several threads, and that notes how many came at once."""

    identity = "crowd"

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.n_most_at_once = 0
        self._n_inside = 0
        self._lock = threading.Lock()

    def answer(self, query: Query) -> Response:
        with self._lock:
            self._n_inside += 1
            self.n_most_at_once = max(self.n_most_at_once, self._n_inside)
        time.sleep(0.05)
        with self._lock:
            self._n_inside -= 1
        audio = query.question.audio
        return Response(audio=audio, text=None, timing=Timing(first_audio_s=None, total_s=0.05))


def test_a_model_that_says_so_is_asked_by_several_conversations_at_once(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=6)
    one, three = Crowd(1), Crowd(3)
    drive(request(tmp_path / "one", one, suite=suite))
    drive(request(tmp_path / "three", three, suite=suite))
    assert (one.n_most_at_once, three.n_most_at_once) == (1, 3)


def test_what_a_concurrent_run_stores_is_what_a_patient_one_stores(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=6)
    for width in (1, 4):
        drive(request(tmp_path / str(width), Crowd(width), suite=suite))
    assert dump(tmp_path / "1") == dump(tmp_path / "4")
    assert not list((tmp_path / "4").rglob("*.part"))
