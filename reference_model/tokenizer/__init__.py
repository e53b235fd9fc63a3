"""The dual-codebook audio tokenizer. Read `dual` first, then `linguistic`, `semantic` and `merge`."""

from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer, n_merged_codes
from aqaa_eval.reference_model.tokenizer.errors import AudioInputError, CodesError, WeightsError
from aqaa_eval.reference_model.tokenizer.merge import DualCodes, Repair, malformed_positions, merge, repair, split
from aqaa_eval.reference_model.tokenizer.preprocess import preprocess

__all__ = [
    "AudioInputError",
    "CodesError",
    "DualCodes",
    "DualTokenizer",
    "Repair",
    "WeightsError",
    "malformed_positions",
    "merge",
    "n_merged_codes",
    "preprocess",
    "repair",
    "split",
]
