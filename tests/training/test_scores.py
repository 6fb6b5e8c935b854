"""Losses, metrics, and weights of samples are those of model.compile and model.fit."""

import keras
import numpy as np
import pytest

from course_utils import datasets, fit_many
from tests.helpers.by_keras import expect_equal, train
from tests.helpers.sentences import refused

losses, metrics, ops = keras.losses, keras.metrics, keras.ops


def network(*shape, activation=None):
    """A build_model with outputs of this shape per sample."""
    def build():
        return keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(
            int(np.prod(shape)), activation=activation), keras.layers.Reshape(shape)])

    return build


def targets(split, make):
    """The split with targets made of samples and class numbers."""
    return split.replace(y_train=make(split.x_train, split.y_train), y_val=make(split.x_val, split.y_val))


def labels(x, y):
    return y


def one_hot(x, y):
    return np.eye(3)[y]


def binary(x, y):
    return (y > 0).astype("int32")


def several(x, y):
    return np.stack([y > 0, x[:, 0] > 0], 1).astype("float64")


def real(*shape):
    """Real targets of this shape, which depend on the samples."""
    return lambda x, y: np.sin(x[:, :1] + np.arange(np.prod(shape))).astype("float64").reshape(-1, *shape)


def quartic(y_true, y_pred):
    return ops.mean((y_true - y_pred) ** 4, axis=-1)


class Worst(losses.Loss):
    """The largest error of each sample."""

    def call(self, y_true, y_pred):
        return ops.max(ops.abs(y_true - y_pred), axis=-1)


def same(score):
    return lambda: score


# Targets, model, and functions that make the loss and the metrics: theirs have the float type of the training.
CASES = {
    "sparse": (labels, network(3, activation="softmax"), same("sparse_categorical_crossentropy"), lambda: [
        "accuracy", "sparse_categorical_crossentropy"]),
    "crossentropy": (labels, network(3, activation="softmax"), same("crossentropy"), lambda: ["accuracy"]),
    "sparse, logits": (labels, network(3), lambda: losses.SparseCategoricalCrossentropy(from_logits=True), lambda: [
        "acc", metrics.SparseCategoricalCrossentropy(from_logits=True, name="entropy")]),
    "sparse, a class ignored": (labels, network(3, activation="softmax"),
                                lambda: losses.SparseCategoricalCrossentropy(ignore_class=1), lambda: ["accuracy"]),
    "one-hot": (one_hot, network(3, activation="softmax"), same("categorical_crossentropy"), lambda: [
        "accuracy", "categorical_accuracy", "mse"]),
    "one-hot, smoothed logits": (one_hot, network(3), lambda: losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.2), lambda: ["accuracy"]),
    "binary": (binary, network(1, activation="sigmoid"), same("binary_crossentropy"), lambda: ["accuracy"]),
    "binary, logits": (binary, network(1), lambda: losses.BinaryCrossentropy(from_logits=True), lambda: [
        "accuracy", metrics.BinaryAccuracy(threshold=0.0, name="hits")]),
    "several": (several, network(2, activation="sigmoid"), same("binary_crossentropy"), lambda: [
        "accuracy", "binary_accuracy"]),
    "several, logits": (several, network(2), lambda: losses.BinaryCrossentropy(from_logits=True), list),
    "mse of (n,)": (real(), network(1), same("mse"), lambda: ["mae", losses.mean_squared_error]),
    "mae of (n, 1)": (real(1), network(1), same("mae"), lambda: [metrics.MeanSquaredError(name="square"), quartic]),
    "Huber of (n, 3)": (real(3), network(3), lambda: losses.Huber(0.3), lambda: ["mae", "cosine_similarity"]),
    "mse of (n, 2, 2)": (real(2, 2), network(2, 2), same("mean_squared_error"), lambda: [
        metrics.MeanAbsoluteError(), "mse"]),
    "own function": (real(), network(1), same(quartic), lambda: [quartic]),
    "own class": (real(3), network(3), lambda: Worst(reduction="mean"), lambda: ["mse"]),
    "sum": (real(3), network(3), lambda: losses.MeanSquaredError(reduction="sum"), lambda: ["mse"]),
    "sum of an own class": (real(2, 2), network(2, 2), lambda: Worst(reduction="sum"), list),
}


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


def expect_fit(build, split, loss, scores, **options):
    """One of two runs is what model.fit gives, and the variables are named as in its history."""
    runs = fit_many(build, split, {"learning_rate": [0.003, 0.02]}, epochs=2, dtype="float64", loss=loss(),
                    metrics=scores(), **options).sel(learning_rate=0.02)
    history = train(build, split, learning_rate=0.02, epochs=2, loss=loss(), metrics=scores(), **options)
    assert set(runs) == {*history, "diverged"}
    expect_equal(runs, history, 1e-8, history)


@pytest.mark.parametrize("case", CASES)
def test_a_loss_and_its_metrics_are_those_of_keras(small, float64, case):
    make, build, loss, scores = CASES[case]
    expect_fit(build, targets(small, make), loss, scores)


@pytest.mark.parametrize("case", ["sparse, a class ignored", "Huber of (n, 3)", "sum"])
def test_samples_weigh_what_they_weigh_in_keras(small, float64, case):
    make, build, loss, scores = CASES[case]
    expect_fit(build, targets(small, make), loss, scores, sample_weight=np.linspace(0, 2, 130))


@pytest.mark.parametrize("case", ["sparse", "binary"])
def test_classes_weigh_what_they_weigh_in_keras(small, float64, case):
    make, build, loss, scores = CASES[case]
    expect_fit(build, targets(small, make), loss, scores, class_weight={0: 0.3, 1: 2.0, 2: 1.0})


