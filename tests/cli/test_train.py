"""`aqaa-eval train` told wrongly: one line with the value and the way out, before anything is made."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--preset", "huge"), "--preset huge: there is no such recipe; use one of tiny, smoke"),
        (("--start", "nowhere"), "train --start nowhere: nowhere/config.json is missing"),
        (("--keep-tokenizer",), "train --keep-tokenizer: a tokenizer can be kept only of a start: give one"),
    ],
)
def test_a_start_or_preset_that_is_not_there_is_named(cli, tmp_path, given, message):
    done = cli("train", "all", "--out", tmp_path / "work", *given)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "work").exists()
