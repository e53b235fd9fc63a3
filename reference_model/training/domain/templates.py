"""How the tiny domain asks and answers: for every template the wordings, and the cases that fill them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aqaa_eval.reference_model.training.domain import words
from aqaa_eval.reference_model.training.domain.further import FURTHER
from aqaa_eval.reference_model.training.domain.kinds import Case, Manner, Template, sentence
from aqaa_eval.reference_model.training.domain.voice_templates import voice_templates

NUMBERS = words.NUMBERS


def templates() -> tuple[Template, ...]:
    """All templates of the domain."""
    return tuple(
        replace(template, further=FURTHER[template.name])
        for group in (_reasoning(), _games(), _language(), _creativity(), _roles(), voice_templates())
        for template in group
    )


def _cases(pairs: Sequence[tuple[str, str]], *, form: str = "{}.") -> tuple[Case, ...]:
    return tuple(Case(slots={"word": asked}, answer=sentence(form.format(answer))) for asked, answer in pairs)


def _reasoning() -> Iterator[Template]:
    def sums(sign: str) -> Iterator[Case]:
        for first in range(11):
            for second in range(11):
                result = first + second if sign == "+" else first - second if sign == "-" else first * second
                if (sign == "-" and second > first) or (sign == "*" and (result > 20 or first < 2 or second < 2)):
                    continue
                slots = {"first": NUMBERS[first], "second": NUMBERS[second]}
                yield Case(slots=slots, answer=sentence(f"{NUMBERS[result]}."))

    yield Template(
        name="plus",
        capability="logical_reasoning",
        says="You get {}.",
        wordings=(
            "Please add {first} and {second}.",
            "{first} plus {second}.",
            "Can you add {first} and {second}?",
            "What do you get for {first} plus {second}?",
            "Okay, now {first} plus {second}.",
            "What is the sum of {first} and {second}?",
            "What is {first} plus {second}?",
            "How much is {first} and {second}?",
            "Add {first} and {second}.",
            "Tell me {first} plus {second}, please.",
            "{first} and {second}, how much is that when you put them together?",
            "If you add {first} to {second}, what do you get?",
        ),
        cases=tuple(sums("+")),
    )
    yield Template(
        name="minus",
        capability="logical_reasoning",
        says="You get {}.",
        wordings=(
            "{first} minus {second}.",
            "What do you get for {first} minus {second}?",
            "Please take {second} from {first}.",
            "I have {first} and lose {second}. What is left?",
            "Can you tell me {first} minus {second}?",
            "Subtract {second} from {first}.",
            "What is {first} minus {second}?",
            "Take {second} away from {first}.",
            "How much is {first} less {second}?",
            "There were {first} and {second} went away. How many stayed?",
            "I had {first} and gave away {second}. How many are left?",
        ),
        cases=tuple(sums("-")),
    )
    yield Template(
        name="times",
        capability="logical_reasoning",
        says="You get {}.",
        wordings=(
            "{first} times {second}.",
            "Can you multiply {first} by {second}?",
            "What do you get for {first} times {second}?",
            "Tell me {first} times {second}, please.",
            "How much is {first} times {second}?",
            "{first} times {second}, how much is that?",
            "Please tell me what {first} times {second} is.",
            "What is {first} times {second}?",
            "Multiply {first} by {second}.",
            "{first} times {second} is what?",
        ),
        cases=tuple(sums("*")),
    )
    yield Template(
        name="larger",
        capability="logical_reasoning",
        says="The larger number is {}.",
        wordings=(
            "{first} or {second}, which one is larger?",
            "Which number is bigger, {first} or {second}?",
            "Tell me the larger number: {first} or {second}.",
            "Is {first} the larger number or {second}?",
            "What is more, {first} or {second}?",
            "Of {first} and {second}, which is more?",
            "Which is larger, {first} or {second}?",
            "What is the bigger number, {first} or {second}?",
            "Is {first} more or {second}? Name the larger one.",
        ),
        cases=tuple(
            Case(
                slots={"first": NUMBERS[first], "second": NUMBERS[second]},
                answer=sentence(f"{NUMBERS[max(first, second)]}."),
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
        says="My word is {}.",
        wordings=(
            "My word for the chain is {word}. And yours?",
            "Word chain, please. I begin with {word}.",
            "Start with the last letter of {word}.",
            "We are playing word chain. {word}. What is your word?",
            "The last letter starts the next word. {word}.",
            "Word chain. My word is {word}.",
            "Let us play the word chain. I say {word}.",
            "We play last letter, first letter. {word}. Your turn.",
            "I say {word}. Now you, for the word chain.",
            "In our chain of words I choose {word}. What do you say?",
        ),
        cases=_cases(words.CHAINS),
    )
    yield Template(
        name="riddle",
        capability="gaming",
        wordings=(
            "What is {word}?",
            "Tell me what I mean: {word}.",
            "I see {word}. Guess what it is.",
            "Which thing do I mean? It is {word}.",
            "Here is a riddle. It is {word}. What is it?",
            "Try to guess this: {word}.",
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
        says="The word is {}.",
        wordings=(
            "{word}を英語に訳してください。",
            "英語で{word}は何と言うの。",
            "{word}は英語で何ですか。",
            "{word}は英語で何と言いますか。",
            "{word}を英語で言ってください。",
            "英語で{word}は何ですか。",
        ),
        cases=_cases(words.TRANSLATIONS),
        language="ja",
    )
    yield Template(
        name="opposite",
        capability="language_ability",
        says="The opposite is {}.",
        wordings=(
            "Tell me the opposite of {word}.",
            "What is the contrary of {word}?",
            "{word}. What is the opposite?",
            "Please name the opposite of {word}.",
            "Do you know the opposite of {word}?",
            "If it is not {word}, it is the opposite. What is that?",
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
        says="The letters are {}.",
        wordings=(
            "Can you spell {word} for me?",
            "Tell me how to spell {word}.",
            "The word is {word}. Spell it.",
            "What are the letters of {word}?",
            "Spell the word {word} letter by letter.",
            "Please give me the letters of {word}.",
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
        says="A good rhyme is {}.",
        wordings=(
            "What rhymes with {word}?",
            "Tell me a rhyme for {word}.",
            "Please find a word that rhymes with {word}.",
            "Can you rhyme with {word}?",
            "{word}. Now you say a rhyme.",
            "Do you know a rhyme for {word}?",
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
            "Welcome me as {word} would.",
            "Imagine that you are {word}. Greet me.",
            "What does {word} say to a guest?",
            "Play {word} who meets me at the door.",
            "Please be {word} and say hello.",
            "How would {word} welcome me?",
        ),
        cases=_cases(words.CHARACTERS, form="{}"),
    )
