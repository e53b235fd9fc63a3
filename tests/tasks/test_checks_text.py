"""Every check of words: answers that meet the demand and answers that do not."""

from __future__ import annotations

import pytest

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.sample import CheckSpec
from aqaa_eval.tasks.checks import CHECKS, evaluate, parse_check
from aqaa_eval.tasks.wording import said

# name, arguments, answers that pass, answers that fail
CASES: list[tuple[str, dict[str, object], list[str], list[str]]] = [
    ("says_number", {"value": 12}, ["It is 12.", "Twelve, I think!", "twelve"], ["It is 112.", "One, two.", "None."]),
    ("says_number", {"value": 1250}, ["1,250 people", "one thousand two hundred and fifty"], ["250"]),
    ("says_number", {"value": 21}, ["twenty-one", "twenty one"], ["twenty, one"]),
    ("says_number", {"value": 5}, ["We land at five o'clock."], ["We land at fifty."]),
    ("says_one_of", {"words": ["ahoy", "aye aye"]}, ["Ahoy there!", "Aye, aye, captain"], ["A buoy", "Hello"]),
    ("says_one_of", {"words": ["man"], "but_not": ["woman"]}, ["A man."], ["A man or a woman?", "A woman."]),
    ("says_one_of", {"words": ["Peter"], "at_most_words": 3}, ["It was Peter."], ["You said that Peter took it."]),
    ("says_all_of", {"words": ["dragon", "key"]}, ["The key of a dragon."], ["The dragon slept."]),
    ("says_at_least", {"words": ["red", "blue", "green"], "n": 2}, ["Blue and red."], ["Red, red, red."]),
    ("says_in_order", {"words": ["3", "2", "1"]}, ["Three, two, one!", "3-2-1"], ["One, two, three.", "Three, one."]),
    ("avoids_words", {"words": ["dog"]}, ["It barks.", "dogma"], ["A dog barks."]),
    ("exactly_words", {"n": 3}, ["Cold, white, quiet.", "It's very cold."], ["Cold and white and quiet.", "Cold."]),
    ("at_most_words", {"n": 2}, ["Yes.", "Yes, indeed"], ["Yes, it is."]),
    ("at_least_words", {"n": 3}, ["Yes, it is."], ["Yes."]),
    ("exactly_sentences", {"n": 2}, ["It rains. Dr. Smith is wet."], ["It rains.", "One. Two. Three."]),
    ("answers_exactly", {"words": ["forty-two"]}, ["42.", "Forty-two!"], ["It is 42."]),
    ("at_most_sentences", {"n": 2}, ["It rains.", "It rains. Dr. Smith is wet."], ["", "One. Two. Three."]),
    ("lists_items", {"n": 3}, ["Apples, pears and plums.", "These: tea, milk, or rum."], ["Tea and rum.", "Tea."]),
    ("begins_with", {"text": "once upon a time"}, ["Once upon a time, a fox"], ["There was once upon a time"]),
    ("ends_with", {"text": "beep boop"}, ["I water plants. Beep, boop."], ["Beep boop, I water plants."]),
    ("asks_question", {"at_most_words": 6}, ["Is it alive?"], ["It is alive.", "I would like to know: is it alive?"]),
    ("language_is", {"language": "en"}, ["The cat is on the table."], ["Le chat est sur la table."]),
    ("repeats_verbatim", {"text": "the red fox sleeps in the barn"}, ["Sure: the red fox sleeps in a barn."],
     ["The fox.", "Please listen and then say this after me: the red fox sleeps in the barn."]),
    ("spells", {"word": "rhythm"}, ["R-H-Y-T-H-M", "R, H, Y, T, H, M.", "R. H. Y. T. H. M."], ["rhythm", "R-Y-T-H-M"]),
    ("says_rhymes_with", {"word": "blue", "n": 2}, ["True and you."], ["True.", "Blue, blue."]),
    ("lines_rhyme", {}, ["My cat sat on the mat, and wore a funny hat."], ["My dog lay down, and wore a funny hat."]),
    ("says_palindrome", {"min_letters": 5}, ["It is level.", "Never odd or even."], ["Noon.", "aaaaa", "A table."]),
    ("chains_from", {"word": "goose", "but_not": ["eel"]}, ["Eagle.", "I say elk"], ["Goose.", "Tiger.", "Eel."]),
    ("words_begin_with", {"letter": "b"}, ["Big brown bears bake bread."], ["A cat bakes bread."]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "params", "right", "wrong"), CASES)
def test_a_check_tells_right_answers_from_wrong_ones(name, params, right, wrong):
    spec = parse_check({"name": name, "params": params})
    for answer in right:
        assert evaluate(spec, said(answer)).passed, evaluate(spec, said(answer)).measured
    for answer in wrong:
        assert not evaluate(spec, said(answer)).passed, evaluate(spec, said(answer)).measured


def test_every_check_of_words_has_a_case():
    assert {case[0] for case in CASES} == {name for name, check in CHECKS.items() if check.part == "content"}


def test_numbers_are_understood_in_other_languages():
    spec = CheckSpec(name="says_number", params={"value": 12})
    for answer, language in [
        ("答えは十二です。", "ja"),
        ("是12。", "zh"),
        ("Son doce.", "es"),
        ("Il y en a douze", "fr"),
    ]:
        assert evaluate(spec, said(answer, language)).passed


def test_the_language_needs_ear_and_words_to_agree():
    spanish = "Me gusta el verano porque hace sol."
    spec = CheckSpec(name="language_is", params={"language": "es"})
    assert evaluate(spec, said(spanish, "es")).passed
    assert evaluate(spec, said(spanish, "")).passed
    assert not evaluate(spec, said(spanish, "en")).passed
    assert not evaluate(spec, said("I like the summer.", "es")).passed


def test_japanese_is_counted_by_characters_and_found_without_spaces():
    heard = said("はい、赤と青です。", "ja")
    assert evaluate(CheckSpec(name="says_all_of", params={"words": ("赤", "青")}), heard).passed
    assert evaluate(CheckSpec(name="exactly_words", params={"n": 7}), heard).passed


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"name": "say_number"}, "did you mean says_number?"),
        ({"name": "says_number"}, "says_number needs value: a number"),
        ({"name": "says_number", "params": {"value": "12"}}, "value must be a number, got '12'"),
        ({"name": "says_one_of", "params": {"words": []}}, "words must be a list of texts, got []"),
        ({"name": "asks_question", "params": {"n": 1}}, "has no argument 'n'"),
        ({"name": "asks_question", "part": "style"}, "part must be content or delivery, got 'style'"),
        ({"name": "asks_question", "weight": 2}, "'weight' is no field of a check"),
        (7, "a check is an object with a name, got 7"),
    ],
)
def test_a_wrong_check_is_refused_with_the_way_out(value, message):
    with pytest.raises(DataError, match=message.replace("[", r"\[").replace("?", r"\?")):
        parse_check(value)
