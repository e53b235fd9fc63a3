"""The rubric files: complete, hashed, and told what is wrong with them."""

from __future__ import annotations

import pytest

from aqaa_eval.core.errors import DataError
from aqaa_eval.judges.rubric import COMMON, CONVERSATION, bundled_rubrics, load_rubric, parse_rubric, rubrics_hash
from aqaa_eval.tasks.suite import BUNDLED, bundled_suite

HEAD = '---\nid: x\nversion: "1"\nlanguages: [en]\n---\n'
LEVELS = "".join(f"- {level}: something\n" for level in range(5, 0, -1))


def test_every_suite_has_a_rubric_of_its_own_and_no_other_file_is_there() -> None:
    assert set(bundled_rubrics()) == {*BUNDLED, COMMON, CONVERSATION}


@pytest.mark.parametrize("name", BUNDLED)
def test_a_suites_rubric_describes_each_level_of_its_content_in_its_own_words(name: str) -> None:
    rubric = load_rubric(name)
    assert [(scale.name, scale.low, scale.high) for scale in rubric.scales] == [
        ("content", 1, 5), ("delivery", 1, 5), ("speech", 1, 5)
    ]  # fmt: skip
    assert rubric.sections["content"] != load_rubric(COMMON).sections["content"]
    levels = [line for line in rubric.sections["content"].splitlines() if line.startswith("- ")]
    assert len(levels) == 5
    assert min(len(line.split()) for line in levels) >= 6
    assert set(rubric.languages) & set(bundled_suite(name).card.languages)


def test_suites_in_which_the_voice_is_asked_for_say_how_delivery_is_graded() -> None:
    common = load_rubric(COMMON).sections["delivery"]
    own = {name for name in BUNDLED if load_rubric(name).sections["delivery"] != common}
    weighed = {name for name in BUNDLED if bundled_suite(name).card.weights.get("delivery", 0) > 0}
    assert own == weighed


def test_the_conversation_has_two_yes_or_no_and_one_grade() -> None:
    scales = load_rubric(CONVERSATION).scales
    assert [(scale.name, scale.is_binary) for scale in scales] == [
        ("factuality", True), ("relevance", True), ("chat", False)
    ]  # fmt: skip


def test_a_suite_of_ones_own_is_graded_by_the_common_rubric() -> None:
    assert load_rubric("my_own_suite").id == COMMON


def test_the_hash_changes_with_a_word_and_with_the_version() -> None:
    text = HEAD + "\n## content\n\n" + LEVELS
    hashes = {
        parse_rubric(changed, name="x.md").sha256
        for changed in (text, text.replace("something", "anything"), text.replace('"1"', '"2"'))
    }
    assert len(hashes) == 3
    assert len(rubrics_hash()) == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## content\n", "front matter"),
        ("---\nid: x\n---\n", "version"),
        (HEAD.replace("id: x", "id: x\ncolour: red") + "## content\n" + LEVELS, "colour"),
        (HEAD + "\n## content\n\n" + LEVELS.replace("- 3: something\n", ""), r"levels \[1, 2, 4, 5\]"),
    ],
)
def test_a_malformed_rubric_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_rubric(text, name="x.md")
