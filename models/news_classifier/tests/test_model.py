import joblib
import pytest

from news_classifier.message import BadData
from news_classifier.model import CLASSES, HOLDOUT_DATA, TRAINING_DATA, NewsClassifier, load_dataset, train
from news_classifier.train import main


@pytest.fixture(scope="module")
def classifier():
    return NewsClassifier(train())


def test_datasets_share_no_text_and_cover_every_class():
    train_texts, train_classes = load_dataset(TRAINING_DATA)
    held_texts, held_classes = load_dataset(HOLDOUT_DATA)
    assert not set(train_texts) & set(held_texts)
    every = set(range(len(CLASSES)))
    assert set(train_classes) == every and set(held_classes) == every


def test_accuracy_on_texts_not_seen(classifier):
    texts, classes = load_dataset(HOLDOUT_DATA)
    right = sum(int(a) == b for a, b in zip(classifier.predict(texts), classes))
    assert right / len(texts) >= 0.85


@pytest.mark.parametrize("label, text", [
    ("autos", "the clutch and the brakes of my car"),
    ("graphics", "render the polygon and draw its pixels"),
    ("medicine", "the doctor treats kidney stones"),
    ("space", "the rocket brings a satellite into orbit"),
])
def test_known_texts(classifier, label, text):
    assert classifier.predict(text) == label
    assert classifier.predict([text]).tolist() == [CLASSES.index(label)]
    assert classifier.predict([[text], [text]]).tolist() == [CLASSES.index(label)] * 2


@pytest.mark.parametrize("features", [[], [1], [["a", "b"]], [None], [[1.5]]])
def test_what_is_not_text_is_refused(classifier, features):
    with pytest.raises(BadData):
        classifier.predict(features)


def test_training_twice_gives_the_same_model(tmp_path):
    texts, _ = load_dataset(HOLDOUT_DATA)
    files = [tmp_path / "a.joblib", tmp_path / "b.joblib"]
    for file in files:
        main(file)
    first, second = (joblib.load(file).predict_proba(texts) for file in files)
    assert (first == second).all()
