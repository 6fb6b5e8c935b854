"""Complaints about Keras networks, each recreated as a small case whose true cause is known.

`CASES` maps a name to a function that trains a network the way the person did and returns a `Case`. Calling
`symptom(case)` tells whether what the person complains about is there, and by how much. A complaint with several
possible causes has several cases. In some cases, nothing is wrong with the network.
"""

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

CASES = {}


@dataclass
class Case:
    """A fitted network with its data and history, the complaint in the person's words, and the true cause."""

    name: str
    complaint: str
    cause: str
    check: Callable
    model: keras.Model
    train: tuple
    validation: tuple
    history: dict
    evidence: dict = field(default_factory=dict)


def symptom(case):
    """Whether the symptom is present, and the measurements that show it."""
    present, measured = case.check(case)
    return bool(present), {name: round(float(value), 3) for name, value in measured.items()}


def recreates(name, check, complaint, cause, **settings):
    """Register a function that trains a network as a case, with a fixed seed and with these settings."""
    def register(build):
        def case():
            keras.utils.set_random_seed(0)
            return Case(name, complaint, cause, check, **build(**settings))
        CASES[name] = case
        return build
    return register


def fitted(model, train, validation, epochs, loss="sparse_categorical_crossentropy", optimizer="adam",
           metrics=("accuracy",), **fit):
    """Compile and fit; return what a case consists of."""
    model.compile(optimizer, loss, metrics=list(metrics), jit_compile=False)
    history = model.fit(*train, validation_data=validation, validation_batch_size=1000, epochs=epochs, verbose=0,
                        **fit).history
    return {"model": model, "train": train, "validation": validation, "history": history}


def network(features, *body):
    return keras.Sequential([keras.Input((features,)), *body])


def fitted_binary(train, validation, epochs, units=32, depth=1, output="sigmoid", loss="binary_crossentropy", **fit):
    hidden = (layers.Dense(units, "relu") for _ in range(depth))
    return fitted(network(train[0].shape[1], *hidden, layers.Dense(1, output)), train, validation, epochs, loss, **fit)


def split(x, y, validation, seed=0):
    x_train, x_val, y_train, y_val = train_test_split(x.astype("float32"), y, test_size=validation, random_state=seed)
    return (x_train, y_train), (x_val, y_val)


def digits(largest=1):
    x, y = load_digits(return_X_y=True)
    return split(x / 16 * largest, y, validation=450)


def tumors(scaled=True):
    x, y = load_breast_cancer(return_X_y=True)
    return split(StandardScaler().fit_transform(x) if scaled else x, y, validation=169)


def last(case, key):
    return case.history[key][-1]


def evaluated(model, data):
    return model.evaluate(*data, verbose=0, return_dict=True)["accuracy"]


def predicted(case):
    outputs = case.model.predict(case.validation[0], verbose=0)
    return outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)


def exceeds(least, **scores):
    """Whether the first of the scores is higher than the second by at least that much."""
    higher, lower, *_ = scores.values()
    return higher >= lower + least, scores


def validation_is_better(case):
    return exceeds(0.03, val_accuracy=last(case, "val_accuracy"), accuracy=last(case, "accuracy"),
                   evaluated_train=evaluated(case.model, case.train))


@recreates("strong_dropout", validation_is_better,
           "My validation accuracy is higher than my training accuracy. How can that be?",
           "Nothing is wrong: dropout is active while training accuracy is measured, but not during validation.")
def dropout():
    model = network(64, layers.Dense(128, "relu"), layers.Dropout(0.6), layers.Dense(128, "relu"),
                    layers.Dropout(0.6), layers.Dense(10, "softmax"))
    return fitted(model, *digits(), epochs=12)


def evaluation_is_worse(case):
    return exceeds(0.2, accuracy=last(case, "accuracy"), evaluated_train=evaluated(case.model, case.train))


def normalized(blocks, momentum):
    return [layer for _ in range(blocks) for layer in (
        layers.Dense(64), layers.BatchNormalization(momentum=momentum), layers.Activation("relu"))]


