"""The loop over chunks of steps, and the results."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr

from course_utils.engine import checks
from course_utils.engine import grid as grids
from course_utils.engine.blocks import cores, make_blocks

SCORES = ["loss", "accuracy", "val_loss", "val_accuracy"]


def fit_many(build_model, data, grid, *, epochs, batch_size=32, evaluate_every=None,
             batch_statistics=False, dtype="float32", callback=None):
    """Train one Keras model for every combination of a grid, all at once.

    Every run is what ``model.compile(keras.optimizers.SGD(learning_rate), …)`` and
    ``model.fit(…, batch_size=batch_size)`` would give: same initial weights, same batches.

    Parameters
    ----------
    build_model : callable → keras.Model
        For instance `models.mlp`. Called with the structural knobs of the grid, and with
        ``input_shape`` and ``classes`` of the data if it takes them. Its last layer is a
        softmax.
    data : Split, or callable seed → Split
        A callable gives every seed a split of its own, e.g. `datasets.digits`.
    grid : dict knob → value or sequence of different values
        *Numeric* knobs never recompile: ``learning_rate`` (0.01), ``seed`` (0; initial
        weights, order, wrong labels), ``train_size`` (all; number of samples, subsets are
        nested), ``label_noise`` (0; share of wrong training labels), ``initial_scale``
        (1; multiplies the initial kernels), ``shuffle`` (True). Everything else is
        *structural*, one compiled program each: ``batch_size`` and the arguments of
        `build_model`.
    epochs : int
        Passes over the full-size training set, as a number of steps; partial batches are
        dropped. A run on a smaller ``train_size`` takes the same number of steps.
    batch_size : int
        If the grid has none.
    evaluate_every : int, optional
        Validate after so many steps, instead of after each epoch.
    batch_statistics : bool
        Also validate as in a training step, with the statistics of the validation batch
        instead of the running averages: ``batch_val_loss`` and ``batch_val_accuracy``.
    dtype : {"float32", "float64"}
    callback : callable, optional
        Gets the results so far after each chunk of steps; training stops if it returns
        True. It also replaces the progress bar.

    Returns
    -------
    xarray.Dataset
        One dimension for each knob given as a sequence, then ``epoch`` (1 … epochs), or
        ``step`` with `evaluate_every`. Variables ``loss`` and ``accuracy`` (averages over
        the chunk of training steps), ``val_loss`` and ``val_accuracy`` (at its end, in
        inference mode), and ``diverged``: from here on a loss was not finite. A diverged
        network still has an accuracy, that of its last answers. NaN where a cancelled
        training did not get.

    Raises
    ------
    TypeError, ValueError
        Something about the grid, the data or the model, in one sentence.
    NotImplementedError
        A layer or a penalty that cannot be trained this way yet.
    """
    axes, fixed = grids.parse(grid, build_model, batch_size)
    groups = grids.structures(axes, fixed)
    splits = checks.splits(data, sorted({run["seed"] for _, _, runs in groups for run in runs}))
    samples = len(next(iter(splits.values())).x_train)
    per_epoch = [samples // structure["batch_size"] for structure, _, _ in groups]
    chunks = _number_of_chunks(per_epoch, epochs, evaluate_every)

    blocks = []
    for (structure, positions, runs), steps in zip(groups, per_epoch, strict=True):
        for members, scores in make_blocks(
                build_model, structure, runs, splits, chunk=evaluate_every or steps, dtype=dtype,
                batch_statistics=batch_statistics):
            blocks.append((positions[members], scores))

    time = "epoch" if evaluate_every is None else "step"
    scores = SCORES + [f"batch_{name}" for name in SCORES[2:]] * batch_statistics
    results = _empty(scores, axes, fixed, time, np.arange(1, chunks + 1) * (evaluate_every or 1))
    results.attrs[f"{time}s"] = int(results[time][-1])   # what a partial result is a part of
    flat = {name: results[name].values.reshape(-1, chunks) for name in results}
    with (ThreadPoolExecutor(cores()) as threads,
          _progress_bar(chunks, len(flat["loss"]), hidden=callback is not None) as bar):
        for chunk in range(chunks):
            for (positions, _), scores in zip(
                    blocks, threads.map(next, [scores for _, scores in blocks]), strict=True):
                for name, values in scores.items():
                    flat[name][positions, chunk] = values
            finite = np.isfinite(flat["loss"][:, chunk] + flat["val_loss"][:, chunk])
            flat["diverged"][~finite, chunk:] = True
            bar.update()
            if callback is not None:
                partial = results.isel({time: slice(chunk + 1)})
                if callback(partial):
                    return partial
    return results


def _number_of_chunks(per_epoch, epochs, evaluate_every):
    """How often all runs are validated; `per_epoch` holds the steps of each structure."""
    for name, value in {"epochs": epochs, "evaluate_every": evaluate_every or 1}.items():
        if not (isinstance(value, int | np.integer) and value > 0):
            raise ValueError(f"{name} is {value!r}; expected a whole number from 1 up.")
    if evaluate_every is None:
        return epochs
    if len(set(per_epoch)) > 1:
        raise ValueError("evaluate_every counts steps, and the batch sizes of this grid differ in steps per "
                         "epoch; call fit_many once for each batch_size.")
    chunks = epochs * per_epoch[0] // evaluate_every
    if not chunks:
        raise ValueError(f"evaluate_every is {evaluate_every}, more than all steps of {epochs} epochs; "
                         "choose fewer steps or more epochs.")
    return chunks


def _empty(scores, axes, fixed, time, instants):
    """The result with all scores still NaN."""
    coordinates = axes | {time: instants}
    shape = [len(values) for values in coordinates.values()]
    variables = {name: (list(coordinates), np.full(shape, np.nan)) for name in scores}
    variables["diverged"] = (list(coordinates), np.zeros(shape, bool))
    return xr.Dataset(variables, coordinates | {k: v for k, v in fixed.items() if v is not None})


def _progress_bar(chunks, runs, hidden):
    """A bar that appears after a second and leaves nothing behind."""
    from tqdm.auto import tqdm

    hidden = hidden or os.environ.get("TQDM_DISABLE") == "1"
    return tqdm(total=chunks, desc=f"{runs} networks", delay=1, leave=False, disable=hidden)
