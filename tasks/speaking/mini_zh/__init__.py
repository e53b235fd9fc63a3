"""A Chinese set of 14 conversations, spoken on your own machine.

There is no freely licensed Mandarin voice, so its words are here and its recordings are not: the voice's weights come
from a corpus for non-commercial use. `make mini-zh` speaks it into a folder that `aqaa-eval run --suite` takes.
"""
