"""Held-out items of the tiny domain: nine suites that training never hears, whose checks tell right from wrong."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from aqaa_eval import catalog
from aqaa_eval.cli.training_checks import checks_of
from aqaa_eval.cli.training_items import choose, held_out_pairs, write_items
from aqaa_eval.cli.training_studio import ASKERS, bundled_questions, phrase_of
from aqaa_eval.core.checking import Heard
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.protocols import Clip
from aqaa_eval.core.weights import is_present
from aqaa_eval.reference_model.training.domain.kinds import PLAIN
from aqaa_eval.reference_model.training.domain.pairs import HELD_OUT, TRAIN, draw, normal_form
from aqaa_eval.reference_model.training.domain.templates import templates
from aqaa_eval.reference_model.training.speech_store import Take
from aqaa_eval.tasks.checks import evaluate
from aqaa_eval.tasks.speaking.performer import missing_for, perform
from aqaa_eval.tasks.suite import BUNDLED
from aqaa_eval.tasks.wording import said

PER_SUITE = 2
HOW = ("slowly", "very fast", "in a high voice", "in a deep voice", "in a whisper")
SONGS = ("five notes going down", "the same note four times", "three notes going up", "a scale")

pytestmark = pytest.mark.skipif(bool(missing_for(["en"])), reason="the answers' voice is hibari-tts, in an extra")


class NoiseStudio:
    """Asks in noise, another one for each pair."""

    def ask(self, pair):
        noise = np.random.default_rng(pair.seed).normal(0, 0.05, 8_000)
        return Take(samples=noise.astype(np.float32), sample_rate_hz=16_000, phonemes="")

    def answer(self, text, manner):
        raise AssertionError("only questions are recorded")


@pytest.fixture(scope="module")
def pairs():
    return held_out_pairs(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("items")
    write_items(root, per_suite=PER_SUITE, seed=0, studio=NoiseStudio())
    return root


def test_a_folder_of_nine_suites_is_one_suite_argument(folder, cli):
    suites = catalog.make_suites([str(folder)], strict=True)
    assert {suite.card.id for suite in suites} == {f"tiny_{name}" for name in BUNDLED}
    assert [len(list(suite.samples())) for suite in suites] == [PER_SUITE] * len(BUNDLED)
    checked = cli("validate", "suite", folder)
    assert (checked.code, "no findings" in checked.out) == (0, True), checked.out


def test_nothing_of_it_is_trained_on_or_bundled(folder):
    items = [turn for suite in catalog.make_suites([str(folder)]) for s in suite.samples() for turn in s.turns]
    trained = {normal_form(pair.question) for pair in draw(ASKERS, voices_per_case=2) if pair.split == TRAIN}
    known = trained | {normal_form(text) for text in bundled_questions()}
    assert known & {normal_form(turn.text) for turn in items} == set()
    assert {turn.voice for turn in items} <= {asker.name for asker in ASKERS if asker.split == HELD_OUT}
    assert len({turn.audio.sha256 for turn in items}) == len(items)


def test_the_choice_is_even_over_templates_and_the_seeds(pairs):
    chosen = choose(pairs, per_suite=8, seed=0)
    assert Counter(pair.capability for pair in chosen) == dict.fromkeys(BUNDLED, 8)
    sums = Counter(pair.template for pair in chosen if pair.capability == "logical_reasoning")
    assert sums == {"plus": 2, "minus": 2, "times": 2, "larger": 2}
    assert len({(pair.question, pair.answer) for pair in chosen}) == len(chosen)
    assert chosen == choose(pairs, per_suite=8, seed=0)
    assert chosen != choose(pairs, per_suite=8, seed=1)


@pytest.mark.parametrize(("n", "message"), [(10_000, "has .* held-out questions; give at most that"), (0, "at least")])
def test_a_number_that_cannot_be_had_is_refused(pairs, n, message):
    with pytest.raises(UsageError, match=message):
        choose(pairs, per_suite=n, seed=0)


def test_words_that_answer_pass_and_the_question_said_back_does_not(pairs):
    worded = [pair for pair in pairs if pair.template not in ("manner", "sing")]
    draws = random.Random(0)
    right = [holds(pair, said(pair.answer)) for pair in worded]
    in_a_sentence = [holds(pair, said(pair.said)) for pair in worded]
    other = [holds(pair, said(draws.choice(worded).answer)) for pair in worded]
    echo = [holds(pair, said(pair.question, pair.language)) for pair in worded]
    assert all(right)
    assert all(in_a_sentence)
    assert not any(echo)
    assert sum(other) < 0.05 * len(other)


def test_the_sentence_around_an_answer_passes_nothing_by_itself(pairs):
    around = {template.name: template.says for template in templates() if template.says}
    assert len(around) > 5
    taught = [pair for pair in pairs if pair.template in around]
    assert not any(holds(pair, said(around[pair.template].format(""))) for pair in taught)


@pytest.mark.parametrize("how", HOW)
def test_a_manner_passes_and_a_plain_reading_does_not(pairs, how):
    pair = next(pair for pair in pairs if pair.slots.get("how") == how)
    assert verdicts(pair, spoken(pair)) == [True, True]
    assert verdicts(pair, spoken(pair, manner=PLAIN)) == [True, False]


@pytest.mark.parametrize("what", SONGS)
def test_a_song_passes_and_neither_speech_nor_another_song_does(pairs, what):
    songs = {pair.slots["what"]: pair for pair in pairs if pair.template == "sing"}
    other = songs["three notes going down"]
    assert holds(songs[what], spoken(songs[what]))
    assert not holds(songs[what], spoken(songs[what], manner=PLAIN))
    assert not holds(songs[what], spoken(other))


@pytest.mark.skipif(not is_present("whisper:base"), reason="whisper:base is not here: aqaa-eval fetch whisper:base")
@pytest.mark.parametrize("template", ["count", "greeting"])
def test_an_answer_that_is_heard_passes_and_another_does_not(pairs, template):
    right, *others = [pair for pair in pairs if pair.template == template]
    wrong = next(pair for pair in reversed(others) if pair.answer != right.answer)
    for pair, passes in ((right, True), (wrong, False)):
        voiced = spoken(pair)
        (found,) = catalog.make_transcriber("whisper:base").transcribe([Clip(audio=voiced.audio)])
        heard = Heard(text=found.text, language=found.language, audio=voiced.audio, words=found.words)
        assert holds(right, heard) is passes, found.text


def verdicts(pair, heard):
    return [evaluate(check, heard).passed for check in checks_of(pair)]


def holds(pair, heard):
    return all(verdicts(pair, heard))


def spoken(pair, manner=None):
    audio = perform([phrase_of(pair.answer, manner or pair.manner)], language="en")
    return Heard(text=pair.answer, language="en", audio=audio)
