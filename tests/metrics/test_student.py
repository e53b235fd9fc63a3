"""Student's t is SciPy's."""

from __future__ import annotations

import subprocess
import sys

import pytest
from scipy.special import stdtr, stdtrit

from aqaa_eval.metrics.student import student_quantile, student_share

DF = (0.3, 1, 1.5, 2, 3, 4, 7.3, 17, 26, 99, 1_000, 4_999, 99_999.5)


@pytest.mark.parametrize("df", DF)
@pytest.mark.parametrize("share", [0.6, 0.9, 0.975, 0.999])
def test_quantiles_and_shares_are_scipys(df: float, share: float) -> None:
    t = student_quantile(df, share)
    assert t == pytest.approx(float(stdtrit(df, share)), rel=1e-8)
    assert student_share(df, t) == pytest.approx(float(stdtr(df, t)), rel=1e-11)


@pytest.mark.parametrize(("df", "share"), [(0, 0.975), (-1, 0.975), (3, 0.5), (3, 1.0), (float("nan"), 0.9)])
def test_what_has_no_quantile_is_refused(df: float, share: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        student_quantile(df, share)


def test_an_interval_does_not_load_scipy() -> None:
    code = (
        "import sys; from aqaa_eval.metrics.uncertainty import mean_estimate;"
        "assert mean_estimate({'a': [1.0], 'b': [2.0]}).low is not None;"
        "assert 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