CLASSIFIER = CASES["sparse"][1]


def test_a_wrong_label_weighs_like_the_class_it_names(small):
    weights = {0: 0.3, 1: 2.0, 2: 0.0}
    runs = fit_many(CLASSIFIER, small, {"label_noise": [0.0, 0.5]}, epochs=2, dtype="float64", class_weight=weights)
    expect_equal(runs.sel(label_noise=0.5), train(CLASSIFIER, small, epochs=2, label_noise=0.5, class_weight=weights),
                 1e-8)


def test_each_seed_can_have_weights_of_its_own(small):
    def weight(seed):
        return np.random.default_rng(seed).uniform(size=130)

    runs = fit_many(CLASSIFIER, small, {"seed": [0, 4]}, epochs=2, dtype="float64", sample_weight=weight)
    expect_equal(runs.sel(seed=4), train(CLASSIFIER, small, seed=4, epochs=2, sample_weight=weight(4)), 1e-8)


def per_token():
    return keras.Sequential([keras.Input((7,)), keras.layers.Embedding(9, 4, mask_zero=True),
                             keras.layers.Dense(3, activation="softmax")])


@pytest.fixture(scope="module")
def tokens():
    """Sentences of up to 7 words, filled up with 0, and a class for each word."""
    x = np.random.default_rng(0).integers(1, 9, (100, 7)) * (np.arange(7) < np.arange(100)[:, None] % 6 + 2)
    return datasets.Split("tokens", x[:64], x[:64] % 3, x[64:], x[64:] % 3)


def test_masked_outputs_do_not_count(tokens):
    runs = fit_many(per_token, tokens, {"seed": [0, 1]}, epochs=2, dtype="float64", metrics=[])
    history = train(per_token, tokens, seed=1, epochs=2, metrics=[])
    expect_equal(runs.sel(seed=1), history, 1e-8, history)
    with refused(ValueError, match=r"have a mask.*; give metrics=\[\]"):
        fit_many(per_token, tokens, {}, epochs=1)


def test_metrics_can_be_left_out(small):
    assert "val_accuracy" in fit_many(CLASSIFIER, small, {}, epochs=1)
    assert set(fit_many(CLASSIFIER, small, {}, epochs=1, metrics=[])) == {"loss", "val_loss", "diverged"}


def test_a_metric_that_cannot_be_mapped_is_the_same_one_by_one(small):
    with pytest.warns(UserWarning, match="one by one: TensorFlow cannot vectorize an operation of .* its scores"):
        runs = fit_many(CLASSIFIER, small, {"seed": [0, 1]}, epochs=2,
                        metrics=[metrics.SparseTopKCategoricalAccuracy(2, name="top_2")])
    whole = fit_many(CLASSIFIER, small, {"seed": [0, 1]}, epochs=2, predict=small.x_val)
    least = whole.probability.argmin("class").values   # of three classes, the third best
    np.testing.assert_allclose(runs.val_top_2, (least != small.y_val).mean(-1), atol=1e-6)


def test_the_same_loss_and_metrics_share_a_program(small, compilations):
    for _ in range(2):
        fit_many(CLASSIFIER, small, {}, epochs=1, loss=losses.SparseCategoricalCrossentropy(name="a"),
                 metrics=[metrics.SparseCategoricalAccuracy(name="hits")])
    assert len(compilations) == 1


def test_scores_of_a_learner_go_by_what_they_are_not_by_their_names(small):
    def constant(value):
        def score(y_true, y_pred):
            return value + 0 * y_pred[:, 0]

        return metrics.MeanMetricWrapper(score, name="score")

    for value in (1.0, 2.0):
        assert fit_many(CLASSIFIER, small, {}, epochs=1, metrics=[constant(value)]).val_score == value


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"metrics": [metrics.AUC]}, ValueError, "AUC, which is not the mean of a function"),
    ({"metrics": ["accuracy", "precision"]}, ValueError, "Precision, which is not the mean"),
    ({"metrics": [metrics.RootMeanSquaredError()]}, ValueError, "RootMeanSquaredError, which is not the mean"),
    ({"metrics": ["acuracy"]}, ValueError, "metrics holds 'acuracy'; expected names such as"),
    ({"metrics": [None]}, ValueError, "metrics holds None; expected names"),
    ({"metrics": "accuracy"}, TypeError, "metrics is 'accuracy'; expected a list"),
    ({"loss": "entropy"}, ValueError, "loss is 'entropy'; expected a name such as"),
    ({"loss": None}, ValueError, "loss is None; expected a name"),
    ({"loss": losses.MeanSquaredError(reduction=None)}, ValueError, "loss has reduction=None; expected"),
    ({"class_weight": [1, 1, 1]}, ValueError, "class_weight is a dict from class number to weight"),
    ({"class_weight": {0: 1.0, 1: 1.0}}, ValueError, "class_weight has no class 2"),
    ({"sample_weight": np.ones(3)}, ValueError, r"shape \(3,\); expected a finite number for each of the 130"),
    ({"sample_weight": np.full(130, np.nan)}, ValueError, "expected a finite number for each"),
    ({"class_weight": {}, "sample_weight": []}, ValueError, "Both class_weight and sample_weight are given"),
    ({"loss": losses.SparseCategoricalCrossentropy(ignore_class=0), "grid": {"label_smoothing": 0.1}}, ValueError,
     "leave out ignore_class"),
    ({"loss": "mse", "grid": {"label_noise": 0.1}}, ValueError, "expected such labels and the loss"),
])
def test_mistakes_are_one_sentence(small, options, error, message):
    with refused(error, match=message):
        fit_many(CLASSIFIER, small, options.pop("grid", {}), epochs=1, **options)
