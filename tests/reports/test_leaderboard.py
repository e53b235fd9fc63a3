"""Ranks, groups, wins; who is ranked and who is not; a site that is a pure function of its runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.core.digest import records_sha256
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.reports.leaderboard import Board, BoardSettings, Entry, build_board
from aqaa_eval.reports.leaderboard_site import board_json, build_site, render_board
from aqaa_eval.reports.published import MARK
from tests.reports.boards import SUITES, made, three, with_asr
from tests.reports.payloads import PAYLOADS, hostile_log


def board_of(*logs, **settings) -> Board:
    return build_board([Entry(log=log) for log in logs], BoardSettings(**settings))


def reasons(board: Board) -> dict[str, str]:
    return {row.name: row.reason for row in board.apart}


def test_the_better_one_is_first_and_those_that_are_alike_share_ranks_and_a_letter() -> None:
    board = board_of(*three())
    best, *rest = board.rankings[0].standings
    assert (best.name, best.rank, best.low, best.high) == ("best", 1, 1, 1)
    assert {(row.low, row.high) for row in rest} == {(2, 3)}
    assert rest[0].group == rest[1].group != best.group
    assert best.estimate.value == pytest.approx(3.7, abs=0.05)
    assert best.estimate.low < best.estimate.value < best.estimate.high


def test_every_suite_has_its_own_ranking() -> None:
    board = board_of(*three())
    assert [ranking.suite for ranking in board.rankings] == ["overall", *SUITES]
    assert all(len(ranking.standings) == 3 for ranking in board.rankings)
    assert [ranking.n_shared for ranking in board.rankings] == [48, 12, 12, 12, 12]


def test_wins_and_strengths_say_the_same() -> None:
    board = board_of(*three())
    share = {(duel.first, duel.second): duel.share for duel in board.duels}
    assert share["best", "other"] > 0.9
    assert share["best", "other"] + share["other", "best"] == pytest.approx(1)
    assert max(board.strengths, key=board.strengths.get) == "best"


def test_the_order_of_the_runs_a_second_copy_and_their_folders_change_nothing() -> None:
    logs = three()
    moved = [replace(log, folder=Path("elsewhere"), attempts=log.attempts[::-1]) for log in logs[::-1]]
    assert board_json(board_of(*logs)) == board_json(board_of(*moved, logs[0]))


def test_runs_of_one_model_are_told_apart_by_their_records_or_by_given_names() -> None:
    logs = [made("same", 3.0), made("same", 3.5)]
    names = [row.name for row in board_of(*logs).runs]
    assert {name.split(" (")[0] for name in names} == {"same"}
    assert len(set(names)) == 2
    named = build_board([Entry(log=logs[0], name="before"), Entry(log=logs[1], name="after")])
    assert [row.name for row in named.runs] == ["after", "before"]
    with pytest.raises(UsageError, match="names two runs"):
        build_board([Entry(log=logs[0], name="x"), Entry(log=logs[1], name="x")])


def test_another_chain_is_listed_apart_with_what_differs() -> None:
    board = board_of(*three(), with_asr(made("deaf", 5.0), "whisper:tiny"))
    assert board.runs[0].name == "best"
    assert "asr: whisper:base sha256:ed3a0b6b against whisper:tiny" in reasons(board)["deaf"]


def test_a_run_that_lacks_suites_conversations_or_its_end_is_listed_apart_with_the_reason() -> None:
    partly = made("partly", 5.0, suites=SUITES[:3])
    few = made("few", 5.0, n=6)
    cut = replace(made("cut", 5.0), n_planned=60)
    board = board_of(*three(), partly, few, cut)
    assert len(board.runs) == 3
    assert reasons(board) == {
        "partly": f"no mos in 1 suite: {SUITES[3]}",
        "few": "24 of 48 conversations have a score (50.0%); 95% needed",
        "cut": "incomplete: 48 of 60 planned conversations were begun",
    }


def test_a_few_lost_conversations_leave_a_run_in_and_count_for_nobody() -> None:
    logs = three()
    lost = replace(
        logs[0], attempts=tuple(replace(a, scores=()) if i == 0 else a for i, a in enumerate(logs[0].attempts))
    )
    board = board_of(lost, *logs[1:])
    assert board.rankings[0].n_shared == 47
    assert {row.name: row.n_scored for row in board.runs} == {"best": 47, "alike": 48, "other": 48}


def test_suites_can_be_chosen() -> None:
    board = board_of(*three(), made("partly", 5.0, suites=SUITES[:3]), suites=SUITES[:2])
    assert [ranking.suite for ranking in board.rankings] == ["overall", *SUITES[:2]]
    assert board.runs[0].name == "partly"
    with pytest.raises(UnknownName, match="no suite named 'sining'"):
        board_of(*three(), suites=("sining",))


def test_cost_and_latency_are_of_the_answers() -> None:
    row = {row.name: row for row in board_of(*three()).runs}["best"]
    assert row.machine_s_per_turn == pytest.approx(3.8)
    assert row.latency.first_audio_s.p50 == pytest.approx(0.76)
    assert row.latency.real_time_factor.p50 == pytest.approx(1.9)


def test_one_run_alone_and_none_at_all() -> None:
    board = board_of(made("only", 3.0))
    assert [(row.rank, row.low, row.high) for row in board.rankings[0].standings] == [(1, 1, 1)]
    assert board.duels == ()
    assert "only" in render_board(board)
    with pytest.raises(UsageError, match="one or more"):
        build_board([])


def test_a_board_on_which_nobody_can_be_ranked_says_so() -> None:
    page = render_board(board_of(replace(made("cut", 3.0), n_planned=99)))
    assert "No runs can be ranked" in page
    assert "48 of 99 planned" in page


def test_the_hash_is_of_the_records_and_not_of_where_they_lie() -> None:
    log = made("a", 3.0)
    assert records_sha256(replace(log, folder=Path("b"), attempts=log.attempts[::-1])) == records_sha256(log)
    first = log.attempts[0]
    changed = replace(first, scores=(replace(first.scores[0], reason="another"),))
    assert records_sha256(replace(log, attempts=(changed, *log.attempts[1:]))) != records_sha256(log)


def test_the_site_is_the_same_to_the_byte_and_holds_every_number(tmp_path: Path) -> None:
    entries = [Entry(log=log) for log in three()]
    for name in ("a", "b"):
        build_site(entries, tmp_path / name)
    for file in ("index.html", "data.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    data = json.loads((tmp_path / "a" / "data.json").read_text("utf-8"))
    assert [row["records_sha256"] for row in data["runs"]] == [
        records_sha256(log)
        for log in sorted(three(), key=lambda log: [r["name"] for r in data["runs"]].index(log.spec.model))
    ]
    assert data["rankings"][0]["standings"][0]["low"] == 1


def test_a_report_beside_the_run_is_copied_and_linked(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    (folder / "report.html").write_text("the report")
    site = tmp_path / "site"
    board = build_site([Entry(log=made("a/b model", 3.0, folder=folder)), Entry(log=made("none", 3.0))], site)
    linked = {row.name: row.report for row in board.runs}
    assert linked["none"] == ""
    assert (site / linked["a/b model"]).read_text() == "the report"
    assert f'href="{linked["a/b model"]}"' in (site / "index.html").read_text("utf-8")


def test_published_rows_stand_apart_and_marked() -> None:
    page = render_board(board_of(*three()))
    ranking, published = page.split('id="published"')
    assert "Step-Audio-AQAA" not in ranking
    assert published.count(f'<span class="mark">{MARK}</span>') == 4


def test_every_ranked_model_has_a_radar() -> None:
    assert render_board(board_of(*three())).count('<figure class="radar">') == 3


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_that_are_markup_stay_text(payload: str, tmp_path: Path) -> None:
    log = hostile_log(tmp_path, payload)
    entries = [Entry(log=log, name=payload), Entry(log=with_asr(log, payload + "x"), name=payload + " again")]
    page = render_board(build_board(entries))
    body = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    if "<" in payload:
        assert payload not in body
    assert not re.search(r"<(script|iframe|object|base|link rel=stylesheet|meta http-equiv=refresh)", body)
