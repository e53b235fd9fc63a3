from __future__ import annotations

import pytest

from aqaa_eval.reference_model.layout import parse_answer, parse_layout
from aqaa_eval.reference_model.training.rows import CodedExample, CodedSegment, CodedTurn, audio_mask, write_row
from aqaa_eval.reference_model.vocabulary import EOT, Vocabulary

CODES = (5, 6, 1030, 1031, 1032) * 30


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.tiny()


def example(*segments: CodedSegment, turns: tuple[CodedTurn, ...] | None = None) -> CodedExample:
    asked = CodedTurn(role="human", text="Count to three.", codes=CODES[:25])
    answer = segments or (CodedSegment(text="One, two, three.", codes=CODES),)
    return CodedExample(key="counting/1", turns=(asked,) if turns is None else turns, answer=answer)


@pytest.mark.parametrize("name", ["audio_only", "text_to_audio", "interleave_10_15", "interleave_3_5"])
def test_the_answer_parses_in_its_layout_and_is_all_that_is_learnt(vocabulary, name):
    layout = parse_layout(name)
    row = write_row(example(), layout, vocabulary=vocabulary, convention="chat")
    learnt = [token for token, counts in zip(row.ids, row.loss, strict=True) if counts]
    answer = parse_answer(learnt, layout, vocabulary)
    assert tuple(answer.codes) == CODES
    assert vocabulary.decode(answer.text_ids).strip() == ("" if name == "audio_only" else "One, two, three.")
    assert row.ids[-1] == EOT
    assert sum(row.loss) == len(learnt) < len(row)


def test_two_voice_states_are_two_segments(vocabulary):
    layout = parse_layout("interleave_10_15")
    told = example(CodedSegment(text="One.", codes=CODES), CodedSegment(text="Two!", codes=CODES[:50]))
    row = write_row(told, layout, vocabulary=vocabulary, convention="chat")
    learnt = [token for token, counts in zip(row.ids, row.loss, strict=True) if counts]
    assert [len(segment.codes) for segment in parse_answer(learnt, layout, vocabulary).segments] == [150, 50]


def test_a_text_answer_has_no_audio_and_no_markers(vocabulary):
    row = write_row(
        example(CodedSegment(text="Three.")),
        parse_layout("interleave_10_15"),
        vocabulary=vocabulary,
        convention="chat",
    )
    learnt = [token for token, counts in zip(row.ids, row.loss, strict=True) if counts]
    assert vocabulary.decode(learnt).strip() == "Three."
    assert not any(audio_mask(learnt, vocabulary))


def test_earlier_turns_stand_as_text_and_the_last_question_as_sound(vocabulary):
    turns = (
        CodedTurn(role="human", text="Say one.", codes=CODES[:50]),
        CodedTurn(role="assistant", text="One.", codes=CODES[:100]),
        CodedTurn(role="human", text="And two.", codes=CODES[:25]),
    )
    row = write_row(example(turns=turns), parse_layout("text_to_audio"), vocabulary=vocabulary, convention="chat")
    prompt = [token for token, counts in zip(row.ids, row.loss, strict=True) if not counts]
    assert sum(audio_mask(prompt, vocabulary)) == 25
    assert "Say one." in vocabulary.decode(prompt)
    assert "And two." not in vocabulary.decode(prompt)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (example(CodedSegment(text="")), "empty"),
        (example(CodedSegment(text="One.", codes=CODES), CodedSegment(text="Two.")), "no sound"),
        (example(turns=()), "must end with a question"),
        (example(CodedSegment(text="One <|EOT|>", codes=CODES)), "special piece"),
    ],
)
def test_what_cannot_be_learnt_is_refused_by_name(vocabulary, told, message):
    with pytest.raises(ValueError, match=message):
        write_row(told, parse_layout("text_to_audio"), vocabulary=vocabulary, convention="chat")
