from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from aqaa_eval.core.errors import NotComparable, UsageError
from aqaa_eval.reports.compare import compare
from aqaa_eval.reports.compare_table import comparison_json, print_comparison
from tests.reports.builders import attempt, check, run_log, score

FOLDER = Path("runs/one")


def run(values: dict[str, float], *, passes: bool = True, suite: str = "gaming"):
    return run_log(
        FOLDER,
        [
            attempt(suite, key, [score("mos", value, evidence=(check("says_number(4)", passes),))])
            for key, value in values.items()
        ],
    )


def test_a_difference_is_taken_on_the_conversations_that_both_have():
    first = run({"a": 2.0, "b": 3.0, "gone": 5.0})
    other = run({"a": 3.0, "b": 4.5, "new": 1.0})
    [pair] = compare([first, other]).pairs
    [suite] = pair.suites
    assert (suite.first, suite.other, suite.difference.value) == (2.5, 3.75, 1.25)
    assert (pair.only_first, pair.only_other) == (("gaming/gone",), ("gaming/new",))


def test_a_check_that_flips_is_named_with_its_conversation():
    first, other = run({"a": 5.0}), run({"a": 1.0}, passes=False)
    [change] = compare([first, other]).pairs[0].changes
    assert (change.key, change.lost, change.gained) == ("gaming/a", ("turn 1: says_number(4)",), ())
    assert change.step == -4.0


def test_the_largest_loss_comes_first_and_what_did_not_change_is_left_out():
    first = run({"same": 3.0, "up": 2.0, "down": 4.0, "far": 5.0})
    other = run({"same": 3.0, "up": 4.0, "down": 3.5, "far": 1.0})
    assert [change.key[7:] for change in compare([first, other]).pairs[0].changes] == ["far", "down", "up"]


def test_twenty_equal_gains_are_clear_and_two_are_not():
    def gained(n: int):
        [pair] = compare(
            [run({f"c{i}": 2.0 + i % 3 for i in range(n)}), run({f"c{i}": 3.0 + i % 3 for i in range(n)})]
        ).pairs
        return pair.suites[0]

    assert gained(20).is_clear
    assert not gained(2).is_clear


def test_every_later_run_is_held_against_the_first():
    runs = [run({"a": 1.0, "b": 2.0}), run({"a": 2.0, "b": 3.0}), run({"a": 4.0, "b": 5.0})]
    found = compare(runs)
    assert [pair.overall.value for pair in found.pairs] == [1.0, 3.0]
    assert len(set(found.names)) == 1 or len(found.names) == 3


def test_runs_measured_differently_are_refused_with_the_part_that_differs():
    first = run({"a": 1.0})
    other = replace(first, manifest=replace(first.manifest, judge="checks 2"))
    with pytest.raises(NotComparable, match="judge: checks 1 against checks 2"):
        compare([first, other])
    assert compare([first, other], allowed=["judge"]).pairs[0].allowed[0].part == "judge"
    with pytest.raises(UsageError, match="'ears' is no part"):
        compare([first, other], allowed=["ears"])


def test_one_run_and_runs_without_a_common_conversation_are_refused():
    with pytest.raises(UsageError, match="two or more"):
        compare([run({"a": 1.0})])
    with pytest.raises(NotComparable, match="share no conversation"):
        compare([run({"a": 1.0}), run({"b": 1.0})])


def test_the_table_and_the_json_hold_the_same_figures():
    found = compare([run({"a": 2.0, "b": 3.0}), run({"a": 3.0, "b": 4.5}, passes=False)])
    console = Console(file=io.StringIO(), width=160)
    print_comparison(found, console)
    text = console.file.getvalue()
    assert "+1.25" in text
    assert "lost turn 1: says_number(4)" in text
    values = json.loads(json.dumps(comparison_json(found), allow_nan=False))
    assert values["pairs"][0]["suites"][0]["difference"]["value"] == 1.25


def test_a_judge_that_drifted_in_one_run_is_told_by_the_runs_name():
    drifted = replace(run({"a": 1.0}), notes=("anchors: DRIFT of openai:m [0.5]",))
    found = compare([run({"a": 2.0}), drifted])
    assert found.notes == (f"{found.names[1]}: anchors: DRIFT of openai:m [0.5]",)
    console = Console(file=io.StringIO(), width=80)
    print_comparison(found, console)
    assert f"note: {found.notes[0]}" in console.file.getvalue()
    assert comparison_json(found)["notes"] == found.notes
