"""A program that is started once and asked line by line: `--model command:PROGRAM --set persistent=true`.

The protocol is that of `command`, over lines of JSON:

- when it has loaded, the program writes `{"ready": true}` to standard output;
- for each turn it reads one line, the same JSON object as a program that is started per turn, writes its answer to the
  paths in it, and then one line with the turn's `key`: `{"key": "gaming/g03#0"}`. It may add `first_audio_s`, the
  seconds from reading the line to the first sample of sound, and `error`, a sentence that makes the turn a model error;
- at the end of its input it should exit; it is ended anyway.

Other lines on standard output are passed over, up to a mebibyte per turn; it has to flush what it writes. A program
that ends, floods or does not answer in time costs that one turn and is started again.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from aqaa_eval.adapters.command import identity_of, read_files, write_question
from aqaa_eval.adapters.processes import ChildEnded, ChildFlooded, ChildProcess
from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.errors import ModelError, ModelTimeout, UsageError

MAX_OUTPUT_BYTES = 1024 * 1024


class PersistentCommandModel:
    """One running program; a new one after it broke."""

    def __init__(
        self, *, command: tuple[str, ...], timeout_s: float, start_timeout_s: float = 600.0, max_restarts: int = 3
    ) -> None:
        """Start the program and wait until it is ready.

        Args:
            command: absolute path of the program, and its arguments.
            timeout_s: seconds that one turn may take.
            start_timeout_s: seconds until it must be ready.
            max_restarts: starts in a row without an answer between them before it is given up.

        Raises:
            UsageError: it cannot be started or does not become ready.
        """
        if start_timeout_s <= 0 or max_restarts < 0:
            raise UsageError("command: start_timeout_s must be above 0 and restarts at least 0")
        self._command, self._timeout_s = command, timeout_s
        self._start_timeout_s, self._max_restarts = start_timeout_s, max_restarts
        self._child: ChildProcess | None = None
        self._n_starts_without_answer = 0
        self._start()

    @property
    def identity(self) -> str:
        """Command line and hash of its files: the same program started per turn is the same model."""
        return identity_of(self._command)

    @property
    def pid(self) -> int | None:
        """Process id of the program; None while there is none."""
        return self._child.pid if self._child else None

    def answer(self, query: Query) -> Response:
        """Put one turn to the program.

        Raises:
            ModelTimeout: it took too long and was ended.
            ModelError: it ended, flooded, reported an error, or left something that is no recording.
        """
        child = self._running_child()
        with tempfile.TemporaryDirectory(prefix="aqaa-command-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            request = write_question(query, folder)
            start_s = time.perf_counter()
            reply = self._ask(child, request, query.key)
            total_s = time.perf_counter() - start_s
            self._n_starts_without_answer = 0
            if "error" in reply:
                raise ModelError(f"{self._command[0]}: {str(reply['error'])[:500]}")
            audio, text = read_files(folder)
        timing = Timing(first_audio_s=self._first_audio_s(reply, total_s), total_s=total_s)
        return Response(audio=audio, text=text, timing=timing)

    def close(self) -> None:
        """End the program; the next question would start it again."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _ask(self, child: ChildProcess, request: bytes, key: str) -> dict[str, Any]:
        deadline_s = time.monotonic() + self._timeout_s
        try:
            child.write(request + b"\n", deadline_s=deadline_s)
            return _next_reply(child, "key", key, deadline_s)
        except TimeoutError as error:
            self.close()
            raise ModelTimeout(f"{self._command[0]}: no answer within {self._timeout_s:g} s (timeout_s)") from error
        except (ChildEnded, ChildFlooded) as error:
            self.close()
            raise ModelError(f"{self._command[0]}: {error}") from error

    def _running_child(self) -> ChildProcess:
        if self._child is None:
            if self._n_starts_without_answer > self._max_restarts:
                raise ModelError(
                    f"{self._command[0]}: started {self._n_starts_without_answer} times without an answer and given up "
                    f"(restarts={self._max_restarts})"
                )
            try:
                self._start()
            except UsageError as error:
                raise ModelError(str(error)) from error
        assert self._child is not None
        return self._child

    def _start(self) -> None:
        self._n_starts_without_answer += 1
        deadline_s = time.monotonic() + self._start_timeout_s
        try:
            self._child = ChildProcess(self._command)
            _next_reply(self._child, "ready", True, deadline_s)
        except OSError as error:
            self.close()
            if isinstance(error, TimeoutError):
                reason = f'no {{"ready": true}} within {self._start_timeout_s:g} s (start_timeout_s)'
                raise UsageError(f"{self._command[0]}: {reason}") from error
            raise UsageError(f"{self._command[0]}: cannot be started ({error.strerror})") from error
        except (ChildEnded, ChildFlooded) as error:
            self.close()
            raise UsageError(f'{self._command[0]}: {error}; before it was {{"ready": true}}') from error

    def _first_audio_s(self, reply: dict[str, Any], total_s: float) -> float | None:
        value = reply.get("first_audio_s")
        if value is None:
            return None
        if not isinstance(value, int | float) or not 0 <= value <= total_s:
            raise ModelError(
                f"{self._command[0]}: first_audio_s is {value!r}; it must lie between 0 and the {total_s:.3f} s that "
                "the answer took"
            )
        return float(value)


def _next_reply(child: ChildProcess, field: str, value: object, deadline_s: float) -> dict[str, Any]:
    """The next line that is a JSON object whose `field` has that value; what else is printed is passed over."""
    n_bytes = 0
    while True:
        line = child.read_line(max_bytes=MAX_OUTPUT_BYTES, deadline_s=deadline_s)
        n_bytes += len(line) + 1
        if n_bytes > MAX_OUTPUT_BYTES:
            raise ChildFlooded(f"more than {MAX_OUTPUT_BYTES} bytes on standard output and no reply in them")
        try:
            reply = json.loads(line)
        except ValueError:
            continue
        if isinstance(reply, dict) and reply.get(field) == value:
            return reply
