"""Pure functions on text, sound and scores: what the parts above measure with. No models under test, no judges."""
