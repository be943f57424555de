"""The accuracy family against scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from streamgauge.detectors.classification import ConfusionCounts, classification_metrics
from tests.examples import examples

CODES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80)
NAMES = ["d", "b", "c", "a"]


def counted(pairs):
    counts = ConfusionCounts()
    array = np.array(pairs, np.int32).reshape(-1, 2)
    counts.update_many(array[:, 0], array[:, 1])
    return counts


@examples(60)
@given(CODES)
def test_every_defined_value_is_that_of_scikit_learn(pairs):
    true, pred = [NAMES[t] for t, _ in pairs], [NAMES[p] for _, p in pairs]
    binary_true, binary_pred = [t == "a" for t in true], [p == "a" for p in pred]
    macro = classification_metrics(*counted(pairs).named(NAMES), None)
    binary = classification_metrics(*counted(pairs).named(NAMES), "a")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "accuracy": sk.accuracy_score(true, pred),
            "zero_one_loss": sk.zero_one_loss(true, pred),
            "balanced_accuracy": sk.balanced_accuracy_score(true, pred),
            "matthews_corrcoef": sk.matthews_corrcoef(true, pred),
            "cohen_kappa": sk.cohen_kappa_score(true, pred),
            "precision": sk.precision_score(true, pred, average="macro"),
            "recall": sk.recall_score(true, pred, average="macro"),
            "f1": sk.f1_score(true, pred, average="macro"),
        }
        one_class = {
            "precision": sk.precision_score(binary_true, binary_pred),
            "recall": sk.recall_score(binary_true, binary_pred),
            "f1": sk.f1_score(binary_true, binary_pred),
        }
    for got, want in ((macro, expected), (binary, expected | one_class)):
        for name, value in want.items():
            estimate = got[name]
            if estimate.value is None:
                continue
            assert estimate.value == pytest.approx(value, abs=1e-12), name
            assert estimate.low <= estimate.value <= estimate.high, name


def test_what_is_undefined_is_none():
    never_predicted = classification_metrics(np.array([[8, 0], [2, 0]]), ["no", "yes"], "yes")
    assert never_predicted["precision"].value is None
    assert never_predicted["recall"].value == 0.0
    assert never_predicted["matthews_corrcoef"].value is None
    assert never_predicted["cohen_kappa"].value is None
    assert all(e.value is None for e in classification_metrics(np.zeros((0, 0), int), [], None).values())
    unseen = classification_metrics(np.array([[3]]), ["no"], "yes")
    assert unseen["f1"].value is None
    assert unseen["accuracy"].value == 1.0


@given(CODES, st.permutations(range(4)))
def test_the_order_of_the_classes_does_not_matter_to_the_bit(pairs, order):
    renamed = [(order[t], order[p]) for t, p in pairs]
    names = [""] * 4
    for code, place in enumerate(order):
        names[place] = NAMES[code]
    for pos_label in (None, "c"):
        assert classification_metrics(*counted(pairs).named(NAMES), pos_label) == classification_metrics(
            *counted(renamed).named(names), pos_label
        )


def test_missing_codes_are_not_counted():
    counts = counted([(0, -1), (-1, 1), (1, 1)])
    assert counts.n == 1


def test_micro_averages_are_accuracy_so_they_are_not_given_again():
    rng = np.random.default_rng(8)
    true, said = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    counts = ConfusionCounts()
    counts.update_many(true.astype(np.int32), said.astype(np.int32))
    accuracy = classification_metrics(*counts.named("abcd"), None)["accuracy"].value
    for micro in (sk.precision_score, sk.recall_score, sk.f1_score):
        assert micro(true, said, average="micro") == pytest.approx(accuracy)
