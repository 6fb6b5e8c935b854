"""What can be wrong with a network, in words: one table, with causes before their effects."""

import dataclasses
from collections.abc import Callable

import numpy as np

from . import rules
from .measurements import PROBED_STEPS, STANDARDIZED_STEPS
from .rules import Numbers


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """One thing that can be wrong.

    Attributes
    ----------
    title : str
    strength : callable Numbers → number
        How clear the evidence is. The diagnosis is made at 1 or above; at 2 or above, the evidence is hard to explain
        in any other way.
    evidence : callable Numbers → str
        What was measured, in a sentence.
    experiment : str
        The one experiment that would settle the question.
    fix : str
        Keras code; the report replaces SLOWER, FASTER, LONGER, and CODE with numbers, and OPTIMIZER with a name.
    lecture : str
        The notebook or page that explains it.
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
        "from_logits=False   # in the loss that you already use; it is the default",
    ),
    "logits taken for probabilities": (
        "The last layer returns unbounded scores (logits), but the loss expects probabilities.",
        "from_logits=True   # in the loss that you already use, such as keras.losses.SparseCategoricalCrossentropy",
    ),
    "logits compared with 0.5": (
        "The outputs are logits, but the accuracy counts an output as class 1 only if it is above 0.5 instead of 0.",
        "metrics=[keras.metrics.BinaryAccuracy(threshold=0)]",
    ),
    "softmax of one unit": (
        "The last layer is a softmax over a single unit, which is 1 for every input.",
        'layers.Dense(1, activation="sigmoid")   # and loss="binary_crossentropy"',
    ),
    "relu before the loss": (
        "The outputs pass through a ReLU before the cross-entropy, so all negative values become 0.",
        'layers.Dense(classes, activation="softmax")',
    ),
    "too few outputs": (
        "Some labels are too large: with n outputs, labels must run from 0 to n - 1.",
        'layers.Dense(y_train.max() + 1, activation="softmax")   # if your labels start at 1, subtract 1 instead',
    ),
    "labels of another shape": (
        "The targets and the outputs have different shapes, so the loss compares the wrong pairs.",
        "y_train, y_val = y_train.reshape(-1, 1), y_val.reshape(-1, 1)   # for one output",
    ),
    "regression loss for classes": (
        "The targets are classes, but the loss is meant for regression.",
        'loss="sparse_categorical_crossentropy"   # "binary_crossentropy" for a single sigmoid unit',
    ),
    "targets out of reach": (
        "Some targets lie outside the range of the last layer's activation.",
        "layers.Dense(1)   # no activation",
    ),
}


def _points(value):
    return f"{100 * value:+.1f} points"


def _percent(value):
    return f"{100 * value:.0f}%"


def _unscaled(m):
    found = (
        f"The inputs have a root mean square of {m['input_size']:.2g} and a standard deviation of "
        f"{m['input_spread']:.2g}, instead of about 1"
    )
    if m["finite"] == 0:
        return f"{found}, and the network's outputs are NaN or infinite."
    return (
        f"{found}. A new network that was trained on standardized inputs for {STANDARDIZED_STEPS} steps scores "
        f"{_percent(m['standardized_val_score'])} on the validation data."
    )


def _unshuffled(m):
    start = "Neighboring training samples have the same class or similar targets far more often than by chance, and "
    if m["classes_not_trained"] >= 1:
        return f"{start}the training set lacks {m['classes_not_trained']:.0f} of the classes in the validation set."
    gain = _points(m["same_val_score"])
    return f"{start}{PROBED_STEPS} more steps on shuffled data change the validation score by {gain}."


def _inactive(m):
    if m["dead"] > m["saturated"]:
        return f"In one layer, {_percent(m['dead'])} of the ReLUs return 0 for every sample."
    return f"In one layer, {_percent(m['saturated'])} of the units are almost always at an extreme of their range."


def _copied(m):
    found = f"{_percent(m['twins'])} of the validation samples have an exact or near copy in the training data."
    if np.isnan(m["twin_gain"]):
        return found
    return f"{found} Without these samples, the validation accuracy changes by {_points(-m['twin_gain'])}."


def _probed(m, name, rate):
    return (
        f"{PROBED_STEPS} more steps at a learning rate of {rate:.1g} change the validation score by "
        f"{_points(m[f'{name}_val_score'])}; at the current rate, {m['learning_rate']:.1g}, they change it by "
        f"{_points(m['same_val_score'])}."
    )


def _too_high(m):
    if m["finite"] == 0:
        return "The network's outputs are NaN or infinite."
    if m["diverged"] > 0:
        return "The training loss became NaN or infinite."
    if m["dead"] >= 0.5 and m["dead_at_start"] < 0.25:
        return (
            f"In one layer, {_percent(m['dead'])} of the ReLUs return 0 for every sample. With new initial weights, "
            f"only {_percent(m['dead_at_start'])} do."
        )
    return _probed(m, "lower", m["learning_rate"] / 10)


def _overfitted(m):
    scores = (
        f"The network scores {_percent(m['train_score'])} on the training data and {_percent(m['val_score'])} on the "
        "validation data"
    )
    if m["val_loss_rise"] > 0.05:
        risen = f"the validation loss has risen by {_percent(m['val_loss_rise'])} from its minimum."
    elif m["val_accuracy_drop"] > 0.005:
        risen = f"the validation accuracy has fallen by {_percent(m['val_accuracy_drop'])} from its maximum."
    else:
        return scores + "."
    return risen[0].upper() + risen[1:] if np.isnan(m["train_score"]) else f"{scores}, and {risen}"


DIAGNOSES = {
    "data_not_finite": Diagnosis(
        "The training data contains NaN or infinite values",
        rules.data_not_finite,
        lambda m: "Some inputs or targets are NaN or infinite. A single one can ruin the weights.",
        "Count them: (~np.isfinite(x_train)).sum(), (~np.isfinite(y_train)).sum().",
        "keep = np.isfinite(x_train.reshape(len(x_train), -1)).all(axis=1)\n"
        "x_train, y_train = x_train[keep], y_train[keep]   # or fill the gaps",
        "04_normalizing_inputs",
    ),
    "coded_missing_values": Diagnosis(
        "A number seems to stand for missing values",
        rules.coded_missing_values,
        lambda m: (
            f"In one column, {m['coded']:.1%} of the training samples have the value {m['code']:.4g}, far from all "
            "other values."
        ),
        "Replace it with the median of the column, rescale the inputs, and train again.",
        "x_train = sklearn.impute.SimpleImputer(missing_values=CODE, strategy='median').fit_transform(x_train)",
        "04_normalizing_inputs",
    ),
    "wrong_loss": Diagnosis(
        "The loss or the metric doesn't fit the last layer",
        rules.wrong_loss,
        lambda m: MISMATCHES[m["mismatch"]][0],
        "Train with a loss that fits the last layer.",
        "",  # the fix is that of the mismatch
        "whats_wrong.md",
    ),
    "unshuffled": Diagnosis(
        "The data isn't shuffled",
        rules.unshuffled,
        _unshuffled,
        "Train again on shuffled data.",
        "order = np.random.permutation(len(x))\n"
        "x, y = x[order], y[order]   # before you split; with tf.data: dataset.shuffle(len(x))",
        "A4_more_on_training",
    ),
    "batch_norm_statistics": Diagnosis(
        "Batch norm's running averages are wrong",
        rules.batch_norm_statistics,
        lambda m: (
            "With the statistics of the training data instead of the running averages, the validation score changes "
            f"by {_points(m['batch_norm_gain'])}."
        ),
        "Train again with momentum=0.9 and batches of at least 32 samples.",
        "layers.BatchNormalization(momentum=0.9)   # or train longer; batches of at least 32",
        "06_batch_norm_in_keras",
    ),
    "unscaled_inputs": Diagnosis(
        "The inputs aren't scaled",
        rules.unscaled_inputs,
        _unscaled,
        "Standardize the inputs, and train again.",
        "normalize = layers.Normalization()\nnormalize.adapt(x_train)   # then use it as the first layer",
        "04_normalizing_inputs",
    ),
    "dead_or_saturated": Diagnosis(
        "Units are dead or saturated",
        rules.dead_or_saturated,
        _inactive,
        "Train again from standard initial weights.",
        'layers.Dense(units, activation="relu", kernel_initializer="he_normal")',
        "A4_more_on_training",
    ),
    "vanishing_gradients": Diagnosis(
        "The gradients vanish",
        rules.vanishing_gradients,
        lambda m: (
            "The gradients of the last kernel are "
            f"{10 ** -rules.gradient_ratio(m):,.0f} times as large as those of the first."
        ),
        "Train again with ReLU, He initialization, and batch norm.",
        'layers.Dense(units, use_bias=False, kernel_initializer="he_normal"),\n'
        "layers.BatchNormalization(momentum=0.9),\n"
        'layers.Activation("relu")',
        "07_batch_norm_on_trial",
    ),
    "duplicates": Diagnosis(
        "Validation samples have copies in the training data",
        rules.duplicates,
        _copied,
        "Score only the validation samples that have no copy.",
        "split = sklearn.model_selection.GroupShuffleSplit(n_splits=1)\n"
        "train_rows, val_rows = next(split.split(x, y, groups))   # copies share a group number",
        "A4_more_on_training",
    ),
    "imbalance": Diagnosis(
        "A frequent class hides the errors on a rare one",
        rules.imbalance,
        lambda m: (
            f"The validation accuracy is {_percent(m['val_accuracy'])}, but the average recall of the classes is only "
            f"{_percent(m['val_score'])}. The lowest recall of any class is "
            f"{_percent(m['smallest_recall'])}. The largest class makes up {_percent(m['largest_class'])} of the "
            "training samples."
        ),
        "Give each class the same total weight, and train again.",
        "model.fit(..., class_weight={k: len(y) / classes / (y == k).sum() for k in range(classes)})",
        "whats_wrong.md",
    ),
    "learning_rate_too_high": Diagnosis(
        "The learning rate is too high",
        rules.learning_rate_too_high,
        _too_high,
        "Train again at a tenth of the learning rate, or at Keras's default if that is lower.",
        "optimizer=keras.optimizers.OPTIMIZER(SLOWER)",
        "02_training_curves",
    ),
    "network_too_small": Diagnosis(
        "The network is too small",
        rules.network_too_small,
        lambda m: (
            f"The network scores {_percent(m['train_score'])} on the training data. A vote among the nearest other "
            f"samples scores {_percent(m['neighbor_score'])}."
        ),
        "Train a network that is four times as wide, with at least 32 units in each layer.",
        "layers.Dense(max(32, 4 * units), ...)",
        "01_learning_curves",
    ),
    "learning_rate_too_low": Diagnosis(
        "The learning rate is too low",
        rules.learning_rate_too_low,
        lambda m: _probed(m, "higher", max(10 * m["learning_rate"], m["highest_rate"])),
        "Train again at ten times the learning rate, or at Keras's default if that is higher. If the rate has decayed, "
        "train at its highest value instead.",
        "optimizer=keras.optimizers.OPTIMIZER(FASTER)",
        "02_training_curves",
    ),
    "undertrained": Diagnosis(
        "The network hasn't been trained long enough",
        rules.undertrained,
        lambda m: (
            f"The validation loss was still falling: by {_percent(m['val_still_falling'])} in the last quarter "
            "of training."
            if np.isnan(m["same_val_score"])
            else f"{PROBED_STEPS} more steps change the validation score by {_points(m['same_val_score'])}."
        ),
        "Train three times as long.",
        "model.fit(..., epochs=LONGER)",
        "02_training_curves",
    ),
    "label_noise": Diagnosis(
        "Some training labels are wrong",
        rules.label_noise,
        lambda m: (
            f"{_percent(m['contradicted'])} of the training samples are surrounded by samples that agree on a "
            f"different label. A vote among the nearest training samples predicts {_percent(m['neighbor_score'])} of "
            f"the training labels and {_percent(m['neighbor_val_score'])} of the validation labels."
        ),
        "Leave out the samples whose neighbors agree on a different label, and train again.",
        "# Check the labels of samples whose neighbors agree on a different one, and correct them.\n"
        "keras.callbacks.EarlyStopping(restore_best_weights=True)   # meanwhile",
        "10_weight_regularization",
    ),
    "validation_too_small": Diagnosis(
        "The validation set is too small for a precise score",
        rules.validation_too_small,
        lambda m: (
            f"With {m['validation_samples']:.0f} samples, the standard error of the validation score is "
            f"{100 * m['validation_error']:.1f} points, so the true score may be higher or lower by twice that."
        ),
        "Repeat the training with other splits, and compare means.",
        "sklearn.model_selection.RepeatedStratifiedKFold(n_splits=5, n_repeats=2)",
        "03_better_or_lucky",
    ),
    "overfitting": Diagnosis(
        "The network overfits",
        rules.overfitting,
        _overfitted,
        "Train again with dropout after each hidden layer.",
        "layers.Dropout(0.5)   # after each hidden layer, 0.25 after a convolution;\n"
        "# or keras.callbacks.EarlyStopping(restore_best_weights=True)",
        "09_dropout",
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
    poor = (
        numbers["val_score"] < numbers["chance"] + 0.1
        or numbers["train_score"] < numbers["neighbor_score"] - 0.1
        or numbers["val_score"] < numbers["neighbor_val_score"] - 0.05
    )
    return [UNKNOWN if poor or ("val_loss" not in numbers and "val_loss_rise" not in numbers) else NOTHING]


def doubt(measured):
    """Why there is no diagnosis, in a sentence."""
    numbers = Numbers(measured)
    if rules.no_signal(numbers):
        return (
            "Neither the network nor a vote among the nearest training samples predicts the validation data better "
            "than chance. Check whether each input still belongs to its target."
        )
    return "The network predicts poorly, or too little is known about it, and there is no sign of a known cause."
