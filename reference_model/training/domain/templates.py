"""How the tiny domain asks and answers: for every template the wordings, and the cases that fill them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aqaa_eval.reference_model.training.domain import words

NUMBERS = words.NUMBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What a voice does beside speaking.

    Attributes:
        rate: 1 is the voice's own.
        gain_db: over its usual level.
        semitones: how much the pitch is moved.
        whisper: without voice.
        notes: MIDI numbers, one per word; empty if spoken.
    """

    rate: float = 1.0
    gain_db: float = 0.0
    semitones: float = 0.0
    whisper: bool = False
    notes: tuple[int, ...] = ()


PLAIN = Manner()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What fills a wording, and the answer that follows.

    Attributes:
        slots: by the name in the wording's braces.
        answer: words of the answer.
        manner: how the answer is voiced.
        asker: "man" or "woman" where the answer depends on who asks; "" for anybody.
    """

    slots: Mapping[str, str]
    answer: str
    manner: Manner = PLAIN
    asker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One kind of question.

    Attributes:
        name: unique.
        capability: one of the nine suites' ids.
        wordings: sentences with slots; the last fifth (at least one) is held out from training.
        cases: what fills them.
        language: of the question.
    """

    name: str
    capability: str
    wordings: tuple[str, ...]
    cases: tuple[Case, ...] = field(repr=False)
    language: str = "en"


def templates() -> tuple[Template, ...]:
    """All templates of the domain."""
    return tuple(
        template
        for group in (_reasoning(), _games(), _language(), _creativity(), _roles(), _voices(), _manners(), _songs())
        for template in group
    )


def _cases(pairs: Sequence[tuple[str, str]], *, form: str = "{}.") -> tuple[Case, ...]:
    return tuple(Case(slots={"word": asked}, answer=_sentence(form.format(answer))) for asked, answer in pairs)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _reasoning() -> Iterator[Template]:
    def sums(sign: str) -> Iterator[Case]:
        for first in range(11):
            for second in range(11):
                result = first + second if sign == "+" else first - second if sign == "-" else first * second
                if (sign == "-" and second > first) or (sign == "*" and (result > 20 or first < 2 or second < 2)):
                    continue
                slots = {"first": NUMBERS[first], "second": NUMBERS[second]}
                yield Case(slots=slots, answer=_sentence(f"{NUMBERS[result]}."))

    yield Template(
        name="plus",
        capability="logical_reasoning",
        wordings=(
            "What is {first} plus {second}?",
            "How much is {first} and {second}?",
            "Add {first} and {second}.",
            "Tell me {first} plus {second}, please.",
            "If you add {first} to {second}, what do you get?",
        ),
        cases=tuple(sums("+")),
    )
    yield Template(
        name="minus",
        capability="logical_reasoning",
        wordings=(
            "What is {first} minus {second}?",
            "Take {second} away from {first}.",
            "How much is {first} less {second}?",
            "I had {first} and gave away {second}. How many are left?",
        ),
        cases=tuple(sums("-")),
    )
    yield Template(
        name="times",
        capability="logical_reasoning",
        wordings=(
            "What is {first} times {second}?",
            "Multiply {first} by {second}.",
            "{first} times {second} is what?",
        ),
        cases=tuple(sums("*")),
    )
    yield Template(
        name="larger",
        capability="logical_reasoning",
        wordings=(
            "Which is larger, {first} or {second}?",
            "What is the bigger number, {first} or {second}?",
            "Is {first} more or {second}? Name the larger one.",
        ),
        cases=tuple(
            Case(
                slots={"first": NUMBERS[first], "second": NUMBERS[second]},
                answer=_sentence(f"{NUMBERS[max(first, second)]}."),
            )
            for first in range(1, 13)
            for second in range(1, 13)
            if first != second
        ),
    )


def _games() -> Iterator[Template]:
    yield Template(
        name="chain",
        capability="gaming",
        wordings=(
            "Word chain. My word is {word}.",
            "Let us play the word chain. I say {word}.",
            "We play last letter, first letter. {word}. Your turn.",
            "In our chain of words I choose {word}. What do you say?",
        ),
        cases=_cases(words.CHAINS),
    )
    yield Template(
        name="riddle",
        capability="gaming",
        wordings=(
            "Guess what it is: {word}.",
            "I am thinking of {word}. What is it?",
            "A riddle for you: {word}.",
            "Can you guess? It is {word}.",
        ),
        cases=_cases(words.RIDDLES, form="It is {}."),
    )


