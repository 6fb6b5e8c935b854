"""What the model should predict, how good its predictions are, and whether its loss and last layer fit together."""

import dataclasses

import keras
import numpy as np

from . import copies


@dataclasses.dataclass(frozen=True)
class Task:
    """What is predicted: "classes" (one of several), "binary" (0 or 1), or "regression" (numbers)."""

    kind: str
    classes: int
    logits: bool  # the outputs are not probabilities

    @property
    def classifying(self):
        """Whether classes are predicted."""
        return self.kind != "regression"

    def labels(self, targets):
        """Class numbers (n,) of targets in any form."""
        if self.kind == "classes" and targets.ndim > 1 and targets.shape[-1] > 1:
            return targets.argmax(-1)
        return targets.reshape(len(targets), -1)[:, 0].astype(int)

    def predicted(self, outputs):
        """Class numbers (n,) that the outputs stand for."""
        outputs = outputs.reshape(len(outputs), -1)
        if outputs.shape[1] == 1:
            return (outputs[:, 0] > (0 if self.logits else 0.5)).astype(int)
        return outputs.argmax(-1)

    def score(self, targets, outputs):
        """Balanced accuracy (0 to 1), or R² for numbers (at least -1; 0 for predicting the mean)."""
        if not self.classifying:
            y, p = targets.reshape(len(targets), -1).astype(float), outputs.reshape(len(outputs), -1).astype(float)
            if y.shape != p.shape or not np.isfinite(p).all():
                return -1.0
            return float(max(-1, 1 - np.mean((y - p) ** 2) / max(np.mean((y - y.mean(0)) ** 2), 1e-12)))
        return float(np.mean(self.recalls(targets, outputs)))

    def accuracy(self, targets, outputs):
        """Share of correct classes, or R² for numbers."""
        if not self.classifying:
            return self.score(targets, outputs)
        return float(np.mean(self.labels(targets) == self.predicted(outputs)))

    def recalls(self, targets, outputs):
        """Recall of each class that occurs."""
        labels, predicted = self.labels(targets), self.predicted(outputs)
        return np.array([np.mean(predicted[labels == label] == label) for label in np.unique(labels)])

    def losses(self, targets, outputs):
        """The loss of each sample (n,): the cross-entropy, or the squared error in units of the targets' variance."""
        outputs = outputs.reshape(len(outputs), -1).astype(float)
        if not self.classifying:
            y = targets.reshape(len(targets), -1).astype(float)
            return np.mean((y - outputs) ** 2, -1) / max(np.var(y), 1e-12)
        labels = self.labels(targets)
        if outputs.shape[1] == 1:
            p = 1 / (1 + np.exp(-np.clip(outputs[:, 0], -50, 50))) if self.logits else outputs[:, 0]
            chosen = np.where(labels == 1, p, 1 - p)
        else:
            if self.logits:
                outputs = np.exp(outputs - outputs.max(-1, keepdims=True))
            outputs = outputs / np.maximum(outputs.sum(-1, keepdims=True), 1e-12)
            chosen = outputs[np.arange(len(labels)), np.clip(labels, 0, outputs.shape[1] - 1)]
        return -np.log(np.clip(chosen, 1e-7, 1))