@recreates("few_steps_of_batch_norm", evaluation_is_worse,
           "fit reports a high accuracy. On the same data, evaluate reports a far lower one.",
           "The moving averages of batch normalization (momentum 0.99) have not converged after a few steps.")
def batch_norm():
    model = network(64, *normalized(2, momentum=0.99), layers.Dense(10, "softmax"))
    return fitted(model, *digits(largest=16), epochs=3, batch_size=128)


def loss_is_nan(case):
    return np.isnan(last(case, "loss")), {"loss": last(case, "loss"),
                                          "finite_epochs": np.isfinite(case.history["loss"]).sum()}


@recreates("unscaled_inputs", loss_is_nan, "My loss is nan from the first epoch on.",
           "Inputs and targets are in the hundreds; without scaling, SGD diverges at its default learning rate.",
           scaled=False, learning_rate=0.01)
@recreates("learning_rate_diverges", loss_is_nan, "My data is standardized, and the loss becomes nan anyway.",
           "The learning rate is far too high.", learning_rate=2.0)
@recreates("missing_value", loss_is_nan, "The loss is nan. I keep lowering the learning rate, but nothing changes.",
           "A single value of the training inputs is missing (NaN).", learning_rate=1e-4, missing=1,
           activation="tanh")
def regression(learning_rate, scaled=True, missing=0, activation="relu"):
    x, y = load_diabetes(return_X_y=True, scaled=False)
    if scaled:
        x, y = StandardScaler().fit_transform(x), (y - y.mean()) / y.std()
    train, validation = split(x, y, validation=142)
    train[0][:missing, 3] = np.nan
    model = network(10, *(layers.Dense(64, activation) for _ in range(3)), layers.Dense(1))
    return fitted(model, train, validation, epochs=4, loss="mse", metrics=["mae"],
                  optimizer=keras.optimizers.SGD(learning_rate))


def accuracy_is_chance(case):
    accuracy, loss = max(case.history["accuracy"][1:]), last(case, "loss")
    return accuracy < 0.15 and np.isfinite(loss), {"highest_accuracy": accuracy, "loss": loss,
                                                   "predicted_classes": len(np.unique(predicted(case)))}


@recreates("vanishing_gradients", accuracy_is_chance,
           "I built a deep network for ten classes, and its accuracy stays at 10%.",
           "The gradients vanish on their way back through ten sigmoid layers.",
           activation="sigmoid", depth=10, optimizer=keras.optimizers.SGD, learning_rate=0.1)
@recreates("dead_relus", accuracy_is_chance,
           "The loss is huge at first, then it stays near 2.3, and the accuracy stays at 10%.",
           "The learning rate is too high: the first steps pushed every ReLU to zero for every input, for good.",
           activation="relu", depth=3, optimizer=keras.optimizers.Adam, learning_rate=0.5)
def deep(activation, depth, optimizer, learning_rate):
    model = network(64, *(layers.Dense(64, activation) for _ in range(depth)), layers.Dense(10, "softmax"))
    return fitted(model, *digits(), epochs=8, optimizer=optimizer(learning_rate))


def only_the_majority(case):
    accuracy, (x, y) = last(case, "val_accuracy"), case.validation
    ranking = roc_auc_score(y, case.model.predict(x, verbose=0)[:, 0])
    return (accuracy > 0.93 and not predicted(case).any() and ranking > 0.6,
            {"val_accuracy": accuracy, "share_of_majority": np.mean(y == 0), "auc": ranking})


@recreates("imbalanced_classes", only_the_majority,
           "My model is 94% accurate, but it has never found a single positive.",
           "The classes are imbalanced: 94% of the samples are negative, and the network always answers negative.")
def imbalanced():
    x, y = make_classification(3000, 20, weights=[0.943], class_sep=0.4, flip_y=0, random_state=0)
    return fitted_binary(*split(x, y, validation=1000), epochs=6)


def one_class(case):
    classes, share = np.unique(predicted(case)), np.bincount(case.validation[1]).max() / len(case.validation[1])
    return len(classes) == 1, {"predicted": classes[0], "val_accuracy": last(case, "val_accuracy"),
                               "share_of_majority": share}


class BrierScore(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred))


