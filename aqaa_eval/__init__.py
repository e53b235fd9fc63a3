"""aqaa-eval: evaluation of voice models that hear a spoken question and answer in speech."""

__version__ = "0.1.0"
