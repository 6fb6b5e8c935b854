"""The playground for a learner's own network: the loss, the controls, and what it says."""

import keras
import numpy as np
import pytest
from keras import layers

from course_utils import datasets, labs
from course_utils.datasets import Split
from tests.helpers.sentences import refused

X = np.random.default_rng(0).normal(size=(320, 6)).astype("float32")
BINARY = Split("mine", X[:256], (X[:256, 0] > 0).astype("int32"), X[256:], (X[256:, 0] > 0).astype("int32"))
REGRESSION = Split("prices", X[:256], X[:256, 0] + X[:256, 1], X[256:], X[256:, 0] + X[256:, 1])


def one_output(*, width=8, activation=None):
    return keras.Sequential([keras.Input((6,)), layers.Dense(width, "relu"), layers.Dense(1, activation)])


def classifier(*, input_shape, classes, batch_norm=False):
    norm = [layers.BatchNormalization()] if batch_norm else []
    return keras.Sequential([keras.Input(input_shape), layers.Dense(8), *norm, layers.ReLU(),
                             layers.Dense(classes, "softmax")])


def opened(build_model, data, **settings):
    lab = labs.playground(build_model=build_model, data=data, **settings)
    assert lab.wait(120)
    return lab


def test_a_regression_is_scored_by_its_error():
    lab = opened(one_output, REGRESSION, learning_rate=0.03)
    assert lab.loss == "mse"
    assert list(lab.controls) == ["learning_rate", "batch_size", "train_size", "width"]
    _, runs = lab._shown
    error = runs.val_mae.isel(epoch=-1).mean("seed").item()
    assert error < 0.5
    assert lab._result.value == f"Mean absolute error {error:.3g} on the validation data"
    assert f"validation mean absolute error {error:.2f}" in lab._text


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_binary_classifier_gets_the_loss_that_suits_its_last_layer(activation):
    def mine(*, width=2):
        return one_output(width=width, activation=activation)

    lab = opened(mine, BINARY, learning_rate=0.03)
    assert isinstance(lab.loss, keras.losses.BinaryCrossentropy)
    assert lab.state["width"] == 2   # the default of the model
    assert lab.loss.get_config()["from_logits"] == (activation is None)
    _, runs = lab._shown
    accuracy = runs.val_accuracy.isel(epoch=-1).mean("seed").item()
    assert accuracy > 0.8
    assert lab._result.value == f"{accuracy:.0%} validation accuracy"


def test_several_classes_have_label_noise_and_the_arguments_of_the_model_are_controls():
    lab = opened(classifier, datasets.digits(), label_noise=0.3, train_size="half")
    assert list(lab.controls) == ["learning_rate", "batch_size", "train_size", "batch_norm", "label_noise"]
    _, runs = lab._shown
    assert runs.train_size == len(datasets.digits().x_train) // 2
    assert runs.label_noise == 0.3
    assert lab.call() == "labs.playground(build_model=build_model, data=data, train_size='half', label_noise=0.3)"


def test_a_loss_and_an_optimizer_can_be_given():
    lab = opened(one_output, REGRESSION, loss="huber", optimizer="sgd", learning_rate=0.03)
    assert lab.loss == "huber"
    assert lab._shown[1].optimizer == "sgd"
    assert lab.call().startswith("labs.playground(build_model=build_model, data=data, loss=loss, optimizer=optimizer, ")


@pytest.mark.parametrize("diverged", [0, 3, 9, 10])
def test_diverged_runs_are_counted_and_left_out(diverged):
    lab = opened(one_output, REGRESSION, learning_rate=0.03)
    state, runs = lab._shown
    lost = runs.assign(diverged=runs.diverged | (runs.seed < diverged))
    lost = lost.map(lambda values: values.where(lost.seed >= diverged) if values.dtype.kind == "f" else values)
    figure, sentence = lab.figure(state, lost)
    assert f"mean of {10 - diverged} seeds" in sentence
    assert (f"({diverged} of 10 runs diverged)" in sentence) == (diverged > 0)
    assert "nan" not in sentence + lab.result(state, lost)
    assert (f"({diverged} of 10 runs diverged)" in figure.axes[0].get_title("left")) == (diverged > 0)
    assert all(bool(ax.lines) == (diverged < 9) for ax in figure.axes)   # an interval needs two runs


@pytest.mark.parametrize(("given", "error", "message"), [
    ({"build_model": one_output(), "data": REGRESSION}, TypeError, "build_model is Sequential; expected a function"),
    ({"build_model": 3, "data": REGRESSION}, TypeError, "build_model is int"),
    ({"build_model": one_output, "data": X}, TypeError, "data is ndarray; expected a course_utils.datasets.Split"),
    ({"build_model": one_output, "data": REGRESSION, "depth": 2}, ValueError, "has no control 'depth'")])
def test_wrong_arguments_are_one_sentence(given, error, message):
    with refused(error, match=message):
        labs.playground(**given)
