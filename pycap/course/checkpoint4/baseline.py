"""What the LSTM has to beat: weighted word counts and a straight line through them."""

from __future__ import annotations

import numpy as np

STRENGTHS = (1.0, 3.0, 10.0)  # inverse of the regularisation, chosen by cross-validation on the training part


class Baseline:
    """TF-IDF of words, or of words and pairs of words, and logistic regression.

    Args:
        texts, labels: training sentences; the strength of the regularisation is chosen on folds of them.
        longest: 1 for words, 2 for words and pairs.
        folds: of the cross-validation.
    """

    def __init__(self, texts: list[str], labels: np.ndarray, longest: int, folds: int = 5):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.pipeline import Pipeline

        steps = [
            ("words", TfidfVectorizer(ngram_range=(1, longest), sublinear_tf=True)),
            ("line", LogisticRegression(max_iter=1000)),
        ]
        cut = StratifiedKFold(folds, shuffle=True, random_state=0)
        search = GridSearchCV(Pipeline(steps), {"line__C": STRENGTHS}, cv=cut)
        self._search = search.fit(texts, labels)

    @property
    def cross_validated(self) -> float:
        """Accuracy on the folds of the training part."""
        return float(self._search.best_score_)

    def classify(self, texts: list[str]) -> np.ndarray:
        """Return the label of each sentence."""
        return self._search.predict(texts)
