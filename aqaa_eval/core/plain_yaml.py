"""YAML as plain values, from people and from strangers.

A safe loader alone is not enough. Names for values (`&a`, `*a`) make a few lines stand for billions of values as soon
as somebody prints them; PyYAML's C loader overruns the stack on deep nesting and takes the process with it; numbers of
thousands of digits and impossible dates raise what is no YAML error. So the text is first walked event by event.
"""

from __future__ import annotations

from typing import Any

import yaml

from aqaa_eval.core.errors import DataError

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 32


class YamlError(DataError):
    """The text is not such YAML.

    Attributes:
        line: where, from 1.
    """

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


def load_yaml(text: str) -> Any:
    r"""The values of one document.

    Raises:
        YamlError: not YAML, a tag, a name for a value (anchor or alias), too long, too deep, or an impossible value.

    >>> load_yaml("a: [1, yes, text]")
    {'a': [1, True, 'text']}
    >>> load_yaml("a: &x [1]\nb: *x")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    aqaa_eval.core.plain_yaml.YamlError: &x names a value; anchors are not taken, write the value out
    """
    if len(text) > MAX_CHARACTERS:
        raise YamlError(f"{len(text)} characters, at most {MAX_CHARACTERS} are read", line=1)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times as fast, and not everywhere
    try:
        _refuse_tricks(text, loader)
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise YamlError(f"not readable as YAML: {problem}", line=mark.line + 1 if mark else 1) from error
    except (ValueError, RecursionError) as error:
        raise YamlError(f"not readable as YAML: {error}; write it in quotes", line=1) from error
    except (LookupError, AttributeError, TypeError) as error:  # PyYAML on `!!int` before nothing, `!!bool maybe`
        raise YamlError("not readable as YAML: a value is none of the kind that its tag says", line=1) from error


def _refuse_tricks(text: str, loader: Any) -> None:
    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        name, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if depth > MAX_DEPTH:
            raise YamlError(f"lists and mappings lie more than {MAX_DEPTH} deep", line=event.start_mark.line + 1)
        if name is not None:
            sign, kind = ("*", "repeats") if isinstance(event, yaml.AliasEvent) else ("&", "names")
            message = f"{sign}{name} {kind} a value; anchors are not taken, write the value out"
            raise YamlError(message, line=event.start_mark.line + 1)
        if tag is not None and not tag.startswith("tag:yaml.org,2002:"):
            message = f"the tag {tag} asks for an object; write plain values"
            raise YamlError(message, line=event.start_mark.line + 1)