@recreates("softmax_of_one_unit", one_class, "Binary classification: my network answers 1 for every sample.",
           "The softmax of a single unit is always 1; the output needs a sigmoid.", output="softmax")
@recreates("loss_broadcasts", one_class,
           "With a loss I wrote myself, the network gives every sample nearly the same probability.",
           "Labels of shape (n,) minus predictions of shape (n, 1) broadcast to (n, n), every label with every output.",
           loss=BrierScore())
def wrong_shape(**settings):
    return fitted_binary(*tumors(), epochs=10, optimizer=keras.optimizers.Adam(0.02), **settings)


def only_the_loss_gets_worse(case):
    loss, accuracy = case.history["val_loss"], case.history["val_accuracy"]
    best = np.argmin(loss)
    return (loss[-1] > 1.5 * loss[best] and accuracy[-1] > accuracy[best] - 0.01,
            {"lowest_val_loss": loss[best], "val_loss": loss[-1], "val_accuracy_at_lowest": accuracy[best],
             "val_accuracy": accuracy[-1]})


@recreates("overconfidence", only_the_loss_gets_worse,
           "My validation loss rises, but my validation accuracy doesn't fall.",
           "The network overfits: it becomes ever more confident, even about the samples it gets wrong.")
def overfitted():
    x, y = make_classification(1300, 20, n_informative=8, flip_y=0.1, random_state=1)
    return fitted_binary(*split(x, y, validation=1000), epochs=30, units=128, depth=2)


def unfreezing_hurts(case):
    return exceeds(0.05, frozen=case.evidence["frozen"]["val_accuracy"][-1], unfrozen=last(case, "val_accuracy"),
                   accuracy=last(case, "accuracy"))


@recreates("fine_tuning_too_fast", unfreezing_hurts,
           "Transfer learning worked well. Then I unfroze the base, and the results got worse.",
           "The learning rate for fine-tuning is so high that it destroys the pretrained weights.",
           learning_rate=0.1, batch_size=32)
@recreates("fine_tuning_in_tiny_batches", unfreezing_hurts,
           "I unfroze the base with a small learning rate, as recommended, and it got worse anyway.",
           "Unfrozen batch normalization now normalizes by the statistics of batches of two samples.",
           learning_rate=1e-3, batch_size=2)
def fine_tuned(learning_rate, batch_size):
    """Pretrain on 1000 digits; from 100 others, learn which ones are even, first with a frozen base."""
    (x, y), (x_val, y_val) = digits()
    base = network(64, *normalized(4, momentum=0.9))
    fitted(network(64, base, layers.Dense(10, "softmax")), (x[:1000], y[:1000]), None, epochs=6)
    base.trainable, task = False, ((x[1000:1100], y[1000:1100] % 2), (x_val, y_val % 2))
    model, loss = network(64, base, layers.Dense(1, "sigmoid")), "binary_crossentropy"
    frozen = fitted(model, *task, epochs=15, loss=loss, optimizer=keras.optimizers.Adam(0.01))["history"]
    base.trainable, optimizer = True, keras.optimizers.Adam(learning_rate)
    return fitted(model, *task, epochs=3, loss=loss, optimizer=optimizer, batch_size=batch_size) | {
        "evidence": {"frozen": frozen}}


def reloaded_is_worse(case):
    (x, y), scaler = case.validation, case.evidence["scaler"]
    return exceeds(0.1, val_accuracy=last(case, "val_accuracy"), reloaded=evaluated(case.model, (x, y)),
                   reloaded_and_scaled=evaluated(case.model, (scaler.transform(x), y)))


@recreates("scaler_not_saved", reloaded_is_worse,
           "I saved my model and loaded it the next day. Its accuracy is far lower now.",
           "The inputs were standardized outside the model; the reloaded model gets them unscaled.")
def reloaded():
    train, validation = tumors(scaled=False)
    scaler = StandardScaler().fit(train[0])
    case = fitted_binary(*((scaler.transform(x), y) for x, y in (train, validation)), epochs=20)
    with tempfile.TemporaryDirectory() as folder:
        case["model"].save(Path(folder, "model.keras"))
        model = keras.saving.load_model(Path(folder, "model.keras"))
    return case | {"model": model, "train": train, "validation": validation, "evidence": {"scaler": scaler}}


