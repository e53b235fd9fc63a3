"""The fakes that speak: the oracle says the item's own good answer, the random one another item's."""

from __future__ import annotations

import numpy as np
import pytest

from aqaa_eval.adapters.fake import build
from aqaa_eval.adapters.fake_performed import Line, Stage, line_of
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError, UnknownName, UsageError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.sample import Turn
from tests.adapters.queries import ask, tone, user


def line(words: str, language: str = "en") -> Line:
    return Line(phrases=(Phrase(say=words),), language=language)


LINES = {
    "gaming/g01#0": line("Tiger."),
    "gaming/g01#1": line("Rabbit."),
    "gaming/g02#0": line("Twelve."),
    "singing/s01#0": line("歌います。", "ja"),
}


def length_as_sound(phrases, language):
    """A voice that is as long as the words, for tests."""
    return Audio(samples=np.zeros(1000 * sum(len(phrase.say) for phrase in phrases), np.float32), sample_rate_hz=16_000)


def stage(**changes: object) -> Stage:
    return Stage(**({"lines": LINES, "perform": length_as_sound, "voice": "test-1"} | changes))


def question(key: str):
    return ask(user(tone()), key=key)


def test_the_oracle_performs_the_answer_of_the_turn_and_gives_its_words():
    response = build("oracle", {}, stage=stage()).answer(question("gaming/g01#1"))
    assert response.text == "Rabbit."
    assert len(response.audio.samples) == 7000
    assert response.timing.total_s == 0.5


def test_a_repeat_has_the_same_good_answer():
    model = build("oracle", {}, stage=stage())
    assert model.answer(question("gaming/g02@3#0")).text == "Twelve."


def test_a_turn_without_a_good_answer_is_an_error_of_that_turn():
    with pytest.raises(ModelError, match="no reference and no performance"):
        build("oracle", {}, stage=stage()).answer(question("gaming/g09#0"))


def test_the_random_fake_answers_from_another_conversation_and_always_alike():
    model = build("random", {}, stage=stage())
    for repeat in range(20):
        key = f"gaming/g01@{repeat}#0"
        said = model.answer(question(key)).text
        assert said in ("Twelve.", "歌います。")
        assert build("random", {}, stage=stage()).answer(question(key)).text == said


def test_another_seed_draws_other_answers():
    keys = [f"gaming/g01@{repeat}#0" for repeat in range(20)]
    drawn = [
        [build("random", {}, stage=stage(seed=seed)).answer(question(key)).text for key in keys] for seed in (0, 1)
    ]
    assert drawn[0] != drawn[1]


def test_a_single_conversation_leaves_nothing_to_draw_from():
    model = build("random", {}, stage=stage(lines={"gaming/g01#0": line("Tiger.")}))
    with pytest.raises(ModelError, match="no other conversation"):
        model.answer(question("gaming/g01#0"))


def test_a_performance_goes_before_the_reference_and_neither_gives_no_line():
    def turn(**given: object) -> Turn:
        return Turn(audio=None, text="?", language="en", answer_language="en-US", **given)

    whispered = Phrase(say="Hush.", whisper=True)
    assert line_of(turn(reference="Yes.")) == line("Yes.")
    assert line_of(turn(reference="Yes.", performance=(whispered,))) == Line(phrases=(whispered,), language="en")
    assert line_of(turn()) is None


def test_words_are_joined_as_the_language_writes_them():
    assert Line(phrases=(Phrase(say="はい。"), Phrase(say="そうです。")), language="ja").text == "はい。そうです。"


@pytest.mark.parametrize("kind", ["oracle", "random"])
def test_settings_and_a_missing_stage_are_refused(kind):
    with pytest.raises(UsageError, match="no setting 'rate'"):
        build(kind, {"rate": 2.0}, stage=stage())
    with pytest.raises(UsageError, match="there is none"):
        build(kind, {})
    with pytest.raises(UnknownName):
        build(f"{kind}:loud", {}, stage=stage())


def test_the_voice_is_part_of_the_identity():
    assert build("oracle", {}, stage=stage()).identity == "fake:oracle@test-1"
