"""Any program as a model: it reads the conversation as JSON and WAV files, and writes a WAV file.

One process per turn, without a shell, in the current folder. The protocol:

- standard input is one JSON object: `key` (name of the turn), `seed`, `output_audio` and `output_text` (absolute paths
  to write to), and `messages`, oldest first, each with `role` ("user" or "assistant"), `audio` (absolute path of a
  16-bit mono WAV file, or null) and `text` (what the assistant wrote earlier, or null). The last message is the
  question;
- the program writes its answer to `output_audio` (WAV, FLAC, Ogg or MP3) and, if it has its own text, that as UTF-8 to
  `output_text`, and exits with 0. No audio file is an answer without sound;
- another exit code is an error of the model; the last line on standard error becomes its reason.

With `--set persistent=true` the program is started once and asked line by line: see `persistent_command`.

Arguments may follow the program: `--model "command:python answer.py --voice b"`. The time that is reported holds the
start of the process. Standard output is thrown away; of standard error the end is kept, however much there is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.adapters.processes import LogTail, describe_code, end_session
from aqaa_eval.core.answers import MAX_TEXT_CHARACTERS, read_answer
from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.errors import AudioError, ModelError, ModelTimeout, UsageError

if TYPE_CHECKING:
    from aqaa_eval.adapters.persistent_command import PersistentCommandModel
    from aqaa_eval.core.runspec import OptionValue

_SETTINGS = {
    "timeout_s": "seconds that one turn may take (120)",
    "persistent": "true to start the program once and ask it line by line",
    "start_timeout_s": "of a persistent program: seconds until it says that it is ready (600)",
    "restarts": "of a persistent program: starts in a row without an answer before it is given up (3)",
}


def build(argument: str, options: Mapping[str, OptionValue]) -> CommandModel | PersistentCommandModel:
    """Make it from "PROGRAM ARG...", quoted as in a shell.

    Raises:
        UsageError: no program, one that cannot be run or does not become ready, or an unknown setting.
    """
    refuse_unknown("command", options, _SETTINGS)
    timeout_s = option(options, "timeout_s", 120.0)
    if timeout_s <= 0:
        raise UsageError(f"command: timeout_s must be above 0, got {timeout_s:g}")
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise UsageError(f"command:{argument}: {error}; quote it as in a shell") from error
    if not words:
        raise UsageError("command: which program? Write --model command:./answer.sh")
    program = shutil.which(words[0])
    if program is None:
        raise UsageError(
            f"command: {words[0]} is not an executable program; give a path (./answer.sh) and set its x bit"
        )
    command = (str(Path(program).absolute()), *words[1:])
    if not option(options, "persistent", False):
        return CommandModel(command=command, timeout_s=timeout_s)
    from aqaa_eval.adapters.persistent_command import PersistentCommandModel

    return PersistentCommandModel(
        command=command,
        timeout_s=timeout_s,
        start_timeout_s=option(options, "start_timeout_s", 600.0),
        max_restarts=option(options, "restarts", 3),
    )


def identity_of(command: tuple[str, ...]) -> str:
    """The command line, and a hash over those of its words that are files: another script is another model."""
    digest = hashlib.sha256()
    for word in command:
        path = Path(word)
        digest.update(path.read_bytes() if path.is_file() else word.encode())
    return f"command:{shlex.join((Path(command[0]).name, *command[1:]))}@{digest.hexdigest()[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandModel:
    """Runs the program once per turn.

    Attributes:
        command: absolute path of the program, and its arguments.
        timeout_s: seconds that one turn may take.
    """

    command: tuple[str, ...]
    timeout_s: float = 120.0

    @property
    def identity(self) -> str:
        """Command line and hash of its files."""
        return identity_of(self.command)

    def answer(self, query: Query) -> Response:
        """Put one turn to the program.

        Raises:
            ModelTimeout: it took too long; it and what it started were ended.
            ModelError: it failed, or wrote something that is no recording.
        """
        with tempfile.TemporaryDirectory(prefix="aqaa-command-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            request = folder / "request.json"
            request.write_bytes(write_question(query, folder))
            start = time.perf_counter()
            self._run(request)
            total_s = time.perf_counter() - start
            audio, text = read_files(folder)
        return Response(audio=audio, text=text, timing=Timing(first_audio_s=None, total_s=total_s))

    def _run(self, request: Path) -> None:
        try:
            # Its own session, so that a timeout ends its children too; a file for input, which nobody has to wait for.
            with request.open("rb") as stdin:
                process = subprocess.Popen(
                    self.command,
                    stdin=stdin,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    start_new_session=True,
                )
        except OSError as error:
            raise ModelError(f"{self.command[0]}: cannot be started ({error.strerror})") from error
        assert process.stderr is not None
        log = LogTail(process.stderr, None)
        try:
            code = process.wait(self.timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ModelTimeout(f"{self.command[0]}: no answer within {self.timeout_s:g} s (timeout_s)") from error
        finally:
            end_session(process)
            process.wait()
            log.settle()
        if code:
            reason = log.last_line or "nothing on standard error"
            told = f"exit code {code}" if code > 0 else describe_code(code)
            raise ModelError(f"{self.command[0]}: {told}: {reason}")


def write_question(query: Query, folder: Path) -> bytes:
    """Write the conversation's sound to a folder; returns the request as JSON in one line."""
    messages = []
    for index, message in enumerate(query.messages):
        path = folder / f"{index:02d}-{message.role}.wav"
        if message.audio is not None:
            path.write_bytes(encode_audio(message.audio, container="WAV"))
        audio = str(path) if message.audio is not None else None
        messages.append({"role": message.role, "audio": audio, "text": message.text})
    request = {
        "key": query.key,
        "seed": query.seed,
        "messages": messages,
        "output_audio": str(folder / "answer.wav"),
        "output_text": str(folder / "answer.txt"),
    }
    return json.dumps(request, ensure_ascii=False).encode()


def read_files(folder: Path) -> tuple[Audio | None, str | None]:
    """Sound and text that a program left in its folder; None for what it did not.

    Raises:
        ModelError: what it left cannot be read.
    """
    sound, words = folder / "answer.wav", folder / "answer.txt"
    try:
        audio = read_answer(sound, name="the program's answer.wav") if os.path.lexists(sound) else None
        return audio, _read_text(words) if words.is_file() else None
    except (AudioError, OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the program's answer cannot be read: {error}") from error


def _read_text(path: Path) -> str:
    if path.stat().st_size > 4 * MAX_TEXT_CHARACTERS:
        raise ModelError(f"the program's answer.txt has {path.stat().st_size} bytes; that is no answer")
    return path.read_text(encoding="utf-8").strip()
