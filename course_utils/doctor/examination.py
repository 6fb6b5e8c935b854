"""Examine a trained network, or read its recorded curves."""

from . import copies, diagnoses, measurements, task
from .fixes import Recipe
from .inputs import check, curves, samples, undisturbed
from .report import Report


def examine(model, train_data, validation_data, *, history=None, batch_size=None, epochs=None, seed=0):
    """Find out what is wrong with a trained network.

    This takes a few seconds, because the doctor also trains copies of the network for 200 more steps at each of three
    learning rates. The model, its optimizer, the data, and the random state stay as they are.

    Parameters
    ----------
    model : keras.Model
        Compiled and trained, with one input and one output.
    train_data, validation_data
        What the model was trained on and validated with: ``(x, y)``, a ``tf.data.Dataset``, a ``PyDataset``, or a
        function that returns a generator of batches. Up to 20,000 samples are read, in order.
    history : keras.callbacks.History, dict, or path, optional
        What ``model.fit`` returned, its ``.history``, or the path of a JSON file that contains it.
    batch_size, epochs : int, optional
        What the model was trained with. Defaults: taken from the History object, otherwise a batch size of 32 and the
        number of recorded epochs (20 without a history).
    seed : int
        Seed for drawing the batches of the copies.

    Returns
    -------
    Report

    Raises
    ------
    TypeError, ValueError
        The model is not compiled or not trained, has a training loop of its own, or doesn't match the data; or
        the data can be read only once.
    """
    recorded = curves(history)
    with undisturbed():
        train, validation = samples(train_data, "train_data"), samples(validation_data, "validation_data")
        check(model, train, validation)
        if not recorded and not int(model.optimizer.iterations):
            raise ValueError(
                "The model has not been trained since it was compiled; call model.fit first, or pass its history."
            )
        steps = (getattr(history, "params", None) or {}).get("steps")
        batch_size = batch_size or (-(-len(train) // steps) if steps else 32)
        epochs = epochs or (len(recorded["loss"]) if recorded else 20)
        job = task.task_of(model, train.y, copies.outputs(model, train.x[:100]))
        measured = measurements.measure(model, job, train, validation, recorded, batch_size=batch_size, seed=seed)
    recipe = Recipe(
        model,
        train,
        validation,
        steps=epochs * -(-len(train) // batch_size),
        batch_size=batch_size,
        learning_rate=float(recorded["learning_rate"][0]) if "learning_rate" in recorded else None,
    )
    return Report(diagnoses.Numbers(measured), recorded, recipe, job)


def read(history):
    """Diagnose from the recorded curves alone.

    Parameters
    ----------
    history : keras.callbacks.History, dict, or path of a JSON file

    Returns
    -------
    Report

    Raises
    ------
    TypeError, ValueError
        The history is invalid or has no validation loss.
    """
    recorded = curves(history)
    if "val_loss" not in recorded:
        raise ValueError(
            "The history has no 'val_loss', and training curves alone don't show whether a network "
            "generalizes; pass validation_data to model.fit."
        )
    return Report(diagnoses.Numbers(measurements.of_curves(recorded)), recorded)
