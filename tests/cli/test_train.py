"""`aqaa-eval train` told wrongly: one line with the value and the way out, before anything is made."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--preset", "huge"), "--preset huge: there is no such recipe; use one of tiny, further, smoke"),
        (("--start", "nowhere"), "train --start nowhere: nowhere/config.json is missing"),
        (("--keep-tokenizer",), "train --keep-tokenizer: a tokenizer can be kept only of a start: give one"),
    ],
)
def test_a_start_or_preset_that_is_not_there_is_named(cli, tmp_path, given, message):
    done = cli("train", "all", "--out", tmp_path / "work", *given)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "work").exists()


def test_a_folder_goes_on_only_as_it_was_begun(cli, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "begun.json").write_text('{"preset": "smoke", "start": "tiny", "keep_tokenizer": true}')
    for given in ((), ("--start", "tiny")):
        done = cli("train", "all", "--preset", "smoke", "--out", folder, *given)
        assert done.code == 2
        assert f"{folder} was begun with --preset smoke --start tiny --keep-tokenizer: give the same" in done.err
    assert [path.name for path in folder.iterdir()] == ["begun.json"]
