"""Image identity from spike counts, by the two published protocols.

- RBF-SVM: AllenSDK's ecephys quick start. Scikit-learn's defaults
  (``gamma="scale"``), raw counts, five contiguous folds.
- Logistic regression: Carpenter, Vita and Pipiras (CCN 2024). All units, the
  first 80 % of the trials train, the last 20 % test. Here counts are divided by
  each unit's spread over the training trials and the fit runs until it has
  converged; what they did about either is not published.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOLDS = 5
TRAIN_SHARE = 0.8
LOGISTIC_TOLERANCE = 1e-4
LOGISTIC_STEPS = 2000


def svm_accuracy(counts: FloatArray, labels: IntArray) -> float:
    """Mean accuracy of the RBF-SVM over contiguous folds.

    Parameters
    ----------
    counts : (trials, units) float64
        In order of time.
    labels : (trials,) int64
    """
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.svm import SVC

    return float(cross_val_score(SVC(gamma="scale"), counts, labels, cv=KFold(FOLDS)).mean())


def logistic_accuracy(counts: FloatArray, labels: IntArray) -> float:
    """Accuracy of multinomial logistic regression on the last fifth of the trials.

    Raises
    ------
    RuntimeError
        If the fit has not converged.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    split = int(TRAIN_SHARE * len(labels))
    spread = counts[:split].std(0)
    used = spread > 0
    scaled = ((counts[:, used] - counts[:split, used].mean(0)) / spread[used]).astype(np.float32)
    model = LogisticRegression(max_iter=LOGISTIC_STEPS, tol=LOGISTIC_TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(scaled[:split], labels[:split])
        except ConvergenceWarning as warning:
            raise RuntimeError(
                f"logistic regression had not converged after {LOGISTIC_STEPS} steps: raise "
                "LOGISTIC_STEPS"
            ) from warning
    return float(model.score(scaled[split:], labels[split:]))
