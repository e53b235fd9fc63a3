"""`make bench`: every benchmark, as Markdown tables on stdout."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from tests.bench import bench_engine, bench_judge, bench_report, harness


def machine() -> str:
    """The machine in one line."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def main() -> None:
    """Run them all."""
    print(f"Machine: {machine()}\n")
    bench_engine.main()
    print()
    harness.main()
    print()
    bench_judge.main()
    print()
    bench_report.main()
    print()
    # Only now: the memory of a child process counts from its parent's, and this loads torch.
    from tests.bench import bench_asr, bench_reference

    bench_reference.main()
    print()
    bench_asr.main()


if __name__ == "__main__":
    main()
