"""The model: how it is trained, kept in a file, and asked."""

import csv
import pathlib

import joblib
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from .message import BadData

# The answer to a text is the index of its class in this list.
CLASSES = ["autos", "graphics", "medicine", "space"]

ROOT = pathlib.Path(__file__).resolve().parent.parent
TRAINING_DATA = ROOT / "data" / "train.csv"
HOLDOUT_DATA = ROOT / "integration" / "holdout.csv"
MODEL_FILE = ROOT / "build" / "news_classifier.joblib"


def load_dataset(path):
    """Read a CSV file with the columns text and class. Returns (texts, classes)."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [int(row["class"]) for row in rows]


def train(path=TRAINING_DATA):
    """Train a scikit-learn pipeline from texts to class indexes. The same data gives the same model."""
    texts, classes = load_dataset(path)
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000),
    )
    return pipeline.fit(texts, classes)


class NewsClassifier:
    """The trained pipeline in the shape of a Seldon Core component."""

    def __init__(self, pipeline=None, model_file=MODEL_FILE):
        self.pipeline = joblib.load(model_file) if pipeline is None else pipeline

    def predict(self, texts, names=None, meta=None):
        """Classify texts.

        A string is answered with the name of its class; a list of strings, or
        of rows of one string, with an array of class indexes.
        """
        if isinstance(texts, str):
            return CLASSES[self._classify([texts])[0]]
        return self._classify(flatten(texts))

    def _classify(self, texts):
        return np.asarray(self.pipeline.predict(texts), dtype=int)


def flatten(features):
    """Turn the features of a request into a list of strings, or raise BadData."""
    texts = []
    for number, row in enumerate(features):
        text = row[0] if isinstance(row, list) and len(row) == 1 else row
        if not isinstance(text, str):
            raise BadData(f"row {number} is not a text: the model takes strings, or rows of one string")
        texts.append(text)
    if not texts:
        raise BadData("there is no text to classify")
    return texts
