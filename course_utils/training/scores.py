"""The loss and the metrics of a training, as `model.compile` understands them."""

import functools
import json

import keras
import tensorflow as tf
from keras.src.losses.loss import reduce_weighted_values
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
    classifying, logits, ignores : bool
        Whether the loss compares probabilities, takes their logits in place of them, and ignores a class.
    metrics : list of keras.metrics.Metric
    key : tuple
        The same for the same loss and metrics.

    Raises
    ------
    ValueError, TypeError
        Not a loss or a metric; one that is not the mean of a function of y_true and y_pred.
    """

    def __init__(self, loss, metrics, target_shape, output_shape):
        self.given = self._loss(loss, target_shape, output_shape)
        function, options = getattr(self.given, "fn", None), getattr(self.given, "_fn_kwargs", {})
        self.sparse = function is keras.losses.sparse_categorical_crossentropy
        self.logits, self.ignores = bool(options.get("from_logits")), options.get("ignore_class") is not None
        self.name = getattr(function, "__name__", "")
        self.classifying = self.name in CLASSIFYING
        if metrics is None:
            metrics = ["accuracy"] if self.classifying else []
        if not isinstance(metrics, list | tuple):
            raise TypeError(f"metrics is {metrics!r}; expected a list, such as ['accuracy'].")
        self.key = (_key(loss), *map(_key, metrics), target_shape)
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
            weight = tf.reshape(weight, [-1] + [1] * (len(values.shape) - 1))
        masks = [each._keras_mask for each in (outputs, values) if getattr(each, "_keras_mask", None) is not None]
        return reduce_weighted_values(values, weight, functools.reduce(tf.logical_and, masks) if masks else None,
                                      self.given.reduction, values.dtype)

    def values(self, y, outputs):
        """The metrics of one batch: dict name → scalar."""
        return {metric.name: tf.cast(tf.reduce_mean(self._function(metric)(y, outputs)), outputs.dtype)
                for metric in self.metrics}

    @staticmethod
    def _loss(loss, target_shape, output_shape):
        if str(loss).lower() in ("crossentropy", "ce"):   # as Keras understands it
            loss = _for_targets(target_shape, output_shape, *(
                keras.losses.get(f"{kind}_crossentropy") for kind in ("binary", "sparse_categorical", "categorical")))
        loss = _found(keras.losses.get, loss, f"loss is {loss!r}; expected a name such as "
                      "'sparse_categorical_crossentropy' or 'mse', or a Keras loss such as keras.losses.Huber().")
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
            return _for_targets(target_shape, output_shape, keras.metrics.BinaryAccuracy,
                                keras.metrics.SparseCategoricalAccuracy, keras.metrics.CategoricalAccuracy)(name=metric)
        found = _found(keras.metrics.get, metric, f"metrics holds {metric!r}; expected names such as 'accuracy' or "
                       "'mae', or functions of y_true and y_pred.")
        name = metric if isinstance(metric, str) else getattr(found, "name", None) or found.__name__
        if not isinstance(found, keras.metrics.Metric):
            return keras.metrics.MeanMetricWrapper(found, name=name)
        found.name = name
        if type(found).update_state is not keras.metrics.MeanMetricWrapper.update_state or not hasattr(found, "_fn"):
            raise ValueError(f"metrics holds {type(found).__name__}, which is not the mean of a function of y_true and "
                             "y_pred; take such a function, or compute it from the predictions (predict=).")
        return found

    def _function(self, metric):
        if metric._fn in (keras.metrics.sparse_categorical_accuracy, keras.metrics.categorical_accuracy):
            return _hits   # Keras's cannot be mapped
        return functools.partial(metric._fn, **metric._fn_kwargs)


def _found(get, given, message):
    """What Keras finds under a name; a ValueError with this message if it finds nothing."""
    try:
        found = get(given)
    except ValueError:
        found = None
    if found is None:
        raise ValueError(message)
    return found


def _for_targets(target_shape, output_shape, binary, sparse, categorical):
    """The one of three that fits targets and outputs, by the rules of `model.compile`."""
    if output_shape[-1:] == (1,):
        return binary
    return sparse if len(target_shape) < len(output_shape) or target_shape[-1] == 1 else categorical


def _hits(y, outputs):
    """Whether the likeliest class is that of the target, or, mixed, the target's likeliest class."""
    scores = getattr(outputs, "_keras_logits", outputs)   # what the softmax was taken of: same largest, no exp
    if len(y.shape) == len(outputs.shape):
        y = tf.argmax(y, -1, output_type=tf.int32) if y.shape[-1] > 1 else tf.squeeze(y, -1)
    return tf.cast(tf.equal(tf.argmax(scores, -1, output_type=tf.int32), tf.cast(y, tf.int32)), outputs.dtype)


def _key(score):
    """Hashable, and the same for the same loss or metric of Keras."""
    if not isinstance(score, keras.losses.Loss | keras.metrics.Metric):
        return score
    parts = type(score), getattr(score, "fn", None) or getattr(score, "_fn", None) or type(score)
    if not all(getattr(part, "__module__", "").startswith("keras.") for part in parts):   # some of it is a learner's
        return score
    return json.dumps([type(score).__name__, score.get_config()], sort_keys=True, default=repr)
