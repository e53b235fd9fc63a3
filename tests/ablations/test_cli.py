from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done, cli

__all__ = ["cli"]

OFFLINE = ("--asr", "none", "--speech-mos", "none", "--quiet")

TWO_FAKES = """
title: A voice against silence
base: {suites: [gaming], limit: 2, channel: text}
arms:
  echo: {model: "fake:echo"}
  silent: {model: "fake:silent"}
measures: [answer_s, mos]
claims:
  - {says: An echo answers better than silence, measure: mos, better: echo, worse: silent}
  - {says: An echo is longer than silence, measure: answer_s, better: echo, worse: silent}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fakes.yaml"
    path.write_text(TWO_FAKES, encoding="utf-8")
    return path


def test_a_file_of_arms_gives_table_plot_verdicts_page_and_json(
    cli: Callable[..., Done], file: Path, tmp_path: Path
) -> None:
    done = cli("ablate", file, "--out", tmp_path / "out", *OFFLINE)
    assert done.code == 0, done.err
    assert "A voice against silence" in done.out
    assert "An echo is longer than silence" in done.out
    told = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [arm["name"] for arm in told["arms"]] == ["echo", "silent"]
    assert told["effects"]["answer_s"][0]["difference"]["n_clusters"] == 2
    page = (tmp_path / "out" / "ablation.html").read_text()
    assert "Effects" in page
    assert "bar-dot" in page
    again = cli("ablate", file, "--out", tmp_path / "out", "--json", *OFFLINE)
    assert json.loads(again.out) == told
    assert page == (tmp_path / "out" / "ablation.html").read_text()


def test_the_layouts_of_the_reference_model_run_without_a_network(cli: Callable[..., Done], tmp_path: Path) -> None:
    command = (
        "ablate", "interleave", "--model", "reference:tiny-random", "--suite", "gaming", "--limit", "1",
        "--layouts", "audio_only,text_to_audio", "--set", "max_new_tokens=20", "--out", tmp_path / "out",
        "--asr", "none", "--speech-mos", "none",
    )  # fmt: skip
    done = cli(*command)
    assert done.code == 0, done.err
    assert "published, not measured here" in done.out
    for row in ("4.03", "1.71", "Time to first audio"):
        assert row in done.out
    arms = tmp_path / "out" / "arms"
    stored = {path: path.stat().st_mtime_ns for path in arms.glob("*/audio/*.flac")}
    assert len(stored) >= 2
    again = cli(*command)
    assert "2 of 2 conversations are already complete" in again.err
    assert stored == {path: path.stat().st_mtime_ns for path in arms.glob("*/audio/*.flac")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("interleav",), "did you mean interleave?"),
        (("interleave", "--model", "fake:echo"), "cannot switch its output layout"),
        (("interleave", "--model", "reference", "--layouts", "audio_only,sideways"), "no layout named 'sideways'"),
        (("merge", "--weights", "nowhere"), "holds none of sft1, sft2, dpo"),
        (("preference", "--weights", "nowhere"), "aqaa-eval train all"),
        (("missing.yaml",), "cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_told(cli: Callable[..., Done], arguments: tuple[str, ...], message: str) -> None:
    done = cli("ablate", *arguments, *OFFLINE)
    assert done.code == 2
    assert message in done.err
