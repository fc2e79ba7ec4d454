"""What a model must beat: logistic regression over character n-grams, which knows how words look and nothing of what they mean.

Must not: see more or other examples than the model does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

__all__ = ["predict_with_tfidf"]


def predict_with_tfidf(train_texts: Sequence[str], train_labels: Sequence[int], texts: Sequence[str]) -> NDArray[np.int64]:
    """Fit on the training side and return the label positions [N] of `texts`; deterministic."""
    pipeline: Any = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2, dtype=np.float32),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    pipeline.fit(list(train_texts), np.asarray(train_labels))
    return np.asarray(pipeline.predict(list(texts)), dtype=np.int64)
