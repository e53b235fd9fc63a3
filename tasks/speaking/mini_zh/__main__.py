"""Speak the Chinese set into a folder.

usage: python -m aqaa_eval.tasks.speaking.mini_zh [FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path

from aqaa_eval.core.errors import AqaaError
from aqaa_eval.tasks.speaking.script import SCRIPT_NAME
from aqaa_eval.tasks.speaking.studio import speak_suite
from aqaa_eval.tasks.suite import CARD_NAME

DEFAULT_FOLDER = Path("runs/mini-zh")


def main(arguments: list[str] | None = None) -> int:
    """Speak it; the folder is a suite afterwards."""
    parser = argparse.ArgumentParser(prog="python -m aqaa_eval.tasks.speaking.mini_zh", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER, help="default: runs/mini-zh")
    folder = parser.parse_args(arguments).folder
    try:
        n_recordings = speak_into(folder)
    except AqaaError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    print(f"{folder}: {n_recordings} recordings, for use on this machine; aqaa-eval run --suite {folder}")
    return 0


def speak_into(folder: Path) -> int:
    """Write card and script into a folder, and speak them there.

    Returns:
        How many recordings there are.

    Raises:
        MissingWeights, UsageError: the voice is not on this machine; the message says what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CARD_NAME, SCRIPT_NAME):
        (folder / name).write_bytes((files("aqaa_eval.tasks.speaking.mini_zh") / name).read_bytes())
    return speak_suite(folder)


if __name__ == "__main__":
    sys.exit(main())
