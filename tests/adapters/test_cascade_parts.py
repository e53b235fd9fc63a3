import pytest

from aqaa_eval.adapters.cascade_parts import sentences, speakable


def test_a_sentence_is_given_as_soon_as_it_is_known_to_have_ended() -> None:
    taken: list[str] = []

    def letters():
        for letter in "One. Two":
            taken.append(letter)
            yield letter

    stream = sentences(letters())
    assert next(stream) == "One."
    assert "".join(taken) == "One. "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n ", []),
        ("No end", ["No end"]),
        ('He said "Stop!" Then he left.', ['He said "Stop!"', "Then he left."]),
        ("1. Eggs\n2. Milk", ["1. Eggs", "2. Milk"]),
        ("It costs 3.50 euros, e.g. here.", ["It costs 3.50 euros, e.g.", "here."]),
        ("Really?! Yes...  Good", ["Really?!", "Yes...", "Good"]),
    ],
)
def test_text_is_cut_at_the_ends_of_sentences_and_lines(text: str, expected: list[str]) -> None:
    assert list(sentences([text])) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_how_the_text_is_dealt_out_does_not_change_the_sentences(size: int) -> None:
    text = 'One is 1.5 km. "Two!" said he.\n\n1. Three? Four'
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(sentences(pieces)) == list(sentences([text]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bonjour à tous, ça va?", "Bonjour à tous, ça va?"),
        ("It’s *very* `cold`.", "It’s very cold."),
        ("**...** 😀", ""),
        ("こんにちは", ""),
        ("Tokyo is 東京 in Japanese.", "Tokyo is in Japanese."),
    ],
)
def test_only_what_an_english_voice_can_say_is_spoken(text: str, expected: str) -> None:
    assert speakable(text) == expected
