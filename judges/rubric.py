"""Rubrics: the anchored levels by which a language-model judge grades, one Markdown file per suite.

A file begins with front matter (`id`, `version`, `languages`, and `scales` for other than levels 1 to 5) and has one
section per scale, `## content`, with a line per level, best first. Scales that a suite does not describe itself come
from `common.md`. `conversation.md` holds Factuality, Relevance and Chat, which are graded for every suite.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, ValidationError

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.plain_yaml import YamlError, load_yaml
from aqaa_eval.judges.verdict import Scale

COMMON = "common"
CONVERSATION = "conversation"
MOS_SCALES = ("content", "delivery", "speech")

_SECTION = re.compile(r"^## (\w+)\n", re.MULTILINE)
_LEVEL = re.compile(r"^- (\d): \S", re.MULTILINE)


class RubricHead(BaseModel):
    """Front matter of a rubric file.

    Attributes:
        languages: of the answers that the levels were written for.
        scales: lowest and highest level of each scale; all others run from 1 to 5.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    version: str
    languages: tuple[str, ...]
    scales: dict[str, tuple[int, int]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """One rubric, ready to be read to a judge.

    Attributes:
        id: the suite's id, or "conversation".
        sections: the text with the levels, by name of the scale.
        scales: in the order of the file, the common ones last.
    """

    id: str
    version: str
    languages: tuple[str, ...]
    intro: str
    sections: dict[str, str]
    scales: tuple[Scale, ...]

    def text(self, scales: tuple[Scale, ...]) -> str:
        """The rubric's words for some of its scales."""
        parts = [self.intro, *(f"{scale.name.capitalize()}:\n{self.sections[scale.name]}" for scale in scales)]
        return "\n\n".join(part for part in parts if part)

    @property
    def sha256(self) -> str:
        """Hash of all that a judge reads of it."""
        return hashlib.sha256(f"{self.version}\n{self.text(self.scales)}".encode()).hexdigest()


def parse_rubric(text: str, *, name: str, common: Rubric | None = None) -> Rubric:
    """Read a rubric file; scales of `common` that it does not describe are added.

    Raises:
        DataError: front matter or a level is missing; the message names it.
    """
    if not text.startswith("---\n") or "\n---\n" not in text:
        raise DataError(f"{name}: a rubric begins with front matter between two lines of ---")
    front, body = text.removeprefix("---\n").split("\n---\n", 1)
    try:
        head = RubricHead.model_validate(load_yaml(front))
    except (ValidationError, YamlError) as error:
        raise DataError(f"{name}: front matter: {' '.join(str(error).split())}") from error
    intro, *pieces = _SECTION.split(body)
    sections = {scale: words.strip() for scale, words in zip(pieces[::2], pieces[1::2], strict=True)}
    scales = []
    for scale, words in sections.items():
        low, high = head.scales.get(scale, (1, 5))
        told = sorted({int(level) for level in _LEVEL.findall(words)})
        if told != list(range(low, high + 1)):
            raise DataError(
                f"{name}: {scale} describes the levels {told}, it needs each of {low} to {high} ('- 3: ...')"
            )
        scales.append(Scale(name=scale, low=low, high=high))
    if common is not None:
        scales += [scale for scale in common.scales if scale.name not in sections]
        sections = {**common.sections, **sections}
    return Rubric(
        id=head.id,
        version=head.version,
        languages=head.languages,
        intro=intro.strip(),
        sections=sections,
        scales=tuple(sorted(scales, key=lambda scale: _place(scale.name))),
    )


def _place(scale: str) -> int:
    return MOS_SCALES.index(scale) if scale in MOS_SCALES else 0


@cache
def load_rubric(name: str) -> Rubric:
    """A bundled rubric by suite id; a suite without one of its own is graded by the general one.

    Raises:
        DataError: the file is malformed.
    """
    folder = files("aqaa_eval.judges") / "rubrics"
    if not (folder / f"{name}.md").is_file():
        return load_rubric(COMMON)
    common = None if name in (COMMON, CONVERSATION) else load_rubric(COMMON)
    return parse_rubric((folder / f"{name}.md").read_text(encoding="utf-8"), name=f"{name}.md", common=common)


def bundled_rubrics() -> tuple[str, ...]:
    """Ids of all bundled rubrics."""
    folder = files("aqaa_eval.judges") / "rubrics"
    return tuple(sorted(item.name.removesuffix(".md") for item in folder.iterdir() if item.name.endswith(".md")))


@cache
def rubrics_hash() -> str:
    """Eight hex digits over all rubrics: part of a judge's identity."""
    lines = "\n".join(f"{name} {load_rubric(name).sha256}" for name in bundled_rubrics())
    return hashlib.sha256(lines.encode()).hexdigest()[:8]
