"""Speak the bundled suites, or a suite's folder, from their scripts.

usage: python -m aqaa_eval.tasks.speaking [--keep] [SUITE_OR_FOLDER ...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from aqaa_eval.core.errors import AqaaError
from aqaa_eval.tasks.speaking.studio import speak_suite
from aqaa_eval.tasks.suite import BUNDLED


def main(arguments: list[str] | None = None) -> int:
    """Speak what is named; all nine suites if nothing is."""
    parser = argparse.ArgumentParser(prog="python -m aqaa_eval.tasks.speaking", description=__doc__.split("\n")[0])
    parser.add_argument("suites", nargs="*", help="ids of bundled suites, or folders with a script.yaml")
    parser.add_argument("--keep", action="store_true", help="do not speak again what has the same words and voice")
    options = parser.parse_args(arguments)
    here = Path(__file__).resolve().parents[1]
    for name in options.suites or BUNDLED:
        root = here / name if name in BUNDLED else Path(name)
        try:
            print(f"{name}: {speak_suite(root, keep=options.keep)} recordings", flush=True)
        except AqaaError as error:
            print(f"error: {error}", file=sys.stderr)
            return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