def runs_differ(case):
    small, large = case.evidence["validation"], case.evidence["thousand"]
    return (np.ptp(small) >= 0.1 and np.ptp(large) < 0.05,
            {"lowest": min(small), "highest": max(small), "lowest_of_1000": min(large), "highest_of_1000": max(large)})


@recreates("twenty_validation_samples", runs_differ,
           "When I run the same notebook again, the accuracy changes by ten points or more.",
           "The validation set has 20 samples, 5 points each; on 1000 samples, the runs hardly differ.")
def repeated():
    own, thousand = split(*make_classification(1400, 20, n_informative=5, flip_y=0.1, random_state=3), validation=1000)
    evidence = {"validation": [], "thousand": []}
    for seed in range(3):
        run = fitted_binary(*split(*own, validation=20, seed=seed), epochs=6, optimizer=keras.optimizers.Adam(0.01))
        evidence["validation"].append(run["history"]["val_accuracy"][-1])
        evidence["thousand"].append(evaluated(run["model"], thousand))
    return run | {"evidence": evidence}


def loss_has_a_floor(case):
    return exceeds(0, loss=last(case, "loss"), floor=np.log(1 + 9 / np.e), accuracy=last(case, "accuracy"))


def only_a_warning(case):
    x, y = case.validation
    return (any("from_logits" in str(warning.message) for warning in case.evidence["warnings"]),
            {"val_loss": last(case, "val_loss"), "val_accuracy": last(case, "val_accuracy"),
             "right_loss": keras.losses.SparseCategoricalCrossentropy()(y, case.model.predict(x, verbose=0))})


def hardly_learns(case):
    return exceeds(0, target=0.7, accuracy=last(case, "accuracy"), loss=last(case, "loss"))


@recreates("softmax_twice", loss_has_a_floor, "Accuracy is fine, but the loss never falls below 1.46.",
           "from_logits=True makes the loss apply a second softmax; in mixed precision, Keras doesn't notice.",
           activation="softmax", from_logits=True, dtype="mixed_bfloat16")
@recreates("softmax_with_from_logits", only_a_warning,
           "Keras warns that from_logits=True doesn't fit my softmax. Are my results wrong?",
           "The flag is wrong, but Keras on TensorFlow computes the loss from the inputs of the softmax, correctly.",
           activation="softmax", from_logits=True)
@recreates("logits_without_from_logits", hardly_learns,
           "My network for the digits hardly learns, with layers that work for everyone else.",
           "The output layer is linear, but the loss expects probabilities: it needs from_logits=True.",
           activation=None, from_logits=False)
def with_logits(activation, from_logits, dtype=None):
    model = network(64, layers.Dense(64, "relu"), layers.Dense(10, activation, dtype=dtype))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    with warnings.catch_warnings(record=True, action="always") as caught:
        return fitted(model, *digits(), epochs=12, loss=loss) | {"evidence": {"warnings": caught}}


def worse_in_use(case):
    return exceeds(0.1, val_accuracy=last(case, "val_accuracy"), in_use=evaluated(case.model, case.evidence["in_use"]))


def patients(rng, count, visits):
    """Patients' measurements, nearly the same at each visit, and whether the patient is ill."""
    profile = rng.normal(size=(count, 20))
    ill = profile[:, 0] + rng.normal(size=count) > 0
    measured = np.repeat(profile, visits, axis=0) + rng.normal(0, 0.1, (count * visits, 20))
    return measured.astype("float32"), np.repeat(ill.astype(int), visits)


@recreates("copies_across_the_split", worse_in_use,
           "Validation accuracy is close to 100%, but for new patients the model is hardly usable.",
           "Rows were split at random: each patient in the validation set also has nearly equal rows in training.")
def grouped():
    rng = np.random.default_rng(0)
    case = fitted_binary(*split(*patients(rng, 100, visits=10), validation=200), epochs=25, units=64)
    return case | {"evidence": {"in_use": patients(rng, 500, visits=1)}}
