"""The everyday commands in a process without a network: run, report, compare, gate, export and leaderboard.

Started by `test_offline.py` as a program of its own: an audit hook cannot be taken off again.
"""

from __future__ import annotations

import sys
from pathlib import Path

SILENT = ("--asr", "none", "--speech-mos", "none", "--quiet")


class Reached(BaseException):
    """No `Exception`: nobody may take it for a network that is down and go on."""


def forbid_network() -> None:
    """Let every socket but those within this machine's own kernel break the process."""
    import socket

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.__new__" and arguments[1] not in (socket.AF_UNIX, -1):
            raise Reached(f"a socket of family {arguments[1]}")
        if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.bind"):
            raise Reached(f"{event} {arguments[-1]}")

    sys.addaudithook(hook)


def command(*arguments: object) -> int:
    """One command line, in this process."""
    from aqaa_eval.cli import main

    sys.argv = ["aqaa-eval", *map(str, arguments)]
    try:
        main.main()
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    return 0


def main() -> None:
    """All of them, below a folder."""
    forbid_network()
    folder, measuring = Path(sys.argv[1]), tuple(sys.argv[2:]) or SILENT
    one, two = folder / "one", folder / "two"
    asked = ("--suite", "gaming", "--limit", 2, *measuring)
    assert command("run", "--model", "fake:echo", *asked, "--out", folder / "echo") == 0
    for out, seed in ((one, 1), (two, 2)):  # silence is scored without a transcriber: the floor
        assert command("run", "--model", "fake:silent", "--seed", seed, *asked, "--out", out) == 0
    assert command("report", folder / "echo") == 0
    assert command("compare", one, two, "--out", folder / "compare.html") == 0
    assert command("gate", two, "--baseline", one) in (0, 1, 3, 4)
    assert command("export", one, "--format", "baseline", "--out", folder / "baseline.json.gz") == 0
    assert command("leaderboard", "build", one, two, "--out", folder / "site") == 0
    assert command("leaderboard", "verify", folder / "site", one, two) == 0
    assert command("validate", "suite", "gaming") == 0
    assert command("list", "models") == 0
    print("all done", file=sys.stderr)


if __name__ == "__main__":
    main()
