"""The nine bundled suites: sound, fitting their scripts, and with checks that tell right answers from others."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from aqaa_eval.core.sample import Sample, Turn
from aqaa_eval.tasks.checks import evaluate
from aqaa_eval.tasks.speaking.script import read_script
from aqaa_eval.tasks.speaking.studio import describe
from aqaa_eval.tasks.speaking.voices import VOICES
from aqaa_eval.tasks.suite import BUNDLED, FolderSuite, bundled_suite
from aqaa_eval.tasks.validate import validate_suite
from aqaa_eval.tasks.wording import said

TASKS = Path(__file__).parents[2] / "tasks"
MAX_SIZE_BYTES = 20_000_000


def all_turns(suite: FolderSuite) -> list[Turn]:
    return [turn for sample in suite.samples() for turn in sample.turns]


def share_passed(suite: FolderSuite, answer: Callable[[Sample, Turn], tuple[str, str]]) -> float:
    """Share of the checks of words that an answer of (text, language) passes."""
    passed = [
        evaluate(check, said(*answer(sample, turn))).passed
        for sample in suite.samples()
        for turn in sample.turns
        for check in turn.checks
        if check.part == "content"
    ]
    return sum(passed) / len(passed)


@pytest.mark.parametrize("suite_id", BUNDLED)
def test_a_bundled_suite_validates_clean(suite_id):
    assert [str(finding) for finding in validate_suite(TASKS / suite_id)] == []


@pytest.mark.parametrize("suite_id", BUNDLED)
def test_a_bundled_suite_is_what_its_script_says(suite_id):
    spoken = {
        sample.id: [describe(sample, turn) for turn in sample.turns]
        for sample in read_script(TASKS / suite_id / "script.yaml")
    }
    suite = bundled_suite(suite_id)
    assert list(spoken) == [sample.id for sample in suite.samples()]
    for sample in suite.samples():
        for turn, wanted in zip(sample.turns, spoken[sample.id], strict=True):
            assert [turn.text, turn.voice, turn.reference, turn.rubric] == [
                wanted.get(name) for name in ("text", "voice", "reference", "rubric")
            ]
            assert [check.name for check in turn.checks] == [check["name"] for check in wanted["checks"]]
            assert [dict(check.params) for check in turn.checks] == [
                {key: tuple(value) if isinstance(value, list) else value for key, value in check["params"].items()}
                if "params" in check
                else {}
                for check in wanted["checks"]
            ]


@pytest.mark.parametrize("suite_id", BUNDLED)
def test_a_bundled_suite_has_enough_conversations_of_one_to_four_turns(suite_id):
    suite = bundled_suite(suite_id)
    assert suite.card.id == suite_id
    assert len(suite.conversations) >= 24
    for sample in suite.samples():
        assert 1 <= len(sample.turns) <= 4
        assert all(1 <= len(turn.checks) <= 4 and turn.reference for turn in sample.turns), sample.id
        assert all(turn.rubric and len(turn.checklist) >= 2 for turn in sample.turns), sample.id


@pytest.mark.parametrize("suite_id", BUNDLED)
def test_the_reference_answers_pass_their_checks_of_words(suite_id):
    assert share_passed(bundled_suite(suite_id), lambda _, turn: (turn.reference or "", turn.answer_language)) == 1.0


@pytest.mark.parametrize("suite_id", BUNDLED)
def test_the_question_said_back_passes_few_checks(suite_id):
    assert share_passed(bundled_suite(suite_id), lambda _, turn: (turn.text, turn.language)) <= 0.2


@pytest.mark.parametrize("suite_id", BUNDLED)
def test_answers_to_other_questions_pass_few_checks(suite_id):
    suite = bundled_suite(suite_id)
    others = {
        sample.key: (sample.turns[0].reference or "", sample.turns[0].answer_language)
        for other in BUNDLED
        for sample in bundled_suite(other).samples()
    }
    draw = random.Random(0)

    def another(sample: Sample, turn: Turn) -> tuple[str, str]:
        return others[draw.choice([key for key in others if key != sample.key])]

    shares = [share_passed(suite, another) for _ in range(5)]
    assert sum(shares) / len(shares) <= 0.2


def test_the_voices_are_many_and_of_both_sexes():
    turns = [turn for suite_id in BUNDLED for turn in all_turns(bundled_suite(suite_id))]
    used = {turn.voice for turn in turns}
    assert len(used) >= 6
    assert {VOICES[voice] for voice in used} == {"man", "woman"}
    assert {turn.language for turn in turns} == {"en", "ja"}


def test_a_third_of_language_ability_is_about_another_language():
    suite = bundled_suite("language_ability")
    other = [
        sample
        for sample in suite.samples()
        if {"en"} != {t for u in sample.turns for t in (u.language, u.answer_language)}
    ]
    assert len(other) * 3 >= len(suite.conversations)


def test_all_recordings_together_stay_small():
    sizes = [path.stat().st_size for suite_id in BUNDLED for path in (TASKS / suite_id / "audio").iterdir()]
    assert sum(sizes) < MAX_SIZE_BYTES
