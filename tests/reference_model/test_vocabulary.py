"""Ids of text, specials and audio, and the two prompt conventions."""

from __future__ import annotations

from pathlib import Path

import pytest

from aqaa_eval.reference_model.prompt import TEMPLATES, Turn, chat_prompt, tts_prompt
from aqaa_eval.reference_model.sentencepiece_file import read_pieces, replace_pieces
from aqaa_eval.reference_model.tiny_vocabulary.build import build
from aqaa_eval.reference_model.vocabulary import AUDIO_END, AUDIO_START, Vocabulary


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.tiny()


def spell(vocabulary: Vocabulary, ids: list[int]) -> str:
    return "|".join(vocabulary.text_of(i) for i in ids)


def test_the_bundled_vocabulary_is_what_its_script_makes(vocabulary: Vocabulary) -> None:
    assert build() == vocabulary.model_bytes


def test_specials_text_and_audio_stand_where_the_published_file_has_them(vocabulary: Vocabulary) -> None:
    assert spell(vocabulary, [1, 2, 3, 4, 31, 32, 33, 34, 35, 36, 37, 38]) == (
        "<s>|</s>|<|EOT|>|<|BOT|>|<audio_start>|<audio_end>|<text_start>|<text_end>|<|TTS|>|<|ASR|>|<|TQAA|>|<|AQTA|>"
    )
    assert vocabulary.encode("<audio_0><audio_5119>") == [1, 768, 768 + 5119]
    assert vocabulary.size == 768 + 5120


def test_the_words_of_the_domain_are_pieces_and_others_are_spelt(vocabulary: Vocabulary) -> None:
    assert spell(vocabulary, vocabulary.encode_inner("Three plus zebra.")) == "Three| plus| |z|e|b|r|a|."
    assert spell(vocabulary, vocabulary.encode_inner("C, A, T.")) == "C|,| A|,| T|."


def test_only_a_run_that_opens_the_string_gets_a_leading_space(vocabulary: Vocabulary) -> None:
    assert vocabulary.text_of(vocabulary.encode("hello")[1]).startswith(" ")
    assert not vocabulary.text_of(vocabulary.encode("<|BOT|>hello")[2]).startswith(" ")
    assert not vocabulary.text_of(vocabulary.encode("<audio_7>hello")[2]).startswith(" ")


def test_a_chat_prompt_is_its_string_tokenised_in_one_go(vocabulary: Vocabulary) -> None:
    turns = [
        Turn(role="system", parts=("You speak slowly.",)),
        Turn(role="human", parts=("你好", tuple(vocabulary.audio_span([0, 1, 1024, 1025, 1026])))),
    ]
    string = (
        "<|BOT|>system\nYou speak slowly.<|EOT|><|BOT|>human\n你好<audio_start><audio_0><audio_1>"
        "<audio_1024><audio_1025><audio_1026><audio_end><|EOT|><|BOT|>assistant\n"
    )
    assert chat_prompt(turns, vocabulary) == vocabulary.encode(string)


def test_a_tts_prompt_gives_every_part_its_own_bos_and_prefixed_roles(vocabulary: Vocabulary) -> None:
    turns = [Turn(role="system", parts=("Speak.",)), Turn(role="human", parts=("hello",))]
    assert tts_prompt(turns, vocabulary) == [
        *(1, 4, *vocabulary.encode("system\nSpeak."), 3),
        *(4, *vocabulary.encode("human\n"), *vocabulary.encode("hello"), 3),
        *(4, *vocabulary.encode("assistant\n")),
    ]
    assert chat_prompt(turns, vocabulary) != tts_prompt(turns, vocabulary)


@pytest.mark.parametrize("convention", ["chat", "tts"])
def test_a_query_that_spells_a_special_piece_is_refused(vocabulary: Vocabulary, convention: str) -> None:
    for text in ("<|EOT|>", "say <audio_17>", "a</s>"):
        with pytest.raises(ValueError, match="spells the special piece"):
            TEMPLATES[convention]([Turn(role="human", parts=(text,))], vocabulary)


def test_unknown_roles_and_audio_codes_out_of_range_are_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match="role 'user' must be one of system, human, assistant"):
        Turn(role="user", parts=("hello",))
    with pytest.raises(ValueError, match="audio code 5120 is outside"):
        vocabulary.audio_ids([5120])
    with pytest.raises(ValueError, match="audio code -1 is outside"):
        vocabulary.audio_span([-1])


def test_text_comes_back_without_specials_and_audio(vocabulary: Vocabulary) -> None:
    ids = [*vocabulary.encode("Good morning, Zoe"), AUDIO_START, *vocabulary.audio_ids([3, 9]), AUDIO_END]
    assert vocabulary.decode(ids).strip() == "Good morning, Zoe"
    assert vocabulary.audio_codes(ids) == [3, 9]


def test_a_file_that_is_no_vocabulary_of_the_family_says_what_is_wrong(tmp_path: Path, vocabulary: Vocabulary) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"\xff\xff nothing")
    with pytest.raises(ValueError, match=r"tokenizer.model: not a sentencepiece model"):
        Vocabulary.from_file(path)
    path.write_bytes(vocabulary.model_bytes[:5000])
    with pytest.raises(ValueError, match="cut short"):
        Vocabulary.from_file(path)
    pieces = read_pieces(vocabulary.model_bytes)
    pieces[3], pieces[4] = pieces[4], pieces[3]
    path.write_bytes(replace_pieces(vocabulary.model_bytes, pieces[:-1]))
    with pytest.raises(ValueError, match=r"id 3 is '<\|BOT\|>', expected '<\|EOT\|>'.*<audio_5119>"):
        Vocabulary.from_file(path)
