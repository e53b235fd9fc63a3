"""What the tiny domain asks of a voice, or about one: who speaks and how, a manner, an echo, a count, a song."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aqaa_eval.reference_model.training.domain import words
from aqaa_eval.reference_model.training.domain.kinds import Case, Manner, Template, Tone, sentence

ABOUT_THE_VOICE = ("who_speaks", "who_spoke", "mood", "pace")
"""Templates whose answers depend on how the question sounds."""


def voice_templates() -> Iterator[Template]:
    """All of them."""
    for group in (_voices(), _manners(), _songs()):
        yield from group


def _voices() -> Iterator[Template]:
    yield Template(
        name="who_speaks",
        capability="voice_understanding",
        every_voice=True,
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
        every_voice=True,
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
        cases=tuple(Case(slots={"what": what}, answer=sentence(f"{what}.")) for what in words.ECHOED),
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
                slots={"first": words.NUMBERS[first], "second": words.NUMBERS[last]},
                answer=sentence(", ".join(words.NUMBERS[first : last + 1]) + "."),
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
