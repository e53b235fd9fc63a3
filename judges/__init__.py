"""Who scores: transcribers, the checks judge, MOS predictors, speech fidelity, and the chain that joins them.

Metrics, by `Score.metric`:

    mos       conversation  1-5   the card's fused score
    content   conversation  1-5   1 + 4 x share of content checks that hold
    delivery  conversation  1-5   1 + 4 x share of delivery checks that hold
    speech    turn          1-5   naturalness, by Distill-MOS
    noise     turn          1-5   freedom from noise, by DNSMOS (overall)
    fidelity  turn          0-    word error rate of the speech against the model's own text
"""
