"""From what was measured to what is wrong: one table, in the order in which causes come before their effects."""

import dataclasses
from collections.abc import Callable

import numpy as np

from .measurements import NAN, PROBED_STEPS


class Numbers(dict):
    """What was measured. What was not is NaN, which fulfills no condition."""

    def __missing__(self, name):
        return NAN


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """One thing that can be wrong.

    Attributes
    ----------
    title : str
    strength : callable Numbers → number
        How clear the evidence is: from 1 on, the diagnosis is made; 2 and more is hard to explain otherwise.
    evidence : callable Numbers → str
        What was measured, in a sentence.
    experiment : str
        The one experiment that would settle the question.
    fix : str
        In Keras; the report puts numbers in place of SLOWER, FASTER, and LONGER, and a name in place of OPTIMIZER.
    lecture : str
        Name of the notebook that explains it.
    """

    title: str
    strength: Callable
    evidence: Callable
    experiment: str
    fix: str
    lecture: str


MISMATCHES = {
    "probabilities taken for logits": (
        "The last layer already returns probabilities, but the loss was created with from_logits=True.",
        'loss="sparse_categorical_crossentropy"   # from_logits=False is the default',
    ),
    "logits taken for probabilities": (
        "The last layer returns any numbers, but the loss expects probabilities.",
        "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
    ),
    "softmax of one unit": (
        "The last layer is a softmax of a single unit, which is 1 for every input.",
        'layers.Dense(1, activation="sigmoid")   # and loss="binary_crossentropy"',
    ),
    "relu before the loss": (
        "The outputs pass through a ReLU before the cross-entropy, so all negative ones are lost.",
        'layers.Dense(classes, activation="softmax")',
    ),
    "sigmoids for one of several classes": (
        "The outputs are independent sigmoids, but the loss expects probabilities that sum to 1.",
        'layers.Dense(classes, activation="softmax")',
    ),
    "too few outputs": (
        "There are labels as large as the number of outputs, or larger.",
        'layers.Dense(y_train.max() + 1, activation="softmax")',
    ),
    "labels of another shape": (
        "The targets don't have the shape of the outputs, so each output is compared with the wrong targets.",
        'loss="sparse_categorical_crossentropy"   # integer labels; "categorical_crossentropy" takes one-hot labels',
    ),
    "regression loss for classes": (
        "The targets are classes, but the loss is one for numbers.",
        'loss="sparse_categorical_crossentropy"   # "binary_crossentropy" with a single sigmoid',
    ),
    "targets out of reach": (
        "Some targets lie outside the range of the last layer's activation.",
        "layers.Dense(1)   # no activation",
    ),
}


def _above(value, threshold):
    """How many times the threshold; 0 if it wasn't measured."""
    ratio = value / threshold if threshold else np.inf
    return 0.0 if np.isnan(ratio) else float(ratio)


def _all(*strengths):
    return min(strengths)


def _yes(condition):
    return 1.0 if condition else 0.0


def _points(value):
    return f"{100 * value:.0f} points" if abs(value) >= 0.005 else "0 points"


def _percent(value):
    return f"{100 * value:.0f}%"


def _gain(m, rate):
    """What more steps at this rate gain in validation, beyond the gain at the same rate and beyond chance."""
    return m[f"{rate}_val_score"] - (max(0, m["same_val_score"]) if rate != "same" else 0) - _noise(m)


def _noise(m):
    return 0 if np.isnan(m["validation_error"]) else m["validation_error"]


def _learning_rate_too_high(m):
    if m["finite"] == 0 or m["diverged"] > 0:
        return 3.0
    return max(
        _all(_above(_gain(m, "lower"), 0.02), _above(m["lower_train_score"] - max(0, m["same_train_score"]), 0.02)),
        _all(_above(m["roughness"], 0.35), _above(m["chance"] + 0.3, m["train_score"])),
        _all(_above(m["dead"], 0.5), _above(0.25, m["dead_at_start"]), _yes(m["train_score"] < 0.9)),
    )


def _learning_rate_too_low(m):
    return _all(
        _above(_gain(m, "higher"), 0.015), _above(m["higher_train_score"] - max(0, m["same_train_score"]), 0.015)
    )


def _undertrained(m):
    return max(
        _all(_above(_gain(m, "same"), 0.01), _above(m["same_train_score"], 0.015)),
        _all(_above(m["val_still_falling"], 0.1), _yes(np.isnan(m["train_score"]))),
    )


def _network_too_small(m):
    return _all(_above(m["neighbor_score"] - m["train_score"], 0.03), _yes(m["train_score"] < 0.97))


def _overfitting(m):
    gap = m["train_score"] - m["val_score"]
    with_data = _all(_above(gap, 0.06), max(_above(m["val_loss_rise"], 0.15), _above(m["val_accuracy_drop"], 0.02)))
    alone = _all(_above(m["val_loss_rise"], 0.15), _yes(np.isnan(m["train_score"])))
    return max(with_data, alone)


def _unscaled_inputs(m):
    return max(
        _above(m["input_size"], 10),
        _above(m["input_ratio"], 30),
        _above(m["input_offset"], 8),
        _above(0.02, m["input_spread"]) if m["input_spread"] > 0 else 0,
    )


