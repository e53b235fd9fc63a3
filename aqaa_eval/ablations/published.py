"""Tables as printed, paper and article apart. Never measured here, and always shown as such."""

from __future__ import annotations

from aqaa_eval.reports.ablation import PublishedTable

PAPER = "Step-Audio-AQAA, arXiv 2506.08967: StepEval-Audio-360, 137 conversations, judged by GPT-4o"
ARTICLE = "'Step-Audio-AQAA: The First True End-to-End Voice Interaction Model Explained', Efficient Coder"


def _row(chat: float, relevance: float, factuality: float) -> dict[str, float]:
    return {"chat": chat, "relevance": relevance, "factuality": factuality}


LAYOUTS = (
    PublishedTable(
        source=PAPER,
        note="Judge prompts, the recogniser and intervals are not given.",
        arms={
            "audio_only": _row(1.72, 0.05, 0.03),
            "interleave_6_50": _row(1.20, 0.04, 0.05),
            "interleave_3_5": _row(1.03, 0.00, 0.00),
            "text_to_audio": _row(4.01, 0.59, 0.58),
            "interleave_10_15": _row(4.03, 0.65, 0.67),
        },
    ),
    PublishedTable(
        source=ARTICLE,
        note="It repeats three of the paper's five rows; this figure differs from the paper's 1.72.",
        arms={"audio_only": {"chat": 1.71}},
    ),
)

SPLICES = (
    PublishedTable(
        source=PAPER,
        note="A model was trained on answers joined in each way; here the joining itself is heard.",
        arms={
            "text_interleaved": _row(3.82, 0.54, 0.59),
            "markers_removed": _row(4.08, 0.56, 0.57),
            "markers_kept": _row(4.22, 0.57, 0.57),
        },
    ),
)

CODEBOOKS_NOTE = (
    f"{PAPER.partition(':')[0]} says that two codebooks lower the next-token perplexity of each other and gives no "
    f"figure; 15.8 % lower stands in {ARTICLE} only."
)
"""Nothing in print can stand in a table: one source has the direction, the other a percentage."""
