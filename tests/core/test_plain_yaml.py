"""What PyYAML breaks on is told as an error of the text."""

from __future__ import annotations

import pytest

from aqaa_eval.core.plain_yaml import YamlError, load_yaml


@pytest.mark.parametrize(
    "text", ["!!int", "!!int ''", "!!bool maybe", "!!timestamp soon", "!!float", "a: !!int +", "!!set a"]
)
def test_a_value_that_does_not_fit_its_tag_is_refused(text: str) -> None:
    with pytest.raises(YamlError, match="not readable as YAML"):
        load_yaml(text)


def test_a_value_that_fits_its_tag_is_read() -> None:
    assert load_yaml("a: !!int 7\nb: !!str 7\nc: !!bool yes") == {"a": 7, "b": "7", "c": True}
