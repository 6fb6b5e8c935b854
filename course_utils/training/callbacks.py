"""Keras's callbacks for one run out of many: what they see of a model is its scores, its rate, and its weights."""

import copy

import keras
from keras.src.trainers.compile_utils import MetricsList

from course_utils.training.optimizers import schedule_of

ALLOWED = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)


def check(callbacks, optimizers):
    """Refuse callbacks that need a whole model, or that change a rate which follows a schedule."""
    if not isinstance(callbacks, list | tuple):
        raise TypeError(f"callbacks is a {type(callbacks).__name__}; expected a list, such as "
                        "[EarlyStopping(patience=3)].")
    for callback in callbacks:
        if not isinstance(callback, ALLOWED):
            raise ValueError(f"callbacks holds {type(callback).__name__}; fit_many takes EarlyStopping, "
                             "ReduceLROnPlateau, and LearningRateScheduler: take weights=True for the trained weights, "
                             "or callback= for a function of the results so far.")
        if not isinstance(callback, keras.callbacks.EarlyStopping) and any(map(schedule_of, optimizers)):
            raise ValueError(f"{type(callback).__name__} changes the learning rate, which follows the schedule of the "
                             "optimizer; leave out one of them.")


def check_monitored(callbacks, names, metrics):
    """Refuse callbacks that monitor no score of `names`, or one of which Keras does not know which way is better."""
    for callback in callbacks:
        kind, monitor = type(callback).__name__, getattr(callback, "monitor", None)
        if monitor is not None and monitor not in names:
            raise ValueError(f"{kind} monitors {monitor!r}; expected one of {', '.join(names)}.")
        if isinstance(callback, keras.callbacks.EarlyStopping):
            try:
                Watched([callback], 0.0, metrics).callbacks[0]._set_monitor_op()
            except ValueError:
                raise ValueError(f"{kind} monitors {monitor!r}, and whether more of it is better is unknown; give "
                                 "mode='max' or mode='min'.") from None


class Watched:
    """A run as its callbacks see it: what they use of a `keras.Model`.

    Parameters
    ----------
    callbacks : sequence of keras.callbacks.Callback
        Copied, so that each run has its own.
    learning_rate : float
        Of the run.
    metrics : list of keras.metrics.Metric
        They know whether more is better.
    """

    class Optimizer:
        """Its learning rate, which callbacks read and change."""

        def __init__(self, learning_rate):
            self.learning_rate = learning_rate

    def __init__(self, callbacks, learning_rate, metrics):
        self.optimizer, self.metrics = self.Optimizer(learning_rate), [MetricsList(metrics)]
        self.get_weights = self.weights = None   # a function that returns them now; the final ones, once they are known
        self.stop_training = False
        self.callbacks = [copy.copy(callback) for callback in callbacks]
        for callback in self.callbacks:
            callback.set_model(self)
            callback.on_train_begin()
            callback.on_epoch_begin(0)

    def set_weights(self, weights):
        """Take these weights for the final ones; `EarlyStopping` restores the best ones in this way."""
        self.weights = weights

    def after(self, epoch, scores, get_weights):
        """Show the callbacks the scores of an epoch, and then the beginning of the next."""
        self.get_weights = get_weights
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, dict(scores))
        if self.stop_training:
            self.weights = get_weights()
        else:
            for callback in self.callbacks:
                callback.on_epoch_begin(epoch + 1)

    def final_weights(self, get_weights):
        """The weights at the end of the training."""
        for callback in self.callbacks:
            callback.on_train_end()
        return get_weights() if self.weights is None else self.weights
