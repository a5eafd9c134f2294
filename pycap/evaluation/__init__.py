"""What captions are worth: scores of a model or of a results file, a sweep over beams, a report to look at."""

from __future__ import annotations

from pycap.evaluation.beams import evaluate, sweep
from pycap.evaluation.corpus import Corpus, Evaluation, select_examples
from pycap.evaluation.page import Subject, build_report
from pycap.evaluation.results import format_results, read_results
from pycap.evaluation.sentences import format_sentences, list_sentences

__all__ = [
    "Corpus",
    "Evaluation",
    "Subject",
    "build_report",
    "evaluate",
    "format_results",
    "format_sentences",
    "list_sentences",
    "read_results",
    "select_examples",
    "sweep",
]
