"""Post-training of Step-Audio-AQAA (arXiv 2506.08967, section 3), and how the bundled `tiny` weights were made.

data -> tokenizer training -> vocoder training -> SFT 1 -+-> SFT 2 --------+-> merge (5, 5, 1) / 11
                                                         +-> masked DPO ---+
"""
