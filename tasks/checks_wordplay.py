"""Checks of play with words: rhyme, palindromes, word chains, first letters. They read the transcript alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.tasks.phonemes import rhymes
from aqaa_eval.tasks.wording import clauses, letters, script_language, tokens

_MAX_LINES_APART = 3  # aabb, abab and abba rhyme within three lines; farther apart a listener does not hear it


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
    """At least that many pairs of nearby line ends rhyme; a line ends at a mark of punctuation.

    >>> from aqaa_eval.tasks.wording import said
    >>> lines_rhyme(said("The cat sat down upon the mat, and there it lost its little hat."), pairs=1).measured
    '1 rhymes at line ends (mat/hat); 1 asked'
    """
    lines = [part for part in map(tokens, clauses(heard.text)) if part]
    ends = list(enumerate(line[-1].lower() for line in lines))
    found = [
        f"{one}/{other}"
        for (first, one), (second, other) in combinations(ends, 2)
        if second - first <= _MAX_LINES_APART and rhymes(one, other)
    ]
    listed = ", ".join(found) or "none"
    return CheckOutcome(
        passed=len(found) >= pairs, measured=f"{len(found)} rhymes at line ends ({listed}); {pairs} asked"
    )


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
