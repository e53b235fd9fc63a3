"""The tiny domain: answers that follow from the questions, splits that share nothing, no item of the bundled suites."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from aqaa_eval.cli.training_items import held_out_pairs
from aqaa_eval.cli.training_studio import bundled_questions, domain_pairs
from aqaa_eval.reference_model.training.domain import words
from aqaa_eval.reference_model.training.domain.dictation import Dictation, dictations, vocabulary, wide_vocabulary
from aqaa_eval.reference_model.training.domain.further import CLOSINGS, FURTHER, OPENINGS, WITHOUT_CLOSING
from aqaa_eval.reference_model.training.domain.kinds import ANY_THROAT, SAME_THROAT, THROATS
from aqaa_eval.reference_model.training.domain.pairs import HELD_OUT, TRAIN, Asker, draw, normal_form, thinned
from aqaa_eval.reference_model.training.domain.templates import templates
from aqaa_eval.reference_model.training.recipe import RECIPES
from aqaa_eval.tasks.suite import BUNDLED

SPLITS = (TRAIN, HELD_OUT)

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


def test_the_long_recipe_differs_in_steps_and_takes_only():
    """So what holds for the questions of `tiny` holds for its own."""
    tiny, long = RECIPES["tiny"](), RECIPES["long"]()
    assert replace(long, plans=tiny.plans, n_question_takes=tiny.n_question_takes) == tiny
    assert all(replace(long.plans[name], n_steps=plan.n_steps) == plan for name, plan in tiny.plans.items())


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "long"])
def test_no_recipe_is_asked_a_question_of_a_bundled_suite_or_a_held_out_one(name):
    """The real voices, framed wordings and dictations among them."""
    pairs = domain_pairs(RECIPES[name]())
    trained = {normal_form(pair.question) for pair in pairs if pair.split == TRAIN}
    assert len(trained) > 50
    assert trained & {normal_form(text) for text in bundled_questions()} == set()
    held_out = {normal_form(pair.question) for seed in (0, 1) for pair in held_out_pairs(seed)}
    assert len(held_out) > 500
    assert trained & held_out == set()


def test_what_is_asked_about_is_in_both_splits_and_the_wordings_are_not(pairs):
    """Held-out questions are new in words and voice, not in what they are about; the notes say so."""
    cases = {
        split: {(p.template, *sorted(p.slots.items()), p.answer) for p in pairs if p.split == split} for split in SPLITS
    }
    assert cases[HELD_OUT] <= cases[TRAIN]
    kinds = {split: {pair.template for pair in pairs if pair.split == split} for split in SPLITS}
    assert kinds[HELD_OUT] == kinds[TRAIN]


def test_questions_come_at_many_rates_and_pitches_and_over_noise(pairs):
    trained = [pair for pair in pairs if pair.split == TRAIN]
    assert {pair.snr_db for pair in trained} == {None, 20.0, 12.0}
    assert len({pair.rate for pair in trained}) >= 4
    assert len({pair.semitones for pair in trained}) >= 4
    assert len({pair.asker for pair in trained}) == 3


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


def test_every_voice_of_its_sex_asks_what_depends_on_who_asks(pairs):
    men = {asker.name for asker in ASKERS if asker.sounds_like == "man" and asker.split == TRAIN}
    women = {asker.name for asker in ASKERS if asker.sounds_like == "woman" and asker.split == TRAIN}
    asked = defaultdict(set)
    for pair in pairs:
        if pair.template == "who_speaks" and pair.split == TRAIN:
            asked[pair.key.split("/")[2], pair.said].add(pair.asker)
    assert {said for _, said in asked} == {"You sound like a man.", "You sound like a woman."}
    for (_, said), voices in asked.items():
        assert voices == (women if "woman" in said else men)


def test_a_further_take_keeps_what_the_answer_depends_on(pairs):
    room = {(pair.template, pair.said): pair.take_semitones for pair in pairs}
    assert room["who_speaks", "You sound like a man."] == THROATS["man"]
    assert room["who_spoke", "You sound like a woman."] == THROATS["woman"]
    assert {room["mood", "You sound sad."], room["pace", "You speak fast."]} == {SAME_THROAT}
    assert {span for (template, _), span in room.items() if template == "plus"} == {ANY_THROAT}


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
    assert set(lengths) == set(range(1, 7))
    assert max(lengths.values()) == min(lengths.values())
    heard = {word for pair in rows for word in pair.question.lower().rstrip(".").split()}
    assert heard <= set(vocabulary())
    assert set(words.NUMBERS) <= set(vocabulary())
    assert {pair.asker for pair in rows} == {"a", "b", "c"}
    assert not any(pair.is_answered for pair in rows)
    assert rows == dictations(ASKERS, Dictation(n_rows=600, seed=0))
    assert rows != dictations(ASKERS, Dictation(n_rows=600, seed=1))


def test_frequent_kinds_of_questions_are_thinned_and_rare_ones_kept(pairs):
    most = 400
    before, after = (Counter(pair.template for pair in each) for each in (pairs, thinned(pairs, most)))
    assert all(after[name] == n for name, n in before.items() if n <= most)
    assert all(0.8 * most < after[name] < 1.2 * most for name, n in before.items() if n > most)
    assert set(thinned(pairs, most)) < set(pairs)


def test_long_dictations_have_more_words_and_slow_voices():
    slow = Asker(name="s", sounds_like="man", weight=16, is_slow=True)
    quick = [replace(asker, weight=9) for asker in ASKERS]
    job = Dictation(n_rows=160, seed=1, words=wide_vocabulary(), longest=10, slow_every=16)
    rows = dictations([*quick, slow], job)
    assert {len(pair.question.split()) for pair in rows} == set(range(1, 11))
    assert [place for place, pair in enumerate(rows) if pair.asker == "s"] == list(range(0, 160, 16))
    assert set(vocabulary()) < set(wide_vocabulary())
    assert {pair.key for pair in rows}.isdisjoint(pair.key for pair in dictations(quick, Dictation(n_rows=160, seed=0)))


def test_further_wordings_are_for_training_and_change_nothing_that_is_held_out(pairs):
    by_name = {template.name: template for template in templates()}
    assert set(FURTHER) == set(by_name)
    for template in templates():
        held = {normal_form(wording) for wording in template.wordings[-template.n_held_out :]}
        learnt = {normal_form(wording) for wording in template.training_wordings()}
        assert held.isdisjoint(learnt)
        assert len(learnt) == len(template.training_wordings())
        slots = {frozenset(re.findall(r"\{(\w+)\}", wording)) for wording in (*template.wordings, *template.further)}
        assert len(slots) == 1, template.name
    plain = {
        wording.format(**case.slots).casefold()
        for template in templates()
        for wording in template.wordings[-template.n_held_out :]
        for case in template.cases
    }
    assert all(pair.question.casefold() in plain for pair in pairs if pair.split == HELD_OUT)


def test_something_may_stand_around_a_question_that_is_learnt(pairs):
    plain = {
        normal_form(wording.format(**case.slots))
        for template in templates()
        for wording in template.training_wordings()
        for case in template.cases
    }
    framed = [pair for pair in pairs if pair.split == TRAIN and normal_form(pair.question) not in plain]
    assert 0.3 < len(framed) / sum(pair.split == TRAIN for pair in pairs) < 0.7
    around = (*OPENINGS, *CLOSINGS)
    assert all(pair.question.startswith(OPENINGS) or pair.question.endswith(CLOSINGS) for pair in framed)
    used = {text for pair in framed for text in around if text in pair.question}
    assert used == set(around)
    ends = [pair for pair in framed if pair.question.endswith(CLOSINGS) and not pair.question.startswith(OPENINGS)]
    assert {pair.template for pair in ends}.isdisjoint(WITHOUT_CLOSING)


def test_dictation_needs_a_voice_that_may_be_learnt_from():
    with pytest.raises(ValueError, match="no voice of the training split speaks English"):
        dictations([asker for asker in ASKERS if asker.split == HELD_OUT], Dictation(n_rows=1, seed=0))
