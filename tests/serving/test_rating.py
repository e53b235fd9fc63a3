"""Rating: what a session asks, what it writes, and what its server gives away (nothing)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.serving.rating.server import RatingServer
from aqaa_eval.serving.rating.session import COLUMNS, Session, SessionSettings, make_tasks
from tests.serving.builders import call
from tests.serving.rating_runs import rated_run


def session(tmp_path: Path, *, pair: bool = False, out: str = "human.csv", **settings: Any) -> Session:
    runs = {"alpha": rated_run(tmp_path / "alpha", model="modelx", hz=180)}
    if pair:
        runs["beta"] = rated_run(tmp_path / "beta", model="modely", hz=260, silent=(1,))
    given = SessionSettings(**{"rater": "ann", **settings})
    return Session(make_tasks(runs, given), given, tmp_path / out)


def rows(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "human.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_order_is_shuffled_by_the_seed_and_by_nothing_else(tmp_path: Path) -> None:
    orders = [[task.attempt.sample for task in session(tmp_path, seed=seed).tasks] for seed in (0, 0, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == ["g00", "g01", "g02", "g03"] for order in orders)


def test_a_rating_is_in_the_file_at_once_and_a_later_session_goes_on_there(tmp_path: Path) -> None:
    first = session(tmp_path)
    number = first.next_task()
    assert number is not None
    first.rate(number, 4)
    [row] = rows(tmp_path)
    assert tuple(row) == COLUMNS
    assert (row["rater"], row["run"], row["metric"], row["rating"]) == ("ann", "alpha", "content", "4")
    again = session(tmp_path)
    assert again.n_done == 1
    assert again.next_task() != number
    assert session(tmp_path, rater="bob").n_done == 0
    assert session(tmp_path, metric="delivery").n_done == 0


def test_a_row_that_was_cut_off_is_taken_away_and_asked_again(tmp_path: Path) -> None:
    first = session(tmp_path)
    first.rate(0, 4)
    first.rate(1, 2)
    path = tmp_path / "human.csv"
    path.write_bytes(path.read_bytes()[:-4])
    again = session(tmp_path)
    assert again.n_done == 1
    again.rate(1, 2)
    assert [row["rating"] for row in rows(tmp_path)] == ["4", "2"]


def test_the_file_is_what_calibrate_reads(tmp_path: Path) -> None:
    from aqaa_eval.judges.ratings import read_ratings

    one = session(tmp_path, rater='ann, the "first"')
    for number, value in enumerate((1, 3, 5)):
        one.rate(number, value)
    one.rate(0, 2)
    read = read_ratings(tmp_path / "human.csv")
    assert sorted(rating.value for rating in read.ratings) == [2.0, 3.0, 5.0]
    assert {rating.rater for rating in read.ratings} == {'ann, the "first"'}
    assert [problem.rule for problem in read.problems] == ["rated again in line 5, which counts"]


def test_of_two_runs_the_sides_are_drawn_and_the_file_says_which_run_was_better(tmp_path: Path) -> None:
    one = session(tmp_path, pair=True)
    assert len(one.tasks) == 3  # of the fourth, one side is silent
    assert {session(tmp_path, pair=True, seed=seed).tasks[0].is_swapped for seed in range(8)} == {True, False}
    for number in range(3):
        one.rate(number, 1)  # always the first on the page
    for task, row in zip(one.tasks, rows(tmp_path), strict=True):
        assert (row["run"], row["metric"]) == ("alpha+beta", "preference")
        assert row["rating"] == ("5" if task.is_swapped else "1")
    with pytest.raises(ValueError, match="must be one of 1, 3, 5"):
        one.rate(0, 2)


def test_the_server_tells_nothing_that_would_unblind(tmp_path: Path) -> None:
    one = session(tmp_path, pair=True)
    with RatingServer(one, port=0) as server:
        told = [call(f"{server.url}{path}") for path in ("/", "/rate.js", "/rate.css", "/v1/task", "/v1/sound/0/0/0")]
        rated = call(f"{server.url}/v1/rating", {"number": 0, "rating": 5})
    assert all(reply.status == 200 for reply in (*told, rated))
    for reply in (*told, rated):
        everything = reply.body + repr(sorted(reply.headers.items())).encode()
        for secret in (b"modelx", b"modely", b"4.125", b"the-judge", b"alpha", b"beta", b"secret reference", b'said."'):
            assert secret not in everything
    assert told[4].body[:4] == b"RIFF"
    assert rated.json()["n_done"] == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"number": 0, "rating": 6}, "must be one of"),
        ({"number": 99, "rating": 3}, "not one of"),
        ({"number": "0", "rating": 3}, "whole numbers"),
        ({"number": True, "rating": 3}, "whole numbers"),
        ([1], "no rating"),
        (b"{", "no rating"),
    ],
)
def test_what_is_no_rating_is_refused_and_not_written(tmp_path: Path, body: object, told: str) -> None:
    with RatingServer(session(tmp_path), port=0) as server:
        reply = call(f"{server.url}/v1/rating", body)
    assert reply.status == 400
    assert told in reply.error["message"]
    assert rows(tmp_path) == []


def test_other_sites_other_hosts_and_other_machines_without_the_token_are_turned_away(tmp_path: Path) -> None:
    one = session(tmp_path)
    body = {"number": 0, "rating": 3}
    with RatingServer(one, port=0, token="a-long-enough-token") as server:
        url = f"{server.url}/v1/rating"
        right = {"Authorization": "Bearer a-long-enough-token"}
        assert call(url, body, headers={**right, "Origin": "https://evil.example"}).status == 403
        assert call(url, body, headers={**right, "Host": "evil.example"}).status == 403
        assert call(url, body).status == 401
        assert call(f"{server.url}/v1/sound/0/0/0").status == 401
        assert "default-src 'none'" in call(f"{server.url}/").headers["content-security-policy"]
        assert rows(tmp_path) == []
        assert call(url, body, headers=right).status == 200
    with pytest.raises(UsageError, match="needs a token"):
        RatingServer(one, host="0.0.0.0", port=0)


def test_recordings_that_do_not_exist_are_not_found(tmp_path: Path) -> None:
    with RatingServer(session(tmp_path), port=0) as server:
        paths = ("sound/0/1/0", "sound/9/0/0", "question/0/7", "task?number=9", "task?number=x")
        assert [call(f"{server.url}/v1/{path}").status for path in paths] == [404, 404, 404, 400, 400]


def test_wrong_use_is_told(tmp_path: Path) -> None:
    (tmp_path / "human.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="first line"):
        session(tmp_path)
    with pytest.raises(UsageError, match="--rater"):
        SessionSettings(rater=" ")
    mute = {"m": rated_run(tmp_path / "m", model="m", hz=100, n=1, silent=(0,))}
    with pytest.raises(UsageError, match="nothing to listen to"):
        make_tasks(mute, SessionSettings(rater="ann"))
