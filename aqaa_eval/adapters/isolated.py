"""`--python`: any adapter in another interpreter, so that models with clashing pins are measured side by side.

The other environment needs Python 3.11 or later, numpy, soundfile, soxr and what its model needs. aqaa-eval itself
need not be installed there: the child is handed this package's own files, so both sides are always of one version.

A child that crashes, hangs, floods or is killed costs the one answer it was asked for; the next question starts it
again. Identity and answers are those of the same model in this process.
"""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from aqaa_eval.adapters.options import option
from aqaa_eval.adapters.processes import ChildEnded, ChildProcess
from aqaa_eval.adapters.wire import (
    MAX_SAMPLES,
    PROTOCOL,
    Packet,
    WireError,
    pack,
    pack_query,
    unpack,
    unpack_response,
)
from aqaa_eval.core import errors
from aqaa_eval.core.errors import AqaaError, MissingWeights, ModelError, ModelTimeout, UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.attempt import Query, Response
    from aqaa_eval.core.runspec import OptionValue

SETTINGS = {
    "worker_timeout_s": "seconds that one answer may take (600)",
    "worker_start_timeout_s": "seconds that loading may take (3600)",
    "worker_restarts": "starts in a row without an answer between them, before it is given up (3)",
}
# Finds this very package and nothing that lies beside it, which belongs to another environment.
_BOOT = """
import sys
if sys.version_info < (3, 11):
    sys.exit(f"aqaa-eval needs Python 3.11 or later, {sys.executable} is {sys.version.split()[0]}")
import importlib.util
spec = importlib.util.spec_from_file_location(
    "aqaa_eval", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]]
)
sys.modules["aqaa_eval"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from aqaa_eval.adapters.worker import main
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationSettings:
    """What runs where, and how long it may take.

    Attributes:
        python: the interpreter.
        target: "module:object" of the adapter's `build`.
        argument: what follows the colon in the model's name.
        options: the adapter's settings.
        log: file for the child's standard error; None keeps only its end for messages.
        timeout_s: seconds that one answer may take.
        start_timeout_s: seconds that loading may take.
        max_restarts: starts in a row without an answer between them.
    """

    python: str
    target: str
    argument: str
    options: Mapping[str, OptionValue]
    log: Path | None = None
    timeout_s: float = 600.0
    start_timeout_s: float = 3600.0
    max_restarts: int = 3

    def __post_init__(self) -> None:
        if min(self.timeout_s, self.start_timeout_s) <= 0 or self.max_restarts < 0:
            raise UsageError("worker_timeout_s and worker_start_timeout_s must be above 0, worker_restarts at least 0")


def isolate(
    target: str, argument: str, options: Mapping[str, OptionValue], *, python: str, log: Path | None = None
) -> IsolatedModel:
    """Make a model in another interpreter, and wait until it is loaded.

    Args:
        target: "module:object" of the adapter's `build`.
        argument: what follows the colon in the model's name.
        options: the adapter's settings, and those of `SETTINGS`.
        python: the interpreter, as a path or a name on the PATH.
        log: file for what the model prints.

    Raises:
        UsageError: no such interpreter, it lacks a package, or the model refuses its name or settings.
        MissingWeights, DataError: as the adapter says.
    """
    program = shutil.which(python)
    if program is None:
        raise UsageError(f"--python {python}: not an executable; give .../bin/python of the other environment")
    settings = IsolationSettings(
        python=program,
        target=target,
        argument=argument,
        options={name: value for name, value in options.items() if name not in SETTINGS},
        log=log,
        timeout_s=option(options, "worker_timeout_s", 600.0),
        start_timeout_s=option(options, "worker_start_timeout_s", 3600.0),
        max_restarts=option(options, "worker_restarts", 3),
    )
    return IsolatedModel(settings)


class IsolatedModel:
    """A model whose adapter runs in a child process."""

    def __init__(self, settings: IsolationSettings) -> None:
        """Start the child; see `isolate` for what it raises."""
        self._settings = settings
        self._child: ChildProcess | None = None
        self._n_starts_without_answer = 0
        self._identity = ""
        self._environment: Mapping[str, str] = {}
        self._start()

    @property
    def identity(self) -> str:
        """That of the model itself: where it runs changes no answer."""
        return self._identity

    @property
    def environment(self) -> Mapping[str, str]:
        """Versions in the other interpreter, for the run's manifest."""
        return self._environment

    @property
    def pid(self) -> int | None:
        """Process id of the child; None while there is none."""
        return self._child.pid if self._child else None

    def answer(self, query: Query) -> Response:
        """Put the question to the child.

        Raises:
            ModelTimeout: no answer in time; the child was ended.
            ModelError: it broke or ended; or it has been given up.
            AqaaError: what the adapter raised.
        """
        child = self._running_child()
        try:
            reply = self._exchange(child, pack_query(query), self._settings.timeout_s)
            response = None if "error" in reply.header else unpack_response(reply)
        except TimeoutError as error:
            self.close()
            limit = f"{self._settings.timeout_s:g} s (worker_timeout_s)"
            raise ModelTimeout(f"no answer from the model's process within {limit}; it was ended") from error
        except ChildEnded as error:
            self.close()
            raise ModelError(f"the model's process {error}") from error
        except WireError as error:
            self.close()
            raise ModelError(f"the model's process sent {error}; it was ended") from error
        self._n_starts_without_answer = 0
        if response is None:
            _raise_told(reply.header["error"], ModelError)
        return response

    def close(self) -> None:
        """End the child; the next question would start it again."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _running_child(self) -> ChildProcess:
        if self._child is None:
            if self._n_starts_without_answer > self._settings.max_restarts:
                raise ModelError(
                    f"the model's process was started {self._n_starts_without_answer} times without an answer and is "
                    f"given up (worker_restarts={self._settings.max_restarts})"
                )
            try:
                self._start()
            except AqaaError as error:
                raise ModelError(f"the model's process could not be started again: {error}") from error
        assert self._child is not None
        return self._child

    def _start(self) -> None:
        settings = self._settings
        self._n_starts_without_answer += 1
        package = str(Path(__file__).parents[1])
        try:
            self._child = ChildProcess(
                (settings.python, "-c", _BOOT, package),
                log=settings.log,
                environment={"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"},
            )
        except OSError as error:
            raise UsageError(f"--python {settings.python}: cannot be started ({error.strerror})") from error
        header = {
            "do": "build",
            "target": settings.target,
            "argument": settings.argument,
            "options": dict(settings.options),
        }
        try:
            self._accept(self._exchange(self._child, Packet(header=header), settings.start_timeout_s))
        except BaseException as error:
            self.close()
            self._explain(error)

    def _accept(self, reply: Packet) -> None:
        if "error" in reply.header:
            _raise_told(reply.header["error"], UsageError)
        if reply.header.get("protocol") != PROTOCOL:
            raise WireError(f"protocol {reply.header.get('protocol')!r} instead of {PROTOCOL}")
        identity = str(reply.header["identity"])
        if self._identity and identity != self._identity:
            raise UsageError(f"it is now {identity}, and was {self._identity}: its weights or its code have changed")
        self._identity, self._environment = identity, dict(reply.header["environment"])

    def _explain(self, error: BaseException) -> NoReturn:
        where = f"--python {self._settings.python}"
        if isinstance(error, ChildEnded):
            remedy = "" if "Python" in str(error) else "; it must be a Python (3.11 or later) that the model loads in"
            if "ModuleNotFoundError" in str(error):
                remedy = f"; besides the model's own packages it needs: {_pip(where)} numpy soundfile soxr"
            raise UsageError(f"{where}: the model's process {error}{remedy}") from error
        if isinstance(error, TimeoutError):
            limit = f"{self._settings.start_timeout_s:g} s (worker_start_timeout_s)"
            raise UsageError(f"{where}: the model was not loaded within {limit}") from error
        if isinstance(error, WireError):
            raise UsageError(f"{where}: the process sent {error}") from error
        raise error

    def _exchange(self, child: ChildProcess, packet: Packet, timeout_s: float) -> Packet:
        deadline_s = time.monotonic() + timeout_s
        child.write(pack(packet), deadline_s=deadline_s)
        try:
            return unpack(lambda n_bytes: child.read(n_bytes, deadline_s=deadline_s), max_samples=MAX_SAMPLES)
        except struct.error as error:
            raise WireError(str(error)) from error


def _pip(where: str) -> str:
    return f"{where.removeprefix('--python ')} -m pip install"


def _raise_told(told: Mapping[str, Any], fallback: type[AqaaError]) -> NoReturn:
    """Raise here what was raised there: our own errors as they were, others by name."""
    kind, message = str(told.get("kind")), str(told.get("message"))
    if kind == "UnknownName":
        raise UsageError(message)
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, AqaaError):
        raise known(message)
    if "module" in told and fallback is UsageError:
        raise MissingWeights(f"{kind}: {message}; install it in the environment that --python names")
    raise fallback(f"{kind}: {message}")
