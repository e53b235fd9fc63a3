"""Checks of play with words: rhyme, palindromes, word chains, first letters. They read the transcript alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.metrics.answer_language import script_language
from aqaa_eval.tasks.phonemes import rhymes
from aqaa_eval.tasks.wording import clauses, letters, tokens

_WORDS_APART = (3, 12)  # shorter is no line, and farther apart a listener hears no rhyme


def says_rhymes_with(heard: Heard, *, word: str, n: int = 1) -> CheckOutcome:
    """At least n different English words are said that rhyme with a given one.

    >>> from aqaa_eval.tasks.wording import said
    >>> says_rhymes_with(said("Light, kite and dog."), word="night", n=2)
    CheckOutcome(passed=True, measured="2 words rhyme with 'night' (light, kite); 2 asked")
    """
    found = [token for token in dict.fromkeys(map(str.lower, tokens(heard.text))) if rhymes(token, word)]
    told = f"{len(found)} words rhyme with {word!r} ({', '.join(found) or 'none'})"
    return CheckOutcome(passed=len(found) >= n, measured=f"{told}; {n} asked")


def lines_rhyme(heard: Heard, *, pairs: int = 1) -> CheckOutcome:
    """At least that many line ends rhyme with a word about a line or two before.

    A recogniser marks the end of a verse, and seldom the end of each line in it. So the last word before a mark must
    rhyme with any word that stands 3 to 12 words before it.

    >>> from aqaa_eval.tasks.wording import said
    >>> lines_rhyme(said("The cat lay down upon the mat and there it lost its little hat."), pairs=1).measured
    '1 rhymes at line ends (mat/hat); 1 asked'
    """
    lines = [[token.lower() for token in tokens(part)] for part in clauses(heard.text)]
    spoken = [word for line in lines for word in line]
    ends = [end - 1 for end in accumulate(map(len, lines)) if end]
    partners = {
        end: next((word for word in _words_before(spoken, end) if rhymes(word, spoken[end])), None) for end in ends
    }
    found = [f"{partner}/{spoken[end]}" for end, partner in partners.items() if partner is not None]
    told = f"{len(found)} rhymes at line ends ({', '.join(found) or 'none'})"
    return CheckOutcome(passed=len(found) >= pairs, measured=f"{told}; {pairs} asked")


def _words_before(spoken: Sequence[str], end: int) -> Sequence[str]:
    """The words where the line before may have ended, the nearest first."""
    nearest, farthest = _WORDS_APART
    return spoken[max(0, end - farthest) : max(0, end - nearest + 1)][::-1]


def says_palindrome(heard: Heard, *, min_letters: int = 4) -> CheckOutcome:
    """A word or a run of words reads the same backwards, with at least that many letters.

    The default of 4 leaves out "did" and "I", which any answer may hold.

    >>> from aqaa_eval.tasks.wording import said
    >>> says_palindrome(said("A nut for a jar of tuna!"), min_letters=4).passed
    True
    >>> says_palindrome(said("One is radar."), min_letters=4).measured
    "'radar' is a palindrome; one of at least 4 letters asked"
    """
    text = letters(heard.text)
    parts = list(text) if script_language(text) else [letters(token) for token in tokens(heard.text)]
    found = ""
    for start in range(len(parts)):
        run = ""
        for part in parts[start:]:
            run += part
            if len(run) >= max(min_letters, len(found) + 1) and run == run[::-1] and len(set(run)) > 1:
                found = run
    told = f"{found!r} is a palindrome" if found else "no palindrome said"
    return CheckOutcome(passed=bool(found), measured=f"{told}; one of at least {min_letters} letters asked")


def chains_from(heard: Heard, *, word: str, but_not: Sequence[str] = ()) -> CheckOutcome:
    """A word-chain move: the answer's first or last word begins with the last letter of the given word.

    First or last, because people answer "Tiger! Your turn." as well as "I say tiger."; used words are no move.

    >>> from aqaa_eval.tasks.wording import said
    >>> chains_from(said("Tiger."), word="elephant")
    CheckOutcome(passed=True, measured="'tiger' after 'elephant'; a word in 't' asked")
    """
    asked = letters(word)[-1]
    found = [letters(token) for token in tokens(heard.text)]
    candidates = [found[0], found[-1]] if found else []
    used = {letters(one) for one in (word, *but_not)}
    fitting = next((one for one in candidates if one.startswith(asked) and one not in used), None)
    told = fitting or (candidates[-1] if candidates else "")
    return CheckOutcome(passed=fitting is not None, measured=f"{told!r} after {word!r}; a word in {asked!r} asked")


def words_begin_with(heard: Heard, *, letter: str, share: float = 0.75) -> CheckOutcome:
    """That share of the words begin with a letter; the default of 0.75 forgives "the" and "a".

    >>> from aqaa_eval.tasks.wording import said
    >>> words_begin_with(said("Seven silly snakes sing softly."), letter="s", share=0.75).measured
    "5 of 5 words begin with 's'; 75 % asked"
    """
    found = [letters(token) for token in tokens(heard.text)]
    n_fitting = sum(one.startswith(letter.lower()) for one in found)
    told = f"{n_fitting} of {len(found)} words begin with {letter.lower()!r}"
    passed = bool(found) and n_fitting >= share * len(found)
    return CheckOutcome(passed=passed, measured=f"{told}; {100 * share:.0f} % asked")
