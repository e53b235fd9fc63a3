"""Speaks the bundled suites: each suite's `script.yaml` becomes its `audio/` and `samples.jsonl`.

Only authors of suites need this; running a suite does not. `python -m aqaa_eval.tasks.speaking --help` tells the rest.
"""
