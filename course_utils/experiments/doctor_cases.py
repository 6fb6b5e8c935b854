"""Networks for testing the doctor: some with one fault each, from invisible to blatant, and some healthy ones."""

import dataclasses
import functools

import numpy as np

from course_utils import datasets


@dataclasses.dataclass(frozen=True)
class Setting:
    """Everything about one training run."""

    data: str
    train_size: int = 800
    val_size: int = 300
    width: int = 64
    depth: int = 2
    activation: str = "relu"
    bias: float = 0.0
    batch_norm: bool = False
    momentum: float = 0.9
    dropout: float = 0.0
    learning_rate: float = 2e-3
    epochs: int = 25
    initial_scale: float = 1.0
    label_noise: float = 0.0
    input_scale: float = 1.0
    offset: float = 0.0  # added to all inputs, in their standard deviations
    sorted_parts: int = 0  # the training data consists of this many parts sorted by class, and nothing is shuffled
    rarity: float = 1.0  # how often half of the classes occur, compared with the others
    twins: float = 0.0  # share of validation samples that are noisy copies of training samples
    loss: str = "probabilities"


# Data sets on which the thresholds were chosen, and those on which the rates are measured, with another family of
# networks: convolutional ones instead of dense ones.
TUNED_ON = {
    "digits": Setting("digits"),
    "mixture": Setting("mixture", train_size=1000, dropout=0.1, epochs=10),
}
MEASURED_ON = {
    "mnist": Setting("mnist", train_size=1000, width=24, epochs=15, learning_rate=5e-3),
    "mnist1d": Setting("mnist1d", train_size=1200, width=32, epochs=50, learning_rate=5e-3),
}


@functools.cache
def _pool(name):
    """All samples of a data set, with features of variance 1 or pixels from 0 to 1: x, y."""
    if name == "mixture":  # classes that overlap: nothing reaches 90%
        rng = np.random.default_rng(0)
        centers = rng.normal(size=(6, 30)) * 0.55
        y = rng.integers(6, size=6000)
        return (centers[y] + rng.normal(size=(6000, 30))).astype("float32"), y.astype("int32")
    split = getattr(datasets, name)(seed=0)
    x, y = np.concatenate([split.x_train, split.x_val]), np.concatenate([split.y_train, split.y_val])
    if name == "mnist":
        x = x.reshape(-1, 14, 2, 14, 2, 1).mean((2, 4))
    if name == "mnist1d":
        x = x.reshape(-1, 40, 1, 1)
    return x.astype("float32"), y.astype("int32")


def data(setting, seed):
    """Training, validation, and untouched samples, each (x, y), for a seed."""
    x, y = _pool(setting.data)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    if setting.rarity < 1:  # the rare classes are rare everywhere but in the untouched data
        rare = y[order] < (y.max() + 1) // 2
        kept = ~rare | (rng.random(len(order)) < setting.rarity)
        wanted = setting.train_size + setting.val_size
        order = np.concatenate([order[kept][:wanted], np.setdiff1d(order, order[kept][:wanted])])
    n, v = min(setting.train_size, len(x) // 2), min(setting.val_size, len(x) // 4)
    train, val, rest = np.split(order, [n, n + v])
    if setting.sorted_parts:
        parts = np.array_split(train, setting.sorted_parts)
        train = np.concatenate([part[np.argsort(y[part], kind="stable")] for part in parts])
    x = setting.input_scale * (x + np.float32(setting.offset * x.std()))
    x_val, y_val = x[val].copy(), y[val].copy()
    copied = rng.permutation(v)[: int(setting.twins * v)]
    originals = rng.choice(train, len(copied))
    x_val[copied] = x[originals] + 0.02 * x.std() * rng.normal(size=x[originals].shape)
    y_val[copied] = y[originals]
    y_train = y[train].copy()
    wrong = np.flatnonzero(rng.random(n) < setting.label_noise)
    y_train[wrong] = (y_train[wrong] + rng.integers(1, y.max() + 1, len(wrong))) % (y.max() + 1)
    return (x[train], y_train), (x_val, y_val), (x[rest[:1500]], y[rest[:1500]])


def build_network(input_shape, classes, *, setting):
    """The network of a setting: dense for vectors, convolutional for images and signals."""
    import keras
    from keras import layers

    last = {"linear": "linear", "rectified": "relu", "rectified logits": "relu"}.get(setting.loss, "softmax")
    parameters = {
        "kernel_initializer": keras.initializers.VarianceScaling(
            2 * setting.initial_scale**2 if setting.activation == "relu" else setting.initial_scale**2, seed=None
        ),
        "bias_initializer": keras.initializers.Constant(setting.bias),
        "use_bias": not setting.batch_norm,
    }
    model = keras.Sequential([keras.Input(input_shape)])

    def hidden(layer):
        model.add(layer)
        if setting.batch_norm:
            model.add(layers.BatchNormalization(momentum=setting.momentum))
        model.add(layers.Activation(setting.activation))
        model.add(layers.Dropout(setting.dropout))

    for level in range(setting.depth):
        if len(input_shape) == 1:
            hidden(layers.Dense(setting.width, **parameters))
        else:
            size, strides = (3, 1) if input_shape[1] == 1 else 3, 2 if level < 2 else 1
            hidden(
                layers.Conv2D(
                    setting.width,
                    size,
                    strides=(strides, 1) if input_shape[1] == 1 else strides,
                    padding="same",
                    **parameters,
                )
            )
    if len(input_shape) > 1:
        model.add(layers.Flatten())
    model.add(layers.Dense(classes, activation=last))
    return model


def _compiled(model, setting):
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits="logits" in setting.loss)
    model.compile(keras.optimizers.Adam(setting.learning_rate), loss, metrics=["accuracy"])
    return model