def _language() -> Iterator[Template]:
    yield Template(
        name="from_japanese",
        capability="language_ability",
        wordings=("{word}は英語で何と言いますか。", "{word}を英語で言ってください。", "英語で{word}は何ですか。"),
        cases=_cases(words.TRANSLATIONS),
        language="ja",
    )
    yield Template(
        name="opposite",
        capability="language_ability",
        wordings=(
            "What is the opposite of {word}?",
            "Give me the opposite of {word}.",
            "Which word is the opposite of {word}?",
            "The opposite of {word}, please.",
        ),
        cases=_cases([*words.OPPOSITES, *((second, first) for first, second in words.OPPOSITES)]),
    )
    yield Template(
        name="spell",
        capability="instruction_following",
        wordings=(
            "Spell {word}.",
            "How do you spell {word}?",
            "Please spell the word {word}.",
            "Letter by letter: {word}.",
        ),
        cases=tuple(
            Case(slots={"word": word}, answer=", ".join(word.upper()) + ".", manner=Manner(rate=0.85))
            for word in words.SPELLED
        ),
    )


def _creativity() -> Iterator[Template]:
    yield Template(
        name="rhyme",
        capability="creativity",
        wordings=(
            "Which word rhymes with {word}?",
            "Give me a word that rhymes with {word}.",
            "I need a rhyme for {word}.",
            "Find a rhyme for the word {word}.",
        ),
        cases=_cases([*words.RHYMES, *((second, first) for first, second in words.RHYMES if second != "white")]),
    )


def _roles() -> Iterator[Template]:
    yield Template(
        name="greeting",
        capability="role_play",
        wordings=(
            "Greet me as {word}.",
            "You are {word}. Say hello to me.",
            "Say hello like {word}.",
            "Pretend to be {word} and greet me.",
            "How would {word} welcome me?",
        ),
        cases=_cases(words.CHARACTERS, form="{}"),
    )


def _voices() -> Iterator[Template]:
    yield Template(
        name="who_speaks",
        capability="voice_understanding",
        wordings=(
            "Am I a man or a woman?",
            "Do I sound like a man or a woman?",
            "Listen to my voice. Is it a man's or a woman's?",
            "Can you hear whether I am a man or a woman?",
            "Tell by my voice: man or woman?",
        ),
        cases=(
            Case(slots={}, answer="You sound like a man.", asker="man"),
            Case(slots={}, answer="You sound like a woman.", asker="woman"),
        ),
    )


# Neither loudly nor softly: the tokenizer brings every recording to one peak, so no code can tell them apart.
_MANNERS = {
    "slowly": Manner(rate=0.65),
    "very fast": Manner(rate=1.5),
    "in a high voice": Manner(semitones=4.0),
    "in a deep voice": Manner(semitones=-4.0),
    "in a whisper": Manner(whisper=True, gain_db=-4.0),
}


def _manners() -> Iterator[Template]:
    yield Template(
        name="manner",
        capability="voice_control",
        wordings=("Say {how}: {what}", "Please say this {how}: {what}", "I want you to say {how}: {what}"),
        cases=tuple(
            Case(slots={"how": how, "what": what}, answer=what, manner=manner)
            for how, manner in _MANNERS.items()
            for what in words.SPOKEN
        ),
    )
    yield Template(
        name="echo",
        capability="instruction_following",
        wordings=(
            "Repeat after me: {what}.",
            "Say these words: {what}.",
            "Repeat exactly this: {what}.",
            "Now repeat what I say: {what}.",
        ),
        cases=tuple(Case(slots={"what": what}, answer=_sentence(f"{what}.")) for what in words.ECHOED),
    )
    yield Template(
        name="count",
        capability="instruction_following",
        wordings=(
            "Count from {first} to {second}.",
            "Please count from {first} up to {second}.",
            "Count {first} to {second}.",
        ),
        cases=tuple(
            Case(
                slots={"first": NUMBERS[first], "second": NUMBERS[last]},
                answer=_sentence(", ".join(NUMBERS[first : last + 1]) + "."),
            )
            for first in range(1, 11)
            for last in range(first + 1, min(first + 5, 13))
        ),
    )


def _songs() -> Iterator[Template]:
    up, down = (60, 62, 64, 65, 67), (67, 65, 64, 62, 60)
    songs = (
        ("five notes going up", up),
        ("five notes going down", down),
        ("the same note four times", (64,) * 4),
        ("three notes going up", (60, 64, 67)),
        ("three notes going down", (67, 64, 60)),
    )
    yield Template(
        name="sing",
        capability="singing",
        wordings=(
            "Sing {what}.",
            "Please sing {what} for me.",
            "Can you sing {what}?",
            "I would like to hear you sing {what}.",
        ),
        cases=tuple(
            Case(
                slots={"what": what},
                answer=" ".join(["la"] * len(notes)).capitalize() + ".",
                manner=Manner(notes=notes),
            )
            for what, notes in songs
        ),
    )
