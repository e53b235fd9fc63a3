"""Replies: a verdict, a refusal or invalid, and nothing between."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqaa_eval.judges.levels import TokenChoice, expected_level, expected_levels
from aqaa_eval.judges.verdict import InvalidReply, RefusedReply, ReplyForm, Scale, read_verdict

CONTENT, RELEVANCE = Scale(name="content"), Scale(name="relevance", low=0, high=1)
FORM = ReplyForm(scales=(CONTENT, RELEVANCE), n_ticks=1)
GOOD: dict[str, Any] = {"reason": "Right.", "check_1": True, "content": 4, "relevance": 1}


def test_a_good_reply_is_read_whole() -> None:
    verdict = read_verdict(json.dumps(GOOD), FORM)
    assert (verdict.reason, verdict.ticks, verdict.levels) == ("Right.", (True,), {"content": 4, "relevance": 1})
    fenced = f"```json\n{json.dumps(GOOD)}\n```"
    assert read_verdict(fenced, FORM) == verdict


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (f"Sure! {json.dumps(GOOD)}", "not one JSON object"),
        (f"{json.dumps(GOOD)} Hope this helps.", "not one JSON object"),
        (f"{json.dumps(GOOD)}\n{json.dumps(GOOD)}", "not one JSON object"),
        (json.dumps(GOOD)[:-8], "not one JSON object"),
        ("", "not one JSON object"),
        ("4", "not a JSON object"),
        ("[4]", "not a JSON object"),
        (json.dumps({**GOOD, "content": 6}), "from 1 to 5, got 6"),
        (json.dumps({**GOOD, "content": 0}), "from 1 to 5, got 0"),
        (json.dumps({**GOOD, "content": "4"}), "got '4'"),
        (json.dumps({**GOOD, "content": 4.5}), r"got 4\.5"),
        (json.dumps({**GOOD, "content": True}), "got True"),
        (json.dumps({**GOOD, "content": None}), "got None"),
        (json.dumps({**GOOD, "relevance": 2}), "from 0 to 1, got 2"),
        (json.dumps({**GOOD, "check_1": "yes"}), "true or false, got 'yes'"),
        (json.dumps({**GOOD, "overall": 5}), "has 'overall'"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "content"}), "lacks 'content'"),
        (json.dumps({**GOOD, "reason": "回答得很好。"}), "in English"),
        (json.dumps({**GOOD, "reason": 5}), "must be a string"),
        (json.dumps({**GOOD, "reason": "x" * 3000}), "3000 characters"),
        ('{"content": 1, ' + json.dumps(GOOD)[1:], "twice"),
        (json.dumps({**GOOD, "content": 4}).replace("4", "NaN"), "got nan"),
    ],
)
def test_anything_else_is_invalid_and_says_why(reply: str, said: str) -> None:
    with pytest.raises(InvalidReply, match=said):
        read_verdict(reply, FORM)


@pytest.mark.parametrize(
    "reply",
    ["I'm sorry, but I can't help with that.", "As an AI, I cannot grade people.", "抱歉，我无法评价这段对话。"],
)
def test_a_refusal_in_words_is_told_from_rubbish(reply: str) -> None:
    with pytest.raises(RefusedReply):
        read_verdict(reply, FORM)


def test_an_apology_inside_a_verdict_is_no_refusal() -> None:
    reason = 'The model says "I cannot sing", which is not what was asked: 抱歉.'
    assert read_verdict(json.dumps({**GOOD, "reason": reason}), FORM).reason == reason


def test_a_reason_may_quote_another_language() -> None:
    reason = "It says “ありがとうございます、どうぞよろしくお願いします” as asked."
    assert read_verdict(json.dumps({**GOOD, "reason": reason}, ensure_ascii=False), FORM).levels["content"] == 4


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_no_text_makes_it_break(text: str) -> None:
    try:
        verdict = read_verdict(text, FORM)
    except (InvalidReply, RefusedReply):
        return
    assert verdict.levels["content"] in CONTENT.levels


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(0, 1), st.booleans(), st.text(alphabet='abc {}"\\:,\n5', max_size=40))
def test_what_is_written_in_the_form_is_read_back(content: int, relevance: int, tick: bool, reason: str) -> None:
    written = {"reason": reason, "check_1": tick, "content": content, "relevance": relevance}
    verdict = read_verdict(json.dumps(written, ensure_ascii=False), FORM)
    assert (verdict.levels["content"], verdict.ticks, verdict.reason) == (content, (tick,), reason)


def test_the_schema_is_in_the_strict_subset() -> None:
    schema = FORM.json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"]) == ["reason", "check_1", "content", "relevance"]
    assert schema["properties"]["content"]["enum"] == [1, 2, 3, 4, 5]


def tokens_of(text: str, at: str, alternatives: dict[str, float]) -> list[TokenChoice]:
    """A token per character; the one behind `at` has alternatives."""
    place = text.index(at) + len(at)
    return [
        TokenChoice(
            text=letter,
            alternatives=tuple((token, math.log(share)) for token, share in alternatives.items())
            if index == place
            else ((letter, 0.0),),
        )
        for index, letter in enumerate(text)
    ]


def test_the_expected_level_is_the_mean_weighted_by_probability() -> None:
    assert expected_level(CONTENT, {"5": math.log(0.5), " 3": math.log(0.3), "x": math.log(0.2)}) == pytest.approx(4.25)
    assert expected_level(CONTENT, {"5": math.log(0.3), "x": math.log(0.7)}) is None
    assert expected_level(RELEVANCE, {"5": 0.0}) is None


def test_levels_are_found_at_their_keys_and_not_inside_the_reason() -> None:
    text = json.dumps({**GOOD, "reason": 'It says "content": 1 itself.'})
    tokens = tokens_of(text, '"content": ', {"4": 0.75, "2": 0.25})
    assert tokens[text.rindex('"content": ') + len('"content": ')].text == "4"
    real = tokens_of(text, ', "content": ', {"4": 0.75, "2": 0.25})
    assert expected_levels(text, real, FORM) == {"content": pytest.approx(3.5), "relevance": 1.0}


def test_tokens_that_are_not_the_text_tell_nothing() -> None:
    text = json.dumps(GOOD)
    assert expected_levels(text, tokens_of(text, '"content": ', {"4": 1.0})[1:], FORM) == {}
    assert expected_levels(text, [], FORM) == {}
