"""`python:module:Class` and `python:/path/file.py:Class`: a class of the user's own as the model under test.

The class (or a function that makes the model) is called with the settings of `--set` as keyword arguments. What it
makes must have the shape of `aqaa_eval.core.protocols.SpeechModel`:

    class Model:
        identity = "my-model@1"          # another identity, answers that are not to be mixed

        def answer(self, query):         # Query -> Response, both of aqaa_eval.core.attempt
            ...

It is checked before the run, and every answer is checked as it comes. With `concurrency` above 1 it is called from so
many threads; with `batch` above 1 it is given so many conversations by `answer_many` (`BatchSpeechModel`).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.answers import checked_response
from aqaa_eval.core.attempt import Query, Response
from aqaa_eval.core.errors import UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

SHAPE = "it needs `identity` (a str) and `answer(query)`; see aqaa_eval.core.protocols.SpeechModel"


def build(argument: str, options: Mapping[str, OptionValue]) -> PythonModel:
    """Make the model of "module:Class" or "/path/file.py:Class".

    Raises:
        UsageError: it cannot be imported or made, or has not the shape of a model; the message says what is missing.
    """
    where, _, name = argument.rpartition(":")
    if not where or not name.isidentifier():
        raise UsageError(f"python:{argument}: write python:my_models:Model or python:/path/file.py:Model")
    module = _import(where)
    make = getattr(module, name, None)
    if make is None:
        there = ", ".join(key for key, value in vars(module).items() if inspect.isclass(value)) or "no class at all"
        raise UsageError(f"python:{argument}: {where} has no {name}; it has {there}")
    if not callable(make):
        raise UsageError(f"python:{argument}: {name} is a {type(make).__name__}, not a class")
    model = _make(make, argument, options)
    _check_shape(model, argument)
    shown = f"{Path(where).name}:{name}"
    settings = "".join(f",{key}={value}" for key, value in sorted(options.items()))
    return PythonModel(model, identity=f"python:{shown}@{_hash_of(module)}({model.identity}){settings}")


class PythonModel:
    """The user's model, with its answers checked."""

    def __init__(self, model: Any, *, identity: str) -> None:
        self._model, self._identity = model, identity

    @property
    def identity(self) -> str:
        """Name, hash of the source file, what the model calls itself, and the settings."""
        return self._identity

    @property
    def concurrency(self) -> int:
        """Conversations that the user's model takes at once, if it says so."""
        return int(getattr(self._model, "concurrency", 1))

    @property
    def batch(self) -> int:
        """Conversations that its `answer_many` takes together, if it says so."""
        return int(getattr(self._model, "batch", 1))

    def answer(self, query: Query) -> Response:
        """Ask it.

        Raises:
            ModelError: what it returns is no answer.
        """
        return checked_response(self._model.answer(query))

    def answer_many(self, queries: Sequence[Query]) -> list[Response]:
        """Ask it about several conversations at once, if `batch` is above 1; its answers are checked one by one later.

        Raises:
            Exception: what it raises.
        """
        return list(self._model.answer_many(queries))


def _import(where: str) -> ModuleType:
    try:
        if where.endswith(".py") or os.sep in where:
            return _import_file(Path(where).expanduser())
        look_where_called()
        return importlib.import_module(where)
    except UsageError:
        raise
    except Exception as error:  # the user's own code: whatever it raises is told
        raise UsageError(f"python:{where}: cannot be imported: {type(error).__name__}: {error}") from error


def look_where_called() -> None:
    """Let modules be found in the working folder: an installed command does not look there."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"python:{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"aqaa_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"python:{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.resolve().parent))
    spec.loader.exec_module(module)
    return module


def _make(make: Callable[..., Any], argument: str, options: Mapping[str, OptionValue]) -> Any:
    try:
        return make(**options)
    except Exception as error:  # as above
        given = ", ".join(f"{key}={value!r}" for key, value in options.items()) or "nothing"
        raise UsageError(f"python:{argument}: cannot be made from {given}: {type(error).__name__}: {error}") from error


def _check_shape(model: Any, argument: str) -> None:
    lacking = []
    if not isinstance(getattr(model, "identity", None), str):
        lacking.append(f"`identity` is {_told(model, 'identity')}")
    answer = getattr(model, "answer", None)
    if not callable(answer):
        lacking.append(f"`answer` is {_told(model, 'answer')}")
    elif not _takes_one(answer):
        lacking.append(f"`answer` takes {inspect.signature(answer)}")
    widths = {name: getattr(model, name, 1) for name in ("concurrency", "batch")}
    lacking += [f"`{name}` is {_told(model, name)}" for name, width in widths.items() if not isinstance(width, int)]
    if widths["batch"] != 1 and not callable(getattr(model, "answer_many", None)):
        lacking.append(f"it has a `batch`, but `answer_many` is {_told(model, 'answer_many')}")
    if lacking:
        raise UsageError(f"python:{argument}: a {type(model).__name__} is no model: {', '.join(lacking)}; {SHAPE}")


def _told(model: Any, name: str) -> str:
    value = getattr(model, name, None)
    return "missing" if value is None else f"a {type(value).__name__}"


def _takes_one(answer: Callable[..., Any]) -> bool:
    try:
        inspect.signature(answer).bind(object())
    except TypeError:
        return False
    except ValueError:  # a builtin tells no signature
        return True
    return True


def _hash_of(module: ModuleType) -> str:
    path = getattr(module, "__file__", None)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:8] if path else "no-source"
