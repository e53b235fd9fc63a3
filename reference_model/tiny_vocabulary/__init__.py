"""A small sentencepiece vocabulary with the structure of the published one; `build.py` makes it from `text.md`."""
