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
    skip: bool = True  # skip connections, in convolutional networks
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


# Data sets on which the thresholds were chosen, with dense networks, and those on which the rates are measured, with
# convolutional networks that have skip connections.
TUNED_ON = {
    "digits": Setting("digits"),
    "mixture": Setting("mixture", train_size=1000, dropout=0.1, epochs=10),
}
MEASURED_ON = {
    "shapes": Setting("shapes", train_size=1500, width=12, depth=3, dropout=0.1, epochs=14, learning_rate=6e-3),
    "waves": Setting("waves", width=12, depth=3, dropout=0.1, epochs=12, learning_rate=3e-3),
}
POOL = 6000  # samples, from which those of a case are drawn


@functools.cache
def _pool(name):
    """All samples of a data set, with features of variance 1 or pixels from 0 to 1: x, y."""
    if name == "digits":
        split = datasets.digits(seed=0)
        x, y = np.concatenate([split.x_train, split.x_val]), np.concatenate([split.y_train, split.y_val])
    else:
        rng = np.random.default_rng(0)
        classes, make = {"mixture": (6, _mixture), "shapes": (6, _shapes), "waves": (3, _waves)}[name]
        y = rng.integers(classes, size=POOL)
        x = make(y, rng)
    return x.astype("float32"), y.astype("int32")


def _mixture(y, rng):
    """Gaussian classes that overlap: nothing reaches 90%."""
    centers = rng.normal(size=(6, 30)) * 0.55
    return centers[y] + rng.normal(size=(len(y), 30))


def _shapes(y, rng):
    """Noisy images (n, 10, 10, 1) of a disk, a ring, a square, a frame, a plus, or a cross, somewhere."""
    centers, sizes = rng.uniform(4, 5, size=(2, len(y), 1, 1)), rng.uniform(2, 4, size=(len(y), 1, 1))
    down, right = np.arange(10)[:, None] - centers[0], np.arange(10) - centers[1]
    far, farther = np.hypot(down, right), np.maximum(abs(down), abs(right))
    drawn = [
        far <= sizes,
        abs(far - sizes) < 0.8,
        farther <= sizes,
        abs(farther - sizes) < 0.8,
        (np.minimum(abs(down), abs(right)) < 0.8) & (farther <= sizes),
        (np.minimum(abs(down + right), abs(down - right)) < 1) & (farther <= sizes),
    ]
    return np.choose(y[:, None, None], drawn)[..., None] + rng.normal(0, 0.3, size=(len(y), 10, 10, 1))


def _waves(y, rng):
    """Signals (n, 21, 1, 1): mixtures of two of three triangular waves (Breiman et al., 1984, page 49)."""
    waves = np.maximum(6 - abs(np.arange(1, 22) - np.array([11, 15, 7])[:, None]), 0)
    first, second = np.array([[0, 1], [0, 2], [1, 2]])[y].T
    share = rng.random((len(y), 1))
    x = share * waves[first] + (1 - share) * waves[second] + rng.normal(size=(len(y), 21))
    return ((x - x.mean()) / x.std())[..., None, None]


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
    """The network of a setting: dense for vectors, convolutional with skip connections for images and signals."""
    import keras
    from keras import layers

    last = {"linear": "linear", "rectified": "relu", "rectified logits": "relu"}.get(setting.loss, "softmax")
    gain = 2 if setting.activation == "relu" else 1
    parameters = {
        "kernel_initializer": keras.initializers.VarianceScaling(gain * setting.initial_scale**2),
        "bias_initializer": keras.initializers.Constant(setting.bias),
        "use_bias": not setting.batch_norm,
    }
    inputs = x = keras.Input(input_shape)
    for level in range(setting.depth):
        if len(input_shape) == 1:
            layer = layers.Dense(setting.width, **parameters)
        else:
            size, strides = ((3, 1), (2, 1)) if input_shape[1] == 1 else (3, 2)
            layer = layers.Conv2D(setting.width, size, strides=1 if level else strides, padding="same", **parameters)
        h = layer(x)
        if setting.batch_norm:
            h = layers.BatchNormalization(momentum=setting.momentum)(h)
        h = layers.Activation(setting.activation)(h)
        h = layers.Dropout(setting.dropout)(h)
        x = layers.Add()([x, h]) if level and setting.skip and len(input_shape) > 1 else h
    if len(input_shape) > 1:
        x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(classes, activation=last)(x))


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
    undone = _change(base, batch_norm=False, skip=False, depth=2 + round(4 * severity))
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
