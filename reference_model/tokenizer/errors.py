"""What the tokenizer refuses, as three kinds of `ValueError`.

`AudioInputError` speaks of a recording, `CodesError` of codes, `WeightsError` of a file of weights. Messages name the
value, the rule and the way out, so that a caller can show them as they are.
"""

from __future__ import annotations


class AudioInputError(ValueError):
    """A recording that cannot be tokenised: empty, not finite, too short, or of an impossible shape or rate."""


class CodesError(ValueError):
    """Codes that are out of range or not in groups of two linguistic and three semantic."""


class WeightsError(ValueError):
    """A weights file that does not fit: every missing, unexpected or misshapen entry in one message."""