def task_of(model, targets, outputs):
    """What this model should predict, judged by its targets and the shape of its outputs."""
    whole = (
        np.issubdtype(targets.dtype, np.integer) or targets.dtype == bool or np.array_equal(targets, np.round(targets))
    )
    width = outputs.shape[-1] if outputs.ndim > 1 else 1
    loss = loss_name(model)
    one_hot = targets.ndim > 1 and targets.shape[-1] > 1 and np.allclose(targets.sum(-1), 1) and whole
    few = whole and len(np.unique(targets)) <= max(2, min(100, len(targets) // 5))
    crossed = "crossentropy" in loss
    logits = not probabilities(outputs)
    if one_hot:
        return Task("classes", targets.shape[-1], logits)
    if crossed or (few and width > 1 and targets.reshape(len(targets), -1).shape[1] == 1):
        if width == 1 and targets.max() <= 1:
            return Task("binary", 2, logits)
        return Task("classes", max(width, int(targets.max()) + 1), logits)
    if few and width == 1 and set(np.unique(targets)) <= {0, 1} and last_activation(model) in ("sigmoid", "softmax"):
        return Task("binary", 2, logits)
    return Task("regression", 0, False)


def loss_name(model):
    """Name of the loss, in Keras's spelling without underscores."""
    loss = model.loss
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", str(loss))
    return {"mse": "mean_squared_error", "mae": "mean_absolute_error"}.get(name, name)


def from_logits(model):
    """Whether the loss treats the outputs as logits; a loss given as a string treats them as probabilities."""
    return bool(getattr(model.loss, "from_logits", False))


def last_activation(model):
    """Name of the activation that the outputs pass through; "linear" if there is none."""
    layer = model
    while getattr(layer, "layers", None):
        layer = layer.layers[-1]
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def probabilities(outputs):
    """Whether these outputs are probabilities: between 0 and 1, sum 1 if there are several (almost, in bfloat16)."""
    outputs = outputs.reshape(len(outputs), -1)
    inside = np.isfinite(outputs).all() and outputs.min() >= -1e-6 and outputs.max() <= 1 + 1e-6
    return bool(inside and (outputs.shape[1] == 1 or np.allclose(outputs.sum(-1), 1, atol=0.02)))


def _metrics(model):
    """The metrics as `compile` was given them, in a list."""
    return (model.get_compile_config() or {}).get("metrics") or []


def _halves(metric):
    """Whether a metric counts outputs above 0.5 as class 1."""
    if isinstance(metric, dict):
        return metric.get("class_name") == "BinaryAccuracy" and metric["config"]["threshold"] == 0.5
    return metric in ("accuracy", "acc", "binary_accuracy")


def broadcasts(model, targets, outputs):
    """Whether the loss compares each output with the targets of other samples, as (n,) minus (n, 1) does in NumPy."""
    loss, some = model.loss, outputs[:200]
    # Keras gives the targets the shape of the outputs before it calls a function, but not before a Loss of one's own.
    if not isinstance(loss, keras.losses.Loss) or targets.ndim == outputs.ndim or targets.size != outputs.size:
        return False
    values = [
        float(np.mean(keras.ops.convert_to_numpy(loss(keras.ops.convert_to_tensor(y, some.dtype), some))))
        for y in (targets[:200], targets[:200].reshape(some.shape))
    ]
    return not np.isclose(*values, rtol=1e-4)


def _distorted(model, task, data, outputs):
    """Whether the loss really applies a second softmax: Keras on TensorFlow mostly notices that there is one."""
    some, copy = data.take(slice(0, 200)), copies.copy_of(model)
    copy.compile(loss=model.loss)
    loss = copy.test_on_batch(some.x, some.y) - float(sum(copy.losses))
    return not np.isclose(loss, np.mean(task.losses(some.y, outputs[:200])), rtol=0.02)


def mismatch(model, task, data, outputs):
    """What is wrong with the loss and the last layer: a key of `diagnoses.MISMATCHES`, or "" if they fit together."""
    targets = data.y
    if broadcasts(model, targets, outputs):
        return "labels of another shape"
    loss, activation, width = loss_name(model), last_activation(model), outputs.reshape(len(outputs), -1).shape[1]
    columns = targets.reshape(len(targets), -1).shape[1]
    if width == 1 and activation == "softmax":
        return "softmax of one unit"
    if "crossentropy" in loss:
        if activation == "relu":
            return "relu before the loss"
        if from_logits(model) and activation in ("softmax", "sigmoid"):
            return "probabilities taken for logits" if _distorted(model, task, data, outputs) else ""
        if not from_logits(model) and activation not in ("softmax", "sigmoid") and not probabilities(outputs):
            return "logits taken for probabilities"
        if "sparse" in loss and targets.max() >= width:
            return "too few outputs"
        if "binary" in loss and columns != width:
            return "labels of another shape"
        if task.kind == "binary" and width == 1 and any(map(_halves, _metrics(model))):
            missed = np.mean((outputs.reshape(-1) > 0.5) == task.labels(targets)) - task.accuracy(targets, outputs)
            return "logits compared with 0.5" if task.logits and abs(missed) > 0.02 else ""
        return ""
    if task.classifying:
        return "labels of another shape" if columns != width else "regression loss for classes"
    if columns != width:
        return "labels of another shape"
    low, high = {"relu": (0, np.inf), "sigmoid": (0, 1), "tanh": (-1, 1), "softmax": (0, 1)}.get(
        activation, (-np.inf, np.inf)
    )
    if np.mean((targets < low) | (targets > high)) > 0.01:
        return "targets out of reach"
    return ""
