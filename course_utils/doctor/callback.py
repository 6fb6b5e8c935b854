"""The doctor as a callback of `fit`."""

import keras

from .examination import examine, read


class Doctor(keras.callbacks.Callback):
    """Watches `fit`, and prints a report at the end.

        model.fit(x, y, validation_data=(x_val, y_val), callbacks=[Doctor()])

    From the curves alone, the doctor can say only what `doctor.read` can. With the data, it also examines the network.

    Parameters
    ----------
    train_data, validation_data : optional
        As in `doctor.examine`.

    Attributes
    ----------
    report : Report
        Set at the end of training.
    """

    def __init__(self, train_data=None, validation_data=None):
        super().__init__()
        if (train_data is None) != (validation_data is None):
            raise ValueError("Doctor got only one of train_data and validation_data; pass both, or neither.")
        self.data = train_data, validation_data
        self.report = None

    def on_train_begin(self, logs=None):
        """Discard the curves of an earlier run."""
        self.curves = {}

    def on_epoch_end(self, epoch, logs=None):
        """Keep what was recorded."""
        for name, value in (logs or {}).items():
            self.curves.setdefault(name, []).append(float(value))

    def on_train_end(self, logs=None):
        """Print the report."""
        if "val_loss" not in self.curves and self.data[0] is None:
            print("The doctor needs validation data; pass validation_data to model.fit.")
            return
        history = keras.callbacks.History()
        history.history, history.params = self.curves, self.params
        self.report = read(history) if self.data[0] is None else examine(self.model, *self.data, history=history)
        print(self.report)