def _dead_or_saturated(m):
    return max(
        _all(_above(m["dead"], 0.5), _above(m["dead_at_start"], 0.25)),
        _all(_above(m["saturated"], 0.5), _above(m["saturated_at_start"], 0.25)),
    )


def _vanishing_gradients(m):
    return _all(_above(-m["gradient_ratio"], 2), _yes(m["train_score"] < 0.95))


def _batch_norm_statistics(m):
    return _above(m["batch_norm_gain"], 0.02)


def _duplicates(m):
    return _all(_above(m["twins"], 0.05), _above(m["twin_gain"], 0.02))


def _unshuffled(m):
    return _all(
        _above(m["order"], 0.5),
        max(
            _all(_above(m["late_advantage_z"], 4), _above(m["late_advantage"], 0.1)),
            _above(m["classes_not_trained"], 1),
        ),
    )


def _label_noise(m):
    return _above(m["contradicted"], 0.05)


def _imbalance(m):
    return _all(_above(m["val_accuracy"] - m["val_score"], 0.05), _above(m["largest_class"] / m["smallest_class"], 3))


def _validation_too_small(m):
    return _above(m["validation_error"], 0.035)


DIAGNOSES = {
    "data_not_finite": Diagnosis(
        "The training data holds values that are not finite",
        lambda m: 3.0 if m["data_finite"] == 0 else 0.0,
        lambda m: "Some inputs or targets are NaN or infinite, and one of them is enough to make every weight NaN.",
        "Count them: np.isnan(x_train).sum(), np.isinf(x_train).sum().",
        "keep = np.isfinite(x_train).all(axis=1)   # or fill the gaps: sklearn.impute.SimpleImputer",
        "04_normalizing_inputs",
    ),
    "wrong_loss": Diagnosis(
        "The loss doesn't fit the last layer",
        lambda m: 3.0 if m.get("mismatch") else 0.0,
        lambda m: MISMATCHES[m["mismatch"]][0],
        "Train with a loss that fits the last layer.",
        "",  # the fix is that of the mismatch
        "02_training_curves",
    ),
    "unshuffled": Diagnosis(
        "The data isn't shuffled",
        _unshuffled,
        lambda m: (
            f"Neighboring samples have the same class far more often than by chance ({_percent(m['order'])} of "
            "the way to perfect order), and the network fits the last tenth of the data best."
        ),
        "Train again on shuffled data.",
        "model.fit(x, y, shuffle=True)   # or dataset.shuffle(len(x))",
        "02_training_curves",
    ),
    "batch_norm_statistics": Diagnosis(
        "Batch norm's running averages are wrong",
        _batch_norm_statistics,
        lambda m: (
            f"With the statistics of the training data in place of the running averages, the validation score is "
            f"{_points(m['batch_norm_gain'])} higher."
        ),
        "Replace the running averages by the statistics of the training data.",
        "layers.BatchNormalization(momentum=0.9)   # or train longer; batches of at least 16",
        "06_batch_norm_in_keras",
    ),
    "unscaled_inputs": Diagnosis(
        "The inputs aren't scaled",
        _unscaled_inputs,
        lambda m: (
            f"The inputs have a typical size of {m['input_size']:.2g} and a standard deviation of "
            f"{m['input_spread']:.2g}; the widest features vary {m['input_ratio']:.2g} times as much as a typical one."
        ),
        "Standardize the inputs and train again.",
        "normalize = layers.Normalization()\nnormalize.adapt(x_train)   # then use it as the first layer",
        "04_normalizing_inputs",
    ),
    "dead_or_saturated": Diagnosis(
        "Units are dead or saturated",
        _dead_or_saturated,
        lambda m: (
            f"In one layer, {_percent(m['dead'])} of the ReLUs return 0 for every sample."
            if m["dead"] > m["saturated"]
            else f"In one layer, {_percent(m['saturated'])} of the units are almost always at an end of their range."
        ),
        "Start from standard initial weights, at a tenth of the learning rate if they already were.",
        'layers.Dense(units, activation="relu", kernel_initializer="he_normal")',
        "05_batch_norm_from_scratch",
    ),
    "vanishing_gradients": Diagnosis(
        "The gradients vanish",
        _vanishing_gradients,
        lambda m: (
            f"The gradients of the first kernel are 10^{-m['gradient_ratio']:.1f} times smaller than those of the last."
        ),
        "Replace the activations by ReLU with He's initial weights and batch norm.",
        'layers.Dense(units, use_bias=False, kernel_initializer="he_normal"),\n'
        'layers.BatchNormalization(momentum=0.9),\n'
        'layers.Activation("relu")',
        "07_batch_norm_on_trial",
    ),
    "duplicates": Diagnosis(
        "Validation samples also occur in the training data",
        _duplicates,
        lambda m: (
            f"{_percent(m['twins'])} of the validation samples have a twin in the training data. Without them, the "
            f"validation accuracy is {_points(m['twin_gain'])} lower."
        ),
        "Score the validation samples that have no twin.",
        "train, val = next(GroupShuffleSplit(1).split(x, y, groups))   # scikit-learn; twins share a group",
        "01_learning_curves",
    ),
    "learning_rate_too_high": Diagnosis(
        "The learning rate is too high",
        _learning_rate_too_high,
        lambda m: (
            "The loss is not a finite number."
            if m["finite"] == 0 or m["diverged"] > 0
            else f"After {PROBED_STEPS} more steps at a tenth of the learning rate, the validation score is "
            f"{_points(m['lower_val_score'])} higher; at the same rate, {_points(m['same_val_score'])}."
        ),
        "Train again at a tenth of the learning rate.",
        "optimizer=keras.optimizers.OPTIMIZER(SLOWER)",
        "02_training_curves",
    ),
    "learning_rate_too_low": Diagnosis(
        "The learning rate is too low",
        _learning_rate_too_low,
        lambda m: (
            f"After {PROBED_STEPS} more steps at ten times the learning rate, the validation score is "
            f"{_points(m['higher_val_score'])} higher; at the same rate, {_points(m['same_val_score'])}."
        ),
        "Train again at ten times the learning rate.",
        "optimizer=keras.optimizers.OPTIMIZER(FASTER)",
        "02_training_curves",
    ),
    "imbalance": Diagnosis(
        "A frequent class hides the errors on a rare one",
        _imbalance,
        lambda m: (
            f"The accuracy is {_percent(m['val_accuracy'])}, but averaged over the classes it is only "
            f"{_percent(m['val_score'])}: of one class, {_percent(m['smallest_recall'])} is recognized. The largest "
            f"class has {_percent(m['largest_class'])} of the samples."
        ),
        "Give each class the same weight and train again.",
        "model.fit(..., class_weight={k: len(y) / classes / (y == k).sum() for k in range(classes)})",
        "03_better_or_lucky",
    ),
    "undertrained": Diagnosis(
        "The network hasn't been trained long enough",
        _undertrained,
        lambda m: (
            f"The validation loss was still falling, by {_percent(m['val_still_falling'])} in the last quarter."
            if np.isnan(m["same_val_score"])
            else f"After {PROBED_STEPS} more steps, the validation score is {_points(m['same_val_score'])} higher."
        ),
        "Train three times as long.",
        "model.fit(..., epochs=LONGER)",
        "02_training_curves",
    ),
    "label_noise": Diagnosis(
        "Some training labels are probably wrong",
        _label_noise,
        lambda m: (
            f"{_percent(m['contradicted'])} of the training samples are surrounded by samples that agree on another "
            "label."
        ),
        "Leave out the samples whose neighbors agree on another label, and train again.",
        "Look at the samples with the highest training loss, correct their labels, and stop early.",
        "10_weight_regularization",
    ),
    "network_too_small": Diagnosis(
        "The network is too small",
        _network_too_small,
        lambda m: (
            f"The network's training score is {_percent(m['train_score'])}, and more steps don't help. Voting "
            f"among the nearest training samples reaches {_percent(m['neighbor_score'])}."
        ),
        "Train a network that is four times as wide.",
        "layers.Dense(4 * units, ...)",
        "02_training_curves",
    ),
    "overfitting": Diagnosis(
        "The network overfits",
        _overfitting,
        lambda m: (
            f"The validation loss has risen by {_percent(m['val_loss_rise'])} since its minimum."
            if np.isnan(m["train_score"])
            else f"The training score is {_percent(m['train_score'])} "
            f"and the validation score {_percent(m['val_score'])}; "
            f"the validation loss has risen by {_percent(m['val_loss_rise'])} since its minimum."
        ),
        "Train again with dropout after each hidden layer.",
        "layers.Dropout(0.5)   # after each hidden layer; or keras.callbacks.EarlyStopping(restore_best_weights=True)",
        "09_dropout",
    ),
    "validation_too_small": Diagnosis(
        "The validation set is too small to tell",
        _validation_too_small,
        lambda m: (
            f"With {m['validation_samples']:.0f} samples, the standard error of the validation score is "
            f"{_points(m['validation_error'])}."
        ),
        "Repeat the training with other splits, and compare means.",
        "sklearn.model_selection.RepeatedStratifiedKFold(n_splits=5, n_repeats=2)",
        "03_better_or_lucky",
    ),
}

NOTHING = "nothing_wrong"
UNKNOWN = "cannot_tell"


def strengths(measured):
    """How clear the evidence for each diagnosis is: dict name → number, in the order of causes."""
    numbers = Numbers(measured)
    return {name: float(diagnosis.strength(numbers)) for name, diagnosis in DIAGNOSES.items()}


def findings(measured):
    """Names of what is probably wrong, the most likely cause first; `NOTHING` or `UNKNOWN` alone if there is none."""
    numbers = Numbers(measured)
    made = [name for name, strength in strengths(numbers).items() if strength >= 1]
    if made:
        return made
    poor = numbers["val_score"] < numbers["chance"] + 0.1 or numbers["train_score"] < numbers["neighbor_score"] - 0.1
    return [UNKNOWN if poor or ("val_loss" not in numbers and "val_loss_rise" not in numbers) else NOTHING]
