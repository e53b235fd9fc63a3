"""`aqaa-eval validate model`: what holds for a model's adapter, found out by asking it.

| file | what is in it |
| --- | --- |
| `findings.py` | one row of the table |
| `materials.py` | what is asked: bundled recordings are handed in, silence and broken sound are made |
| `exam.py` | asks one model, with a limit on every answer, and remembers all answers |
| `talking.py`, `repeating.py`, `enduring.py`, `stopping.py`, `telling.py` | the rules |
| `rules.py` | their order; `examine` |

A rule never raises: what a model does wrong is a row. It needs nothing of ours but `aqaa_eval.core`.
"""

from aqaa_eval.conformance.exam import ExamSettings
from aqaa_eval.conformance.findings import Finding, Verdict
from aqaa_eval.conformance.materials import Conversation, Materials
from aqaa_eval.conformance.rules import examine

__all__ = ["Conversation", "ExamSettings", "Finding", "Materials", "Verdict", "examine"]
