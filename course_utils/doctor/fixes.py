"""The fixes, as experiments: train the network again from new initial weights, with and without the fix."""

import dataclasses
import random
import time
from collections.abc import Callable

import keras
import numpy as np

from . import copies, measurements, neighbors, task
from .inputs import Samples, undisturbed

HIDDEN = ("relu", "sigmoid", "tanh", "elu", "selu", "gelu", "silu", "softplus", "leaky_relu")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the network is trained.

    Attributes
    ----------
    model : keras.Model
        Only its structure, its loss, and its optimizer are used; frozen layers keep their weights.
    change : callable layer → layer, optional
        Returns the replacement for each layer.
    """

    model: keras.Model
    train: Samples
    validation: Samples
    steps: int
    batch_size: int
    learning_rate: float = None  # if it isn't that of the optimizer
    change: Callable = None
    change_last: bool = False
    loss: object = None
    shuffle: bool = True
    balanced: bool = False

    def trained(self, seed, deadline):
        """A network trained from new initial weights, and the number of steps it was trained for."""
        random.seed(seed)  # Keras draws the seeds of initializers and layers from here
        rng = np.random.default_rng(seed)
        model = copies.fresh(self.model, self.change and self._changed)
        for new, old in zip(copies.flat_layers(model), copies.flat_layers(self.model), strict=False):
            if old.weights and not old.trainable_weights and type(new) is type(old):  # frozen, or adapted
                new.set_weights(old.get_weights())
                if isinstance(new, keras.layers.Normalization):
                    new.finalize_state()
        copies.compiled(model, self.model, learning_rate=self.learning_rate, loss=self.loss)
        data = _balanced(self.train, rng) if self.balanced else self.train
        return model, copies.train(
            model, data, steps=self.steps, batch_size=self.batch_size, rng=rng, shuffle=self.shuffle, deadline=deadline
        )

    def _changed(self, layer):
        return self.change(layer) if self.change_last or layer is not self.last else _same(layer)

    @property
    def last(self):
        """The layer that produces the outputs."""
        return [layer for layer in copies.flat_layers(self.model) if layer.weights][-1]


def _same(layer, **changes):
    """A new layer configured like this one, except for those of the given arguments that it accepts."""
    config = layer.get_config()
    return layer.__class__.from_config(config | {name: new for name, new in changes.items() if name in config})


def _hidden(layer):
    return getattr(getattr(layer, "activation", None), "__name__", "") in HIDDEN or isinstance(layer, keras.layers.ReLU)


def _wider(layer):
    return _same(layer, **{name: max(32, 4 * getattr(layer, name, 0)) for name in ("units", "filters")})


def _dropped_out(layer):
    rate = 0.25 if len(layer.output.shape) > 2 else 0.5
    return keras.Sequential([_same(layer), keras.layers.Dropout(rate)]) if _hidden(layer) else _same(layer)


def _started_anew(layer):
    relu = getattr(getattr(layer, "activation", None), "__name__", "") in ("relu", "linear")
    return _same(layer, kernel_initializer="he_normal" if relu else "glorot_uniform", bias_initializer="zeros")


def _normalized(layer):
    linear = _same(layer, kernel_initializer="he_normal", **{"activation": "linear"} if _hidden(layer) else {})
    if not _hidden(layer):
        return linear
    rest = [keras.layers.BatchNormalization(momentum=0.9), keras.layers.Activation("relu")]
    return keras.Sequential([linear, *rest] if layer.weights else rest)


def _warmed(layer):
    return _same(layer, momentum=0.9) if isinstance(layer, keras.layers.BatchNormalization) else _same(layer)


def _standardized(recipe, measured, job):
    train, validation = measurements.standardized(recipe.train, recipe.validation)
    return dataclasses.replace(recipe, train=train, validation=validation)


def _cleaned(recipe, measured, job):
    return dataclasses.replace(recipe, train=recipe.train.take(~neighbors.contradicted(job, recipe.train)))


def _fitting(recipe, measured, job):
    """Use a last layer, a loss, and a target shape that fit together."""
    parts = recipe.train, recipe.validation
    if not job.classifying:
        columns = [Samples(data.x, data.y.reshape(len(data), -1)) for data in parts]
        outputs, loss = {"activation": "linear"}, recipe.model.loss
    else:
        binary = job.kind == "binary"
        shape = (-1, 1) if binary else (-1,)
        columns = [Samples(data.x, job.labels(data.y).astype("int32").reshape(shape)) for data in parts]
        outputs = {"units": 1, "activation": "sigmoid"} if binary else {"units": job.classes, "activation": "softmax"}
        loss = keras.losses.BinaryCrossentropy() if binary else keras.losses.SparseCategoricalCrossentropy()
    last = recipe.last
    return dataclasses.replace(
        recipe,
        train=columns[0],
        validation=columns[1],
        loss=loss,
        change=lambda layer: _same(layer, **outputs) if layer is last else _same(layer),
        change_last=True,
    )


def _balanced(data, rng):
    """The same number of samples from each class, drawn with replacement."""
    labels = data.y.argmax(-1) if data.y.ndim > 1 and data.y.shape[-1] > 1 else data.y.reshape(-1)
    classes = np.unique(labels)
    each = -(-len(labels) // len(classes))
    return data.take(np.concatenate([rng.choice(np.flatnonzero(labels == k), each) for k in classes]))


def _with(**changes):
    return lambda recipe, measured, job: dataclasses.replace(recipe, **changes)


# What each fix does to a recipe: callable (recipe, measured, job) → recipe.
FIXES = {
    "wrong_loss": _fitting,
    "unshuffled": _with(shuffle=True),
    "unscaled_inputs": _standardized,
    "batch_norm_statistics": lambda recipe, measured, job: dataclasses.replace(
        recipe, change=_warmed, batch_size=max(32, recipe.batch_size)
    ),
    "dead_or_saturated": _with(change=_started_anew),
    "vanishing_gradients": _with(change=_normalized),
    "learning_rate_too_high": lambda recipe, measured, job: dataclasses.replace(
        recipe, learning_rate=measured["lower_rate"]
    ),
    "network_too_small": _with(change=_wider),
    "learning_rate_too_low": lambda recipe, measured, job: dataclasses.replace(
        recipe, learning_rate=measured["higher_rate"]
    ),
    "imbalance": _with(balanced=True),
    "undertrained": lambda recipe, measured, job: dataclasses.replace(recipe, steps=3 * recipe.steps),
    "label_noise": _cleaned,
    "overfitting": _with(change=_dropped_out),
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Validation scores without and with a fix, one pair for each seed, as time allowed.

    `shortened` says whether the runs were cut short to fit the budget, and `unequal` whether the last run with the fix
    had to stop even earlier.
    """

    name: str
    before: list
    after: list
    shortened: bool
    unequal: bool

    @property
    def gain(self):
        """Mean gain in validation score."""
        return float(np.mean(np.subtract(self.after, self.before)))

    def __repr__(self):
        pairs = ", ".join(f"{b:.3f} → {a:.3f}" for b, a in zip(self.before, self.after, strict=True))
        count = len(self.after)
        return (
            f"Validation score without → with the fix: {pairs}. Mean gain: {100 * self.gain:+.1f} points "
            f"({count} pair{'s' * (count > 1)} of training runs)."
            + " The runs were cut short to fit the time budget." * self.shortened
            + " The run with the fix got fewer steps than it should have, so its score may be too low." * self.unequal
        )


