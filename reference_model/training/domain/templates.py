"""How the tiny domain asks and answers: for every template the wordings, and the cases that fill them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aqaa_eval.reference_model.training.domain import words
from aqaa_eval.reference_model.training.domain.kinds import Case, Manner, Template, Tone

NUMBERS = words.NUMBERS
ABOUT_THE_VOICE = ("who_speaks", "who_spoke", "mood", "pace")
"""Templates whose answers depend on how the question sounds."""


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


def _voices() -> Iterator[Template]:
    yield Template(
        name="who_speaks",
        capability="voice_understanding",
        wordings=(
            "Tell me, am I a man or a woman?",
            "Do you think I am a man or a woman?",
            "Is a man or a woman speaking?",
            "Guess who I am, a man or a woman.",
            "Please say whether I am a man or a woman.",
            "By the sound of me, a man or a woman?",
            "Am I a man or a woman?",
            "Do I sound like a man or a woman?",
            "Listen to my voice. Is it a man's or a woman's?",
            "Can you hear whether I am a man or a woman?",
            "Is this the voice of a man or of a woman?",
            "What do you hear, a man or a woman?",
            "Who is talking to you, a man or a woman?",
            "Man or woman, what would you say I am?",
            "Would you call me a man or a woman?",
            "Tell by my voice: man or woman?",
        ),
        cases=(
            Case(slots={}, answer="You sound like a man.", asker="man"),
            Case(slots={}, answer="You sound like a woman.", asker="woman"),
        ),
    )
    yield Template(
        name="who_spoke",
        capability="voice_understanding",
        wordings=(
            "{what} Do I sound like a man or a woman?",
            "{what} Is that a man or a woman?",
            "{what} Was it a woman or a man?",
            "{what} Am I a man or a woman?",
            "{what} Did a man or a woman say that?",
            "{what} Was that a man's voice or a woman's?",
            "{what} Man or woman?",
            "{what} Who said that, a man or a woman?",
        ),
        cases=tuple(
            Case(slots={"what": what}, answer=f"You sound like a {sex}.", asker=sex)
            for sex in ("man", "woman")
            for what in words.SPOKEN
        ),
    )
    yield Template(
        name="mood",
        capability="voice_understanding",
        wordings=(
            "{what} Is this happy or sad?",
            "{what} Did that sound happy or sad?",
            "{what} Happy or sad?",
            "{what} Do I sound happy or sad?",
            "{what} Am I happy or sad?",
            "{what} How do I feel, happy or sad?",
            "{what} Is my voice happy or sad?",
            "{what} Did I say that happily or sadly?",
        ),
        cases=_toned(_MOODS),
    )
    yield Template(
        name="pace",
        capability="voice_understanding",
        wordings=(
            "{what} Fast or slow?",
            "{what} Did I speak slowly or fast?",
            "{what} Is my speech fast or slow?",
            "{what} Do I speak fast or slowly?",
            "{what} Am I fast or slow?",
            "{what} Was that fast or slow?",
            "{what} Did I say that slowly or fast?",
            "{what} How do I talk, fast or slowly?",
        ),
        cases=_toned(_PACES),
    )


_MOODS = {
    "You sound happy.": Tone(name="happy", rate=1.2, semitones=2.0, pitch_range=1.6),
    "You sound sad.": Tone(name="sad", rate=0.8, semitones=-1.5, pitch_range=0.4),
}
_PACES = {"You speak fast.": Tone(name="fast", rate=1.6), "You speak slowly.": Tone(name="slow", rate=0.65)}


def _toned(tones: Mapping[str, Tone]) -> tuple[Case, ...]:
    return tuple(
        Case(slots={"what": what}, answer=answer, tone=tone) for answer, tone in tones.items() for what in words.SPOKEN
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
        wordings=(
            "Speak {how} now: {what}",
            "Say this {how}: {what}",
            "Can you say {how}: {what}",
            "Read this {how}: {what}",
            "Now {how}, please: {what}",
            "Repeat this {how}: {what}",
            "Say {how}: {what}",
            "Please say this {how}: {what}",
            "I want you to say {how}: {what}",
        ),
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
            "Please repeat: {what}.",
            "Say after me: {what}.",
            "Can you repeat this? {what}.",
            "Repeat these words: {what}.",
            "I say: {what}. Now you.",
            "Tell me exactly this: {what}.",
            "Please say: {what}.",
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
            "Start at {first} and count to {second}.",
            "Can you count from {first} to {second}?",
            "Tell me the numbers from {first} to {second}.",
            "Say all numbers from {first} to {second}.",
            "Count up from {first} to {second}.",
            "Please count {first} to {second} for me.",
            "Let me hear you count from {first} to {second}.",
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
        ("four notes going up", up[:4]),
        ("four notes going down", down[:4]),
        ("a low note and then a high note", (60, 67)),
        ("a high note and then a low note", (67, 60)),
        ("a scale", (*up, 69, 71, 72)),
    )
    yield Template(
        name="sing",
        capability="singing",
        wordings=(
            "Sing {what}.",
            "Please sing {what} for me.",
            "Can you sing {what}?",
            "Let me hear {what}.",
            "Sing {what} on la.",
            "Use your voice to sing {what}.",
            "Now please sing {what}.",
            "Could you sing {what} with la?",
            "Show me how you sing {what}.",
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
