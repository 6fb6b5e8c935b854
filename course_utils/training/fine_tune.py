"""Trained networks, trained further: many at once, each from its own weights.

*Stacked* weights are a list in the order of ``model.get_weights()``, each with one more axis in front, the networks.
"""

import numpy as np

from course_utils.training.fit import fit_many


def stack(models):
    """The stacked weights of some models of one structure: list of arrays (networks, ...)."""
    return [np.stack(values) for values in zip(*(model.get_weights() for model in models), strict=True)]


def each(model, weights):
    """Yield the model with the weights of one stacked network after the other."""
    for network in range(len(weights[0])):
        model.set_weights([values[network] for values in weights])
        yield model


def fine_tune(model, weights, data, *, learning_rate, steps, batch_size=32, evaluate_every=None, train_size=None,
              seeds=None):
    """Train stacked networks on with SGD, as ``model.fit`` would train each.

    Parameters
    ----------
    model : keras.Model
        The structure and which of its layers are trainable; its own weights are not used.
    weights : list of arrays (networks, ...)
    data : Split
    learning_rate : float or sequence of float
        With a sequence, every network is trained with every rate.
    steps, batch_size : int
        With 0 steps, the networks are only validated.
    evaluate_every : int that divides `steps`
        Steps between two validations; by default the largest number that is at most one twentieth of all.
    train_size : int, optional
        Use only this many samples, different ones for every seed; all by default.
    seeds : sequence of int, optional
        One for each network; they decide the samples and their order. By default, 0, 1, ….

    Returns
    -------
    runs : xarray.Dataset, dims (seed, step), with "learning_rate" in front for a sequence
        ``val_loss`` and ``val_accuracy`` in inference mode, before the first step (0) and after.
    weights : list of arrays (networks, ...), or (rates, networks, ...)

    Raises
    ------
    ValueError
        `evaluate_every` does not divide `steps`, or there are fewer samples than in a batch.
    """
    every = (evaluate_every or _a_twentieth(steps)) if steps else 1
    if steps % every:
        raise ValueError(f"evaluate_every is {every}; expected a divisor of steps, {steps}.")
    rates, networks = np.ndim(learning_rate), len(weights[0])
    one_by_one = [[values[network] for values in weights] for network in range(networks)]
    runs = fit_many(
        lambda: model, data, {"learning_rate": np.atleast_1d(learning_rate), "train_size": train_size,
                              "seed": range(networks) if seeds is None else seeds},
        steps=steps, batch_size=batch_size, evaluate_every=every, validate_first=True,
        start=one_by_one * len(np.atleast_1d(learning_rate)), weights=True)
    after = [np.stack(values).reshape(*runs.weights.shape, *values[0].shape)
             for values in zip(*runs.weights.values.ravel(), strict=True)]
    runs = runs[["val_loss", "val_accuracy"]].reset_coords(drop=True)
    return (runs, after) if rates else (runs.isel(learning_rate=0), [values[0] for values in after])


def _a_twentieth(steps):
    """The largest divisor of some steps that is at most a twentieth of them, and at most 64; 1 of few steps."""
    largest = min(64, max(1, steps // 20))
    return next(every for every in range(largest, 0, -1) if steps % every == 0)
