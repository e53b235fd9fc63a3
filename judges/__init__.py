"""Who scores: transcribers, checks, language models, MOS predictors, speech fidelity, and the chain that joins them.

Metrics, by `Score.metric`:

    mos       conversation  1-5   the card's fused score
    content   conversation  1-5   by the judge that is named first: share of checks that hold, or a rubric's level
    delivery  conversation  1-5   the same, of the voice
    speech    turn          1-5   naturalness, by Distill-MOS
    noise     turn          1-5   freedom from noise, by DNSMOS (overall)
    judge_speech, factuality, relevance, chat, disagreement: language models, see README.md
    fidelity  turn          0-    word error rate of the speech against the model's own text
"""
