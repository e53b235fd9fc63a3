from __future__ import annotations

from typing import Any

import pytest

from aqaa_eval.ablations.custom import custom_design
from aqaa_eval.core.errors import UsageError
from aqaa_eval.metrics.effects import Comparison


def design(given: dict[str, Any] | None = None, **file: Any) -> Any:
    arms = {"clean": {}, "noisy": {"perturb": ["noise:10dB"]}}
    return custom_design({"base": {"model": "cascade"}, "arms": arms, **file}, given or {}, name="noise.yaml")


def test_arms_are_overrides_of_one_spec() -> None:
    clean, noisy = design().runs
    assert clean[1].model == noisy[1].model == "cascade"
    assert (clean[1].perturb, noisy[1].perturb) == ((), ("noise:10dB",))


def test_the_command_line_wins_over_the_base_and_loses_to_an_arm() -> None:
    made = design({"model": "fake:echo", "perturb": ["reverb"]})
    assert [spec.model for _, spec in made.runs] == ["fake:echo", "fake:echo"]
    assert [spec.perturb for _, spec in made.runs] == [("reverb",), ("noise:10dB",)]


def test_settings_are_overridden_one_by_one() -> None:
    arms = {"cold": {}, "warm": {"model_options": {"temperature": 1.0}}}
    base = {"model": "m", "model_options": {"voice": "a", "temperature": 0.0}}
    _, (_, warm) = custom_design({"base": base, "arms": arms}, {}, name="t.yaml").runs
    assert warm.model_options == {"voice": "a", "temperature": 1.0}


def test_claims_bring_the_comparisons_that_they_need() -> None:
    arms = {"a": {}, "b": {"seed": 1}, "c": {"seed": 2}}
    claims = [{"says": "b beats c", "measure": "noise", "better": "b", "worse": "c"}]
    made = design(arms=arms, claims=claims)
    assert Comparison(arm="b", against="c") in made.comparisons
    assert "noise" in [measure.key for measure in made.measures]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"arms": {"only": {}}}, "at least 2"),
        ({"arms": {"a": {}, "b": {"jugde": "x"}}}, "jugde"),
        ({"arms": {"a": {}, "../b": {}}}, "names a folder"),
        ({"claims": [{"says": "s", "measure": "mos", "better": "clean", "worse": "loud"}]}, "'loud'"),
        ({"armz": {}}, "armz"),
        ({"base": {}}, "name a model"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(file: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        design(**file)
