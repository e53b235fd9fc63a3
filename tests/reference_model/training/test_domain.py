"""The tiny domain: answers that follow from the questions, splits that share nothing, no item of the bundled suites."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from aqaa_eval.cli.training_studio import bundled_questions
from aqaa_eval.reference_model.training.domain import words
from aqaa_eval.reference_model.training.domain.dictation import LONGEST, Dictation, dictations, vocabulary
from aqaa_eval.reference_model.training.domain.pairs import HELD_OUT, TRAIN, Asker, draw, normal_form
from aqaa_eval.reference_model.training.domain.templates import templates
from aqaa_eval.tasks.suite import BUNDLED

ASKERS = (
    Asker(name="a", sounds_like="woman", languages=("en", "ja")),
    Asker(name="b", sounds_like="man"),
    Asker(name="c", sounds_like="woman"),
    Asker(name="x", sounds_like="woman", languages=("en", "ja"), split=HELD_OUT),
    Asker(name="y", sounds_like="man", split=HELD_OUT),
)


@pytest.fixture(scope="module")
def pairs():
    return list(draw(ASKERS, voices_per_case=2))


def test_there_are_thousands_over_all_nine_capabilities(pairs):
    assert len(pairs) > 4_000
    assert set(Counter(pair.capability for pair in pairs)) == set(BUNDLED)
    assert len({pair.key for pair in pairs}) == len(pairs)


def test_no_wording_and_no_voice_is_in_both_splits(pairs):
    by_split = defaultdict(set)
    for pair in pairs:
        by_split[pair.split] |= {("voice", pair.asker), ("question", normal_form(pair.question))}
    assert by_split[TRAIN] & by_split[HELD_OUT] == set()
    assert Counter(pair.split for pair in pairs)[HELD_OUT] > 500


def test_no_question_of_the_bundled_suites_is_in_training():
    forbidden = bundled_questions()
    kept = {normal_form(pair.question) for pair in draw(ASKERS, forbidden=forbidden) if pair.split == TRAIN}
    assert kept & {normal_form(text) for text in forbidden} == set()
    asked = next(iter(draw(ASKERS))).question
    assert asked not in {pair.question for pair in draw(ASKERS, forbidden=[asked.upper() + "!"])}


def test_the_drawing_is_the_same_for_the_same_seed(pairs):
    assert pairs == list(draw(ASKERS, voices_per_case=2))
    assert pairs != list(draw(ASKERS, voices_per_case=2, seed=1))


@pytest.mark.parametrize(("name", "operate"), [("plus", int.__add__), ("minus", int.__sub__), ("times", int.__mul__)])
def test_sums_are_right(name, operate):
    [template] = [template for template in templates() if template.name == name]
    for case in template.cases:
        first, second = (words.NUMBERS.index(case.slots[slot]) for slot in ("first", "second"))
        assert case.answer == f"{words.NUMBERS[operate(first, second)].capitalize()}."


def test_chains_go_from_the_last_letter_to_the_first():
    assert all(first[-1] == second[0] for first, second in words.CHAINS)


def test_spelling_gives_the_letters():
    [template] = [template for template in templates() if template.name == "spell"]
    for case in template.cases:
        assert "".join(re.findall("[A-Z]", case.answer)) == case.slots["word"].upper()


def test_only_a_mans_voice_asks_where_the_answer_is_a_man(pairs):
    told = {(pair.asker, pair.answer) for pair in pairs if "sound like" in pair.answer}
    sounds = {asker.name: asker.sounds_like for asker in ASKERS}
    assert told
    assert all(sounds[voice] in answer.split() or f"{sounds[voice]}." in answer for voice, answer in told)


def test_who_asks_for_the_tone_of_the_question_uses_it(pairs):
    asked = [pair for pair in pairs if pair.template in ("mood", "pace")]
    paces = {pair.answer: {other.rate for other in asked if other.answer == pair.answer} for pair in asked}
    assert {answer: len(rates) for answer, rates in paces.items()} == dict.fromkeys(
        ("You sound happy.", "You sound sad.", "You speak fast.", "You speak slowly."), 1
    )
    assert min(paces["You speak fast."]) > 2 * max(paces["You speak slowly."])


def test_a_song_has_a_note_for_each_word(pairs):
    songs = [pair for pair in pairs if pair.manner.notes]
    assert songs
    assert all(len(pair.answer.split()) == len(pair.manner.notes) for pair in songs)


def test_a_language_that_no_voice_speaks_is_told():
    with pytest.raises(ValueError, match="no train voice asks in 'ja'"):
        list(draw([Asker(name="b", sounds_like="man"), Asker(name="y", sounds_like="man", split=HELD_OUT)]))


def test_dictated_words_are_of_the_domain_and_of_every_length():
    rows = dictations(ASKERS, Dictation(n_rows=600, seed=0))
    lengths = Counter(len(pair.question.split()) for pair in rows)
    assert set(lengths) == set(range(1, LONGEST + 1))
    assert max(lengths.values()) == min(lengths.values())
    heard = {word for pair in rows for word in pair.question.lower().rstrip(".").split()}
    assert heard <= set(vocabulary())
    assert set(words.NUMBERS) <= set(vocabulary())
    assert {pair.asker for pair in rows} == {"a", "b", "c"}
    assert not any(pair.is_answered for pair in rows)
    assert rows == dictations(ASKERS, Dictation(n_rows=600, seed=0))
    assert rows != dictations(ASKERS, Dictation(n_rows=600, seed=1))


def test_dictation_needs_a_voice_that_may_be_learnt_from():
    with pytest.raises(ValueError, match="no voice of the training split speaks English"):
        dictations([asker for asker in ASKERS if asker.split == HELD_OUT], Dictation(n_rows=1, seed=0))