def compare(name, recipe, measured, job, *, budget=60, pairs=3):
    """Train without and with the fix from the same seeds, in pairs, until the budget (seconds) is used up."""
    changed = FIXES[name](recipe, measured, job)
    recipe = dataclasses.replace(recipe, shuffle=name != "unshuffled")
    longer = changed.steps / recipe.steps
    before, after, steps, unequal, end = [], [], recipe.steps, False, time.monotonic() + budget
    with undisturbed():
        for seed in range(pairs):
            start = time.monotonic()
            model, steps = dataclasses.replace(recipe, steps=steps).trained(
                seed, start + (end - start) / (1.2 + longer)
            )
            wanted = int(longer * steps)
            other, done = dataclasses.replace(changed, steps=wanted).trained(seed, end)
            if done < wanted and before:
                break
            unequal = done < wanted
            before.append(_score(job, model, recipe.validation))
            after.append(_score(job, other, changed.validation))
            if time.monotonic() - start > end - time.monotonic():
                break
    return Comparison(name, before, after, shortened=steps < recipe.steps, unequal=unequal)


def _score(job, model, data):
    predictions = np.nan_to_num(copies.outputs(model, data.x))
    return dataclasses.replace(job, logits=not task.probabilities(predictions)).score(data.y, predictions)
