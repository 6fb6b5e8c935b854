"""The loss and the metrics of a training, as `model.compile` understands them."""

import functools
import json

import keras
import tensorflow as tf
from keras.src.losses.losses import LossFunctionWrapper

CLASSIFYING = {"sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"}


class Scores:
    """A loss and some metrics as functions of targets and outputs.

    Parameters
    ----------
    loss : str, function of (y_true, y_pred), or keras.losses.Loss
    metrics : list of str, functions of (y_true, y_pred), or keras.metrics.Metric; None
        By default, the accuracy of what classifies, and nothing else.
    target_shape, output_shape : tuple
        Of one sample. As in Keras, they decide what ``"accuracy"`` means.

    Attributes
    ----------
    names : list of str
        "loss", and the metrics as they are called in Keras's history.
    name : str
        Of the loss's function.
    sparse : bool
        Whether targets are class numbers.
    classifying, logits : bool
        Whether the loss compares probabilities, and whether it takes their logits in place of them.
    metrics : list of keras.metrics.Metric
    key : tuple
        The same for the same loss and metrics.

    Raises
    ------
    ValueError, TypeError
        Not a loss or a metric; one that is not the mean of a function of y_true and y_pred.
    """

    def __init__(self, loss, metrics, target_shape, output_shape):
        self.given = self._loss(loss)
        function, options = getattr(self.given, "fn", None), getattr(self.given, "_fn_kwargs", {})
        self.sparse = function is keras.losses.sparse_categorical_crossentropy
        self.logits = bool(options.get("from_logits"))
        self.name = getattr(function, "__name__", "")
        self.classifying = self.name in CLASSIFYING
        self.key = (_key(loss), *(_key(metric) for metric in metrics or [None]), target_shape)
        if metrics is None:
            metrics = ["accuracy"] if self.classifying else []
        self.metrics = [self._metric(metric, target_shape, output_shape) for metric in metrics]
        self.names = ["loss", *(metric.name for metric in self.metrics)]

    def loss(self, y, outputs, weight=None, label_smoothing=None):
        """Mean loss of one batch; smoothing as in `keras.losses.CategoricalCrossentropy`.

        `y` are targets as in the data or, mixed or smoothed, probabilities (samples, classes).
        """
        if self.sparse and (label_smoothing is not None or y.dtype.is_floating):
            classes = outputs.shape[-1]
            targets = y if y.dtype.is_floating else tf.one_hot(y, classes, dtype=outputs.dtype)
            if label_smoothing is not None:
                targets = targets * (1 - label_smoothing) + label_smoothing / classes
            values = keras.losses.categorical_crossentropy(targets, outputs, from_logits=self.logits)
        else:
            values = self.given.call(y, outputs)
        if weight is not None:
            values *= tf.reshape(weight, [-1] + [1] * (len(values.shape) - 1))
        return tf.reduce_sum(values) if self.given.reduction == "sum" else tf.reduce_mean(values)

    def values(self, y, outputs):
        """The metrics of one batch: dict name → scalar."""
        return {metric.name: tf.cast(tf.reduce_mean(self._function(metric)(y, outputs)), outputs.dtype)
                for metric in self.metrics}

    @staticmethod
    def _loss(loss):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            raise ValueError(f"loss is {loss!r}; expected a name such as 'sparse_categorical_crossentropy' or 'mse', or "
                             "a Keras loss such as keras.losses.Huber().") from None
        if not isinstance(loss, keras.losses.Loss):
            loss = LossFunctionWrapper(loss, name=getattr(loss, "__name__", "loss"))
        if loss.reduction not in ("sum_over_batch_size", "mean", "sum"):
            raise ValueError(f"loss has reduction={loss.reduction!r}; expected 'sum_over_batch_size' or 'sum', as "
                             "fit_many minimizes one number.")
        return loss

    @staticmethod
    def _metric(metric, target_shape, output_shape):
        """A metric of Keras that is the mean of a function, under its name in Keras's history."""
        if str(metric).lower() in ("accuracy", "acc"):   # as Keras understands it
            if output_shape[-1:] == (1,):
                return keras.metrics.BinaryAccuracy(name=metric)
            if len(target_shape) < len(output_shape) or target_shape[-1] == 1:
                return keras.metrics.SparseCategoricalAccuracy(name=metric)
            return keras.metrics.CategoricalAccuracy(name=metric)
        try:
            found = keras.metrics.get(metric)
        except ValueError:
            raise ValueError(f"metrics holds {metric!r}; expected names such as 'accuracy' or 'mae', or functions of "
                             "y_true and y_pred.") from None
        name = metric if isinstance(metric, str) else getattr(found, "name", None) or found.__name__
        if not isinstance(found, keras.metrics.Metric):
            return keras.metrics.MeanMetricWrapper(found, name=name)
        found.name = name
        if type(found).update_state is not keras.metrics.MeanMetricWrapper.update_state or not hasattr(found, "_fn"):
            raise ValueError(f"metrics holds {type(found).__name__}, which is not the mean of a function of y_true and "
                             "y_pred; take such a function, or compute it from the predictions (predict=).")
        return found

    def _function(self, metric):
        if type(metric) is keras.metrics.SparseCategoricalAccuracy:
            return _hits
        return functools.partial(metric._fn, **metric._fn_kwargs)


def _hits(y, outputs):
    """Whether the likeliest class is that of the target, or, mixed, the target's likeliest class."""
    scores = getattr(outputs, "_keras_logits", outputs)   # what the softmax was taken of: same largest, no exp
    if len(y.shape) == len(outputs.shape):
        y = tf.argmax(y, -1, output_type=tf.int32) if y.shape[-1] > 1 else tf.squeeze(y, -1)
    return tf.cast(tf.equal(tf.argmax(scores, -1, output_type=tf.int32), tf.cast(y, tf.int32)), outputs.dtype)


def _key(score):
    """Hashable, and the same for the same loss or metric of Keras."""
    if not isinstance(score, keras.losses.Loss | keras.metrics.Metric) or not type(score).__module__.startswith("keras."):
        return score
    return json.dumps([type(score).__name__, score.get_config()], sort_keys=True, default=repr)
