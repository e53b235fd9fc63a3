"""Which language a text looks like: by its script, and by its most frequent small words. No model is asked."""

from __future__ import annotations

from aqaa_eval.metrics.answer_language import script_language
from aqaa_eval.metrics.normaliser import normalise

_SMALL_WORDS = {
    "en": "the a an and or is are was were to of in on it that this you i my your with for not have be there he she we "
    "they do does what at from by as will can good morning thank hello please yes",
    "es": "el la los las una y o es son está de en que no se por con para mi tu su me te le lo muy como hay pero más "
    "buenos días gracias hola sí al del porque cuando yo",
    "fr": "le la les un une et ou est sont de des du en dans que qui ne pas je tu il elle nous vous mon ma mes au aux "
    "avec pour sur très c s y bonjour merci oui l d qu j",
    "de": "der die das eine und oder ist sind war von in auf mit zu nicht ich du er sie es wir ihr mein dein den dem "
    "für sehr auch guten danke hallo ja im am wie",
    "it": "il lo la i gli le una e è sono di in che non mi ti si per con mio tuo molto come ma più buongiorno grazie "
    "ciao sì al del della",
}
_SETS = {language: frozenset(listed.split()) for language, listed in _SMALL_WORDS.items()}


def guess_language(text: str) -> str:
    """The language that a text looks like; "" if its words do not tell.

    >>> guess_language("The cat is on the table."), guess_language("Le chat est sur la table.")
    ('en', 'fr')
    >>> guess_language("猫はテーブルの上です"), guess_language("猫在桌子上"), guess_language("Tokyo")
    ('ja', 'zh', '')
    """
    script = script_language(text)
    if script:
        return script
    units = normalise(text, language="").split()
    counts = {language: sum(map(small.__contains__, units)) for language, small in _SETS.items()}
    best, second = sorted(counts, key=lambda language: -counts[language])[:2]
    return best if counts[best] > counts[second] else ""