def _loss(setting):
    """The loss for one-hot targets as a function, because fit_many rejects a loss that doesn't fit the last layer."""
    import keras

    def loss(y_true, y_pred):
        return keras.losses.categorical_crossentropy(y_true, y_pred, from_logits="logits" in setting.loss)

    return loss


def networks(setting, seeds):
    """Compiled and trained Keras models, with their histories (dict) and data (see `data`), one for each seed."""
    import keras

    from course_utils import fit_many, trained_model

    parts = {seed: data(setting, seed) for seed in seeds}
    classes = int(_pool(setting.data)[1].max()) + 1
    build = functools.partial(build_network, classes=classes, setting=setting)
    wrong = setting.loss != "probabilities"
    targets = np.eye(classes, dtype="float32") if wrong else np.arange(classes, dtype="int32")
    splits = {
        seed: datasets.Split(setting.data, train[0], targets[train[1]], val[0], targets[val[1]])
        for seed, (train, val, _) in parts.items()
    }
    runs = fit_many(
        build,
        splits.get,
        {"seed": list(seeds), "shuffle": not setting.sorted_parts},
        epochs=setting.epochs,
        optimizer=keras.optimizers.Adam(setting.learning_rate),
        loss=_loss(setting) if wrong else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weights=True,
    )
    for seed in seeds:
        run = runs.sel(seed=seed)
        model = _compiled(trained_model(build, run), setting)
        model.optimizer.iterations.assign(setting.epochs * len(splits[seed].x_train) // 32)
        yield (
            model,
            {name: run[name].values.tolist() for name in ("loss", "accuracy", "val_loss", "val_accuracy")},
            parts[seed],
        )


def _change(base, **changes):
    return dataclasses.replace(base, **changes)


def _other_loss(base, severity, rng):
    # On TensorFlow, Keras notices that the probabilities come from a softmax, and the first of these does no harm.
    wrong = ["taken for logits", "rectified logits", "rectified", "linear"]
    return _change(base, loss=wrong[min(3, int(4 * severity))]), base


def _inactive(base, severity, rng):
    base = _change(base, batch_norm=False)
    if rng.random() < 0.5:
        return _change(base, bias=-3 * severity), base
    undone = _change(base, activation="tanh")
    return _change(undone, initial_scale=10 ** (1.7 * severity)), undone


def _unscaled(base, severity, rng):
    base = _change(base, batch_norm=False)
    if rng.random() < 0.5:
        return _change(base, input_scale=10 ** (2.4 * severity)), base
    return _change(base, offset=50 * severity), base


def _vanishing(base, severity, rng):
    undone = _change(base, batch_norm=False, depth=2 + round(4 * severity))
    return _change(undone, activation="sigmoid"), undone


def _overfitting(base, severity, rng):
    size = round(600 * 10 ** (-0.8 * severity))
    undone = _change(base, train_size=size, width=2 * base.width, epochs=60, dropout=0.3)
    return _change(undone, dropout=0.0), undone


# What each fault does to a healthy setting, for a severity from 0 to 1: callable (base, severity, rng) → the faulty
# setting, and the one in which the fault is undone.
FAULTS = {
    "wrong_loss": _other_loss,
    "unshuffled": lambda base, severity, rng: (_change(base, sorted_parts=round(40 ** (1 - severity))), base),
    "batch_norm_statistics": lambda base, severity, rng: (
        _change(base, batch_norm=True, momentum=1 - 10 ** (-2.2 - 2.2 * severity)),
        _change(base, batch_norm=True),
    ),
    "unscaled_inputs": _unscaled,
    "dead_or_saturated": _inactive,
    "vanishing_gradients": _vanishing,
    "duplicates": lambda base, severity, rng: (_change(base, twins=0.95 * severity), base),
    "learning_rate_too_high": lambda base, severity, rng: (
        _change(base, learning_rate=base.learning_rate * 10 ** (0.3 + 2.2 * severity)),
        base,
    ),
    "learning_rate_too_low": lambda base, severity, rng: (
        _change(base, learning_rate=base.learning_rate * 10 ** (-0.3 - 2.7 * severity)),
        base,
    ),
    "imbalance": lambda base, severity, rng: (_change(base, rarity=10 ** (-0.4 - 1.6 * severity)), base),
    "undertrained": lambda base, severity, rng: (
        _change(base, epochs=max(1, round(base.epochs * 10 ** (-1.4 * severity)))),
        base,
    ),
    "label_noise": lambda base, severity, rng: (_change(base, label_noise=0.7 * severity), base),
    "network_too_small": lambda base, severity, rng: (
        _change(base, width=max(1, round(base.width * 2 ** (-1 - 5 * severity)))),
        base,
    ),
    "overfitting": _overfitting,
    "validation_too_small": lambda base, severity, rng: (
        _change(base, val_size=round(200 * 10 ** (-1.3 * severity))),
        base,
    ),
    "nothing_wrong": lambda base, severity, rng: (base, base),
}


def base_setting(bases, rng):
    """A healthy setting: one of these, varied a little."""
    base = list(bases.values())[rng.integers(len(bases))]
    return _change(
        base, learning_rate=base.learning_rate * 2 ** rng.uniform(-0.7, 0.5), batch_norm=bool(rng.random() < 0.3)
    )


def balanced_accuracy(model, x, y):
    """Mean recall of the classes."""
    from sklearn import metrics

    predicted = np.nan_to_num(np.asarray(model(x, training=False))).argmax(-1)
    return float(metrics.balanced_accuracy_score(y, predicted))
