"""What scores are called where people read them."""

from __future__ import annotations

LABELS = {  # of the corpus, in the order of tables
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "bleu_4": "BLEU-4",
    "meteor": "METEOR",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
    "spice": "SPICE",
}
OF_ONE = LABELS | {"cider": "CIDEr-D"}  # of a single caption
SWEPT = {  # what is drawn of a sweep over beams: title, decimals; with 3 not from 0
    "cider": (LABELS["cider"], 3),
    "bleu_4": (LABELS["bleu_4"], 3),
    "searches_per_second": ("Searches a second", 0),
    "captions_per_second": ("Captions a second, in all", 1),
}
