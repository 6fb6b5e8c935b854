"""What the doctor is given, that it leaves everything as it was, and what it says about networks of one kind each."""

import copy
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import course_utils
from course_utils import datasets, doctor
from course_utils.doctor import diagnoses, measurements, neighbors, task
from course_utils.doctor.inputs import samples, undisturbed

DIGITS = datasets.digits(seed=0)
TRAIN, VALIDATION = (DIGITS.x_train[:600], DIGITS.y_train[:600]), (DIGITS.x_val, DIGITS.y_val)


def fitted(
    *hidden,
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    last="softmax",
    epochs=20,
    train=TRAIN,
    validation=VALIDATION,
    units=10,
    seed=0,
    **options,
):
    """A network on digits and what `fit` returned."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input(train[0].shape[1:]), *hidden, layers.Dense(units, activation=last)])
    model.compile(optimizer, loss, metrics=["accuracy"])
    history = model.fit(*train, validation_data=validation, epochs=epochs, batch_size=32, verbose=0, **options)
    return model, history


@pytest.fixture(scope="module")
def healthy():
    return fitted(layers.Dense(64, activation="relu"), layers.Dropout(0.2), epochs=30)


def test_a_healthy_network_is_healthy(healthy):
    model, history = healthy
    report = doctor.examine(model, TRAIN, VALIDATION, history=history)
    assert report.findings == ["nothing_wrong"]
    with pytest.raises(ValueError, match="nothing_wrong"):
        report.try_fix()


def test_nothing_is_changed(healthy):
    model, history = healthy
    weights, slots = (
        model.get_weights(),
        [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables],
    )
    data, compiled = copy.deepcopy((TRAIN, VALIDATION)), (model.loss, model.optimizer, model.train_function)
    metrics = [keras.ops.convert_to_numpy(variable) for metric in model.metrics for variable in metric.variables]
    keras.utils.set_random_seed(1)
    drawn = tf.random.uniform([])
    keras.utils.set_random_seed(1)
    state = random.getstate(), np.random.get_state()[1].copy()
    report = doctor.examine(model, TRAIN, VALIDATION, history=history)
    report.try_fix("learning_rate_too_low", budget=2)
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])
    assert drawn == tf.random.uniform([])
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(slots, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(after))
    for before, after in zip(metrics, [v for m in model.metrics for v in m.variables], strict=True):
        np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(after))
    for before, after in zip([*data[0], *data[1]], [*TRAIN, *VALIDATION], strict=True):
        np.testing.assert_array_equal(before, after)
    assert (model.loss, model.optimizer, model.train_function) == compiled
    assert not any("call" in vars(layer) for layer in model.layers)


class Batches(keras.utils.PyDataset):
    """Training data in batches."""

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return tuple(part[30 * index : 30 * (index + 1)] for part in TRAIN)


def test_data_may_have_any_form_that_fit_takes():
    import tensorflow as tf

    data_set = tf.data.Dataset.from_tensor_slices(TRAIN).batch(50)
    for data in (TRAIN, list(TRAIN), data_set, Batches(), lambda: iter(data_set)):
        read = samples(data, "train_data")
        np.testing.assert_array_equal(read.x, TRAIN[0])
        np.testing.assert_array_equal(read.y, TRAIN[1])


def without_loss():
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10)])
    model.compile("sgd")
    return model


class OwnStep(keras.Sequential):
    """A custom training loop."""

    def train_step(self, data):
        """Do nothing."""
        return {}


def own_step():
    model = OwnStep([keras.Input((64,)), layers.Dense(10)])
    model.compile("sgd", "mse")
    return model


def untrained():
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("model", "train", "error"),
    [
        (lambda: keras.Sequential([keras.Input((64,)), layers.Dense(10)]), TRAIN, "not compiled"),
        (without_loss, TRAIN, "not compiled"),
        (own_step, TRAIN, "train_step"),
        (untrained, TRAIN, "not been trained"),
        (untrained, iter([TRAIN]), "only once"),
        (untrained, (batch for batch in [TRAIN]), "only once"),
        (untrained, (TRAIN[0][:, :60], TRAIN[1]), r"\(60,\)"),
        (untrained, (TRAIN[0], TRAIN[1][:5]), "one target for each sample"),
        (untrained, (TRAIN[0].astype(str), TRAIN[1]), "expected numbers"),
        (untrained, ([], []), "is empty"),
        (untrained, TRAIN[0], "expected \\(x, y\\)"),
        (lambda: "model.keras", TRAIN, "expected a keras.Model"),
    ],
)
def test_bad_input_is_one_sentence(model, train, error):
    with pytest.raises((ValueError, TypeError), match=error) as caught:
        doctor.examine(model(), train, VALIDATION)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("history", "error"),
    [
        ({"loss": [1.0, 0.5]}, "val_loss"),
        ({}, "no 'loss'"),
        ({"loss": "low"}, "numbers"),
        (3, "expected what"),
        ("missing.json", "missing.json"),
    ],
)
def test_a_history_that_cannot_be_read_is_one_sentence(history, error):
    with pytest.raises((ValueError, TypeError), match=error):
        doctor.read(history)


@pytest.mark.parametrize(
    ("last", "units", "loss", "problem"),
    [
        ("softmax", 10, keras.losses.SparseCategoricalCrossentropy(from_logits=True), ""),  # TensorFlow notices it
        ("linear", 10, "sparse_categorical_crossentropy", "logits taken for probabilities"),
        ("relu", 10, keras.losses.SparseCategoricalCrossentropy(from_logits=True), "relu before the loss"),
        ("sigmoid", 10, "sparse_categorical_crossentropy", ""),   # Keras divides them by their sum
        ("softmax", 8, "sparse_categorical_crossentropy", "too few outputs"),
        ("softmax", 10, "mse", "labels of another shape"),
        ("softmax", 10, "sparse_categorical_crossentropy", ""),
        ("linear", 10, keras.losses.SparseCategoricalCrossentropy(from_logits=True), ""),
        ("softmax", 1, "mse", "softmax of one unit"),
    ],
)
def test_loss_and_last_layer_must_fit(last, units, loss, problem):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), layers.Dense(units, activation=last)])
    model.compile("sgd", loss)
    with undisturbed():
        outputs = np.asarray(model(TRAIN[0]))
        job = task.task_of(model, TRAIN[1], outputs)
        assert task.mismatch(model, job, samples(TRAIN, "train"), outputs) == problem


def test_an_accuracy_that_takes_logits_for_probabilities():
    train, validation = ((x, (y % 2).astype("float32")[:, None]) for x, y in (TRAIN, VALIDATION))
    model, history = fitted(last="linear", units=1, epochs=1, train=train, validation=validation,
                            loss=keras.losses.BinaryCrossentropy(from_logits=True))
    outputs = model.predict(train[0], verbose=0)
    assert abs(np.mean((outputs > 0.5) == train[1]) - np.mean((outputs > 0) == train[1])) > 0.02
    assert doctor.examine(model, train, validation, history=history).measured["mismatch"] == "logits compared with 0.5"
    model.compile("adam", model.loss, metrics=[keras.metrics.BinaryAccuracy(threshold=0)])
    assert doctor.examine(model, train, validation, history=history).measured["mismatch"] == ""


@pytest.mark.parametrize(("change", "found"), [
    (lambda x: np.where(np.arange(len(x)) % 25 == 0, -999, x), True),
    (lambda x: np.where(np.arange(len(x)) % 25 == 0, x * 50, x), False),   # far, but not the same number
    (lambda x: np.where(np.arange(len(x)) % 500 == 0, -999, x), False),   # too rare to tell
    (lambda x: x, False)])
def test_a_number_that_stands_for_missing_values(change, found):
    x = np.random.default_rng(0).normal(size=(1000, 3))
    x[:, 1] = change(x[:, 1])
    measured = measurements.of_codes(samples((x, x), "train"))
    assert ("coded_missing_values" in diagnoses.findings(measured)) == found
    assert measured.get("code", -999) == -999


def test_targets_out_of_reach_of_the_last_activation():
    cars = datasets.autompg(seed=0)
    train, validation = (cars.x_train, cars.y_train / 40), (cars.x_val, cars.y_val / 40)   # up to 1.2
    model, history = fitted(last="sigmoid", units=1, loss="mse", optimizer=keras.optimizers.Adam(0.05), epochs=30,
                            train=train, validation=validation)
    report = doctor.examine(model, train, validation, history=history)
    assert report.diagnosis == "wrong_loss"
    assert report.measured["mismatch"] == "targets out of reach"
    tried = report.try_fix()
    assert tried.after[0] > 0


def diagnosis(model, history, train=TRAIN, validation=VALIDATION):
    return doctor.examine(model, train, validation, history=history).diagnosis


def test_learning_rate_too_low():
    model, history = fitted(layers.Dense(64, activation="relu"), optimizer=keras.optimizers.Adam(1e-5))
    report = doctor.examine(model, TRAIN, VALIDATION, history=history)
    assert report.diagnosis == "learning_rate_too_low"
    assert "Adam(0.001)" in repr(report)   # Keras's default, which is more than ten times the rate
    tried = report.try_fix()
    assert tried.gain > 0.1
    assert "→" in repr(tried)


def test_a_decayed_rate_is_compared_with_the_one_it_began_with():
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, decay_steps=10, decay_rate=0.5)
    model, history = fitted(layers.Dense(64, activation="relu"), optimizer=keras.optimizers.Adam(schedule))
    report = doctor.examine(model, TRAIN, VALIDATION, history=history)
    assert report.diagnosis == "learning_rate_too_low"
    assert report.measured["higher_rate"] == report.measured["highest_rate"] == pytest.approx(1e-3)
    assert report.measured["learning_rate"] < 1e-9


def test_learning_rate_too_high():
    assert diagnosis(*fitted(layers.Dense(64, activation="relu"), optimizer=keras.optimizers.SGD(1e4))) == (
        "learning_rate_too_high"
    )


def test_label_noise():
    rng = np.random.default_rng(0)
    wrong = rng.random(len(TRAIN[1])) < 0.3
    noisy = TRAIN[0], np.where(wrong, rng.integers(10, size=len(wrong)), TRAIN[1])
    model, history = fitted(layers.Dense(128, activation="relu"), train=noisy, epochs=60)
    report = doctor.examine(model, noisy, VALIDATION, history=history)
    assert report.diagnosis == "label_noise"
    found = neighbors.contradicted(report.job, samples(noisy, "train"))
    assert np.mean(wrong[found]) > 0.8


def test_duplicates():
    copied = VALIDATION[0].copy(), np.random.default_rng(0).integers(10, size=len(VALIDATION[1]))
    copied[0][:180], copied[1][:180] = TRAIN[0][:180] + 0.001, TRAIN[1][:180]
    model, history = fitted(layers.Dense(64, activation="relu"), validation=copied)
    report = doctor.examine(model, TRAIN, copied, history=history)
    assert report.diagnosis == "duplicates"
    assert report.measured["twins"] == pytest.approx(0.5, abs=0.02)


def test_copies_of_all_validation_samples_leave_none_to_compare_with():
    measured = {"twins": 0.97, "val_score": 0.9, "train_score": 0.99, "chance": 0.1}
    assert diagnoses.findings(measured)[0] == "duplicates"
    assert "97%" in diagnoses.DIAGNOSES["duplicates"].evidence(diagnoses.Numbers(measured))
    assert diagnoses.findings(measured | {"twins": 0.3, "twin_gain": 0.001}) != ["duplicates"]


def test_batch_norm_statistics():
    model, history = fitted(layers.Dense(64), layers.BatchNormalization(momentum=0.999), layers.ReLU(), epochs=6)
    report = doctor.examine(model, TRAIN, VALIDATION, history=history)
    assert report.diagnosis == "batch_norm_statistics"
    assert report.measured["batch_norm_gain"] > 0.05


def test_unshuffled():
    order = np.argsort(TRAIN[1], kind="stable")
    by_class = TRAIN[0][order], TRAIN[1][order]
    model, history = fitted(layers.Dense(64, activation="relu"), train=by_class, shuffle=False)
    assert diagnosis(model, history, by_class) == "unshuffled"


def test_sorted_data_that_fit_has_shuffled_is_fine():
    order = np.argsort(TRAIN[1], kind="stable")
    by_class = TRAIN[0][order], TRAIN[1][order]
    assert diagnosis(*fitted(layers.Dense(64, activation="relu"), train=by_class), by_class) == "nothing_wrong"


def test_inputs_count_as_unscaled_only_if_scaling_them_helps():
    enlarged = [(300 * x, y) for x, y in (TRAIN, VALIDATION)]
    model, history = fitted(layers.Dense(64, activation="tanh"), train=enlarged[0], validation=enlarged[1])
    report = doctor.examine(model, *enlarged, history=history)
    assert report.diagnosis == "unscaled_inputs"
    assert report.measured["standardized_val_score"] > report.measured["val_score"] + 0.01
    numbers = report.measured | {"standardized_val_score": report.measured["val_score"]}
    assert "unscaled_inputs" not in diagnoses.findings(numbers)


def test_a_bottleneck_comes_before_its_effects():
    measured = {"narrowest": 0.1, "train_score": 0.4, "val_score": 0.4, "chance": 0.1, "dead": 1, "dead_at_start": 1}
    assert diagnoses.findings(measured) == ["network_too_small"]
    assert diagnoses.findings(measured | {"narrowest": 3})[0] == "dead_or_saturated"


def test_dead_units():
    model, history = fitted(layers.Dense(64, activation="relu", bias_initializer=keras.initializers.Constant(-20)))
    assert diagnosis(model, history) == "dead_or_saturated"


def test_vanishing_gradients():
    model, history = fitted(*(layers.Dense(64, activation="sigmoid") for _ in range(7)), epochs=3, optimizer="sgd")
    assert diagnosis(model, history) == "vanishing_gradients"


def test_curves_alone():
    epochs = np.arange(30)
    falling = np.exp(-epochs / 5)
    assert doctor.read({"loss": falling, "val_loss": falling + 0.01 * epochs}).diagnosis == "overfitting"
    assert doctor.read({"loss": [1, np.nan], "val_loss": [1, np.nan]}).diagnosis == "learning_rate_too_high"
    assert doctor.read({"loss": 1 - epochs / 40, "val_loss": 1 - epochs / 40}).diagnosis == "undertrained"
    report = doctor.read({"loss": falling, "val_loss": falling + 0.1})
    assert report.diagnosis == "nothing_wrong"
    with pytest.raises(ValueError, match="curves alone"):
        report.try_fix()


def test_where_nothing_can_be_predicted_the_doctor_cannot_tell():
    measured = {"train_score": 0.9, "val_score": 0.1, "chance": 0.1, "neighbor_val_score": 0.12, "val_loss_rise": 1}
    assert diagnoses.findings(measured) == ["cannot_tell"]
    assert "target" in diagnoses.doubt(measured)
    assert diagnoses.findings(measured | {"neighbor_val_score": 0.5}) == ["overfitting"]


def test_the_callback_reads_the_curves_or_examines_the_data(capsys):
    watching, examining = doctor.Doctor(), doctor.Doctor(TRAIN, VALIDATION)
    model, history = fitted(layers.Dense(32, activation="relu"), epochs=2, callbacks=[watching, examining])
    assert "val_score" not in watching.report.measured
    assert examining.report.measured["val_score"] > 0.2
    np.testing.assert_allclose(watching.report.curves["loss"], history.history["loss"])
    assert capsys.readouterr().out.count("Diagnosis") == 2
    model.fit(*TRAIN, verbose=0, callbacks=[doctor.Doctor()])
    assert "validation_data" in capsys.readouterr().out


def test_the_report_is_text_and_html_with_a_figure(healthy):
    model, history = healthy
    report = doctor.examine(model, TRAIN, VALIDATION, history=history)
    assert repr(report).startswith("Diagnosis: Nothing")
    assert "data:image/png;base64" in report._repr_html_()
    for name in diagnoses.DIAGNOSES:  # every diagnosis can be put into words with what is always measured
        numbers = diagnoses.Numbers(report.measured | {"mismatch": "too few outputs"})
        assert diagnoses.DIAGNOSES[name].evidence(numbers)


@pytest.fixture
def saved(tmp_path, healthy):
    model, history = healthy
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x_train=TRAIN[0], y_train=TRAIN[1], x_val=VALIDATION[0], y_val=VALIDATION[1])
    (tmp_path / "history.json").write_text(json.dumps(history.history))
    return tmp_path


def test_the_command_writes_a_page(saved, monkeypatch, capsys):
    from course_utils.tools import cli

    monkeypatch.chdir(saved)
    assert cli.main(["doctor", "model.keras", "data.npz", "--history", "history.json"]) == 0
    assert "Nothing seems to be wrong" in (saved / "doctor.html").read_text(encoding="utf-8")
    (saved / "data.npz").write_bytes(b"PK damaged")
    assert cli.main(["doctor", "model.keras", "data.npz"]) == 1
    assert cli.main(["doctor", "missing.keras", "data.npz"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"course_utils", "scipy", "sklearn", "xarray", "pandas", "matplotlib"}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
sys.argv = ["doctor", "model.keras", "data.npz", "--history", "history.json"]
import runpy
runpy.run_module("doctor", run_name="__main__")
"""


def test_it_needs_only_keras_and_numpy(saved):
    shutil.copytree(Path(course_utils.__file__).parent / "doctor", saved / "doctor")
    done = subprocess.run([sys.executable, "-c", BLOCKED], cwd=saved, capture_output=True, text=True)
    assert done.returncode in (0, None), done.stderr
    assert "Nothing seems to be wrong" in done.stdout


def test_asking_for_the_options_does_not_import_keras():
    code = "import sys; from course_utils.doctor import __main__; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.audit
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_it_runs_where_only_keras_and_one_backend_are_installed(saved, backend):
    shutil.copytree(Path(course_utils.__file__).parent / "doctor", saved / "doctor")
    uv, python = Path(sys.executable).with_name("uv"), saved / "env" / "bin" / "python"
    subprocess.run([uv, "venv", "--python", sys.executable, saved / "env"], check=True)
    subprocess.run([uv, "pip", "install", "--python", python, f"keras=={keras.__version__}", backend], check=True)
    command = [python, "-m", "doctor", "model.keras", "data.npz", "--history", "history.json"]
    environment = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run(command, cwd=saved, capture_output=True, text=True, env=environment)
    assert "Nothing seems to be wrong" in done.stdout, done.stderr
