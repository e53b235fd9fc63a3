"""Ablations: arms over the same conversations, judged by the same chain, with effects, verdicts and published figures.

`design` says what an ablation is, `running` and `probing` measure its arms, `findings` reduces values to effects and
verdicts; `interleave`, `codebooks`, `preference`, `splicing`, `merge` and `custom` are the ablations. See README.md.
"""
