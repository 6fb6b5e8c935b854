"""From a grid to its results: which structures there are, and the loop over chunks of steps."""

import inspect
import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
import xarray as xr

from course_utils.training import checks
from course_utils.training import grid as grids
from course_utils.training.blocks import divided
from course_utils.training.programs import compiled, verified
from course_utils.training.structures import cores, prepare


def fit_many(build_model, data, grid, *, epochs=None, steps=None, batch_size=32, optimizer="sgd",
             loss="sparse_categorical_crossentropy", metrics=None, class_weight=None, sample_weight=None, callbacks=(),
             start=None, weights=False, evaluate_every=None, validate_first=False, batch_statistics=False,
             diagnostics=False, predict=None, dtype="float32", max_memory=4e9, callback=None):
    """Train one Keras model for every combination of a grid, all at once.

    Every run is what ``model.compile(optimizer, …)`` and ``model.fit(…, batch_size=batch_size)``
    give on the same batches, from the weights that ``keras.utils.set_random_seed(seed)`` leads to.
    (Dropout, noise, and layers that augment images, such as RandomFlip, draw other numbers than
    Keras, from the same distribution; a run draws the same ones in every grid. The gradient of an
    Embedding is one array, as in Keras on JAX; on TensorFlow, most of Keras's optimizers, but not
    plain SGD, square or clip the parts of a token that occurs twice in a batch, instead of their
    sum.)

    Parameters
    ----------
    build_model : callable → keras.Model
        For instance `models.mlp`. Called with the structural knobs of the grid, and with
        ``input_shape`` and ``classes`` of the data if it takes them. It may depend on nothing but
        its arguments: what it builds is kept.
    data : Split, or callable seed → Split
        A callable gives every seed a split of its own, e.g. `datasets.digits`.
    grid : dict knob → value or sequence of different values
        *Numeric* knobs never recompile (a single run is a program of its own):
        ``learning_rate`` (the optimizer's; of a schedule, the rate it starts from),
        ``weight_decay`` (the optimizer's), ``dropout`` (the rate of all Dropout, SpatialDropout
        and GaussianDropout layers, in place of their own; at 0 too the layers are there),
        ``gaussian_noise`` (the standard deviation of all GaussianNoise layers), ``l1`` and
        ``l2`` (the penalty of all kernels, as `keras.regularizers.L1L2`), ``max_norm`` (of the
        incoming weights of each unit, all kernels, as `keras.constraints.MaxNorm`; np.inf for
        none), ``label_smoothing`` (of the loss, in training and validation, as
        `keras.losses.CategoricalCrossentropy`), what changes the training images (see below),
        ``seed`` (0; initial weights, order, wrong labels, masks, changes of images),
        ``train_size`` (all; number of samples, subsets are nested), ``label_noise`` (0; share of
        wrong training labels), ``initial_scale`` (1; multiplies the initial kernels), ``shuffle``
        (True). Everything else is *structural*, one compiled program each: ``batch_size``,
        ``optimizer`` and the arguments of `build_model`. Knobs that vary together, as those of
        the trials of a search, are given as ``"configuration"``: a list of dicts knob → value,
        all with the same knobs.
    epochs : int, unless `steps` is given
        Passes over the full-size training set, as a number of steps; partial batches are
        dropped. A run on a smaller ``train_size`` takes the same number of steps.
    steps : int
        In place of `epochs`, so many steps, with a validation at their end or every `evaluate_every`.
    batch_size : int
        If the grid has none.
    optimizer : str or keras.optimizers.Optimizer
        If the grid has none; with any of its arguments but ``use_ema``, ``loss_scale_factor``, and
        ``gradient_accumulation_steps``, also a learning-rate schedule. In a grid an optimizer goes by its `name`.
    loss : str, keras.losses.Loss, or function of (y_true, y_pred)
    metrics : list of str, functions of (y_true, y_pred), or keras.metrics.Metric, optional
        As in ``model.compile``, as far as they are means of such functions. By default, the
        accuracy if `loss` is a cross-entropy, and none otherwise.
    class_weight : dict class number → weight, optional
    sample_weight : array (training samples,), or callable seed → such an array, optional
        Of the training loss, as in ``model.fit``.
    callbacks : sequence
        `keras.callbacks.EarlyStopping`, `ReduceLROnPlateau`, and `LearningRateScheduler`, for
        each run by itself. After a run has stopped, its scores are NaN. See `early_stopping`
        for what every patience would have given.
    start : list of arrays, or one such list for each run, optional
        The weights to start with, as ``model.get_weights()`` gives them, in place of initial
        ones. One for each run: in the order of the grid, or ``runs.weights`` of a training.
    weights : bool
        Also return the trained weights, to `callback` those so far; `trained_model` makes models of them.
    evaluate_every : int, optional
        Validate after so many steps, instead of after each epoch.
    validate_first : bool
        Also validate before the first step: epoch or step 0, without training scores.
    batch_statistics : bool
        Also validate as in a training step, with the statistics of the validation batch
        instead of the running averages: ``batch_val_loss`` and ``batch_val_accuracy``.
    diagnostics : bool
        Also look inside the networks at every validation, on the last training batch.
    predict : float array (points, ...), optional
        Also predict these samples at every validation, in inference mode: ``probability``.
    dtype : {"float32", "float64"}
    max_memory : float
        Bytes. A larger grid is trained part by part; the results are the same.
    callback : callable, optional
        Gets the results so far after each chunk of steps; training stops if it returns
        True. It also replaces the progress bar.

    Returns
    -------
    xarray.Dataset
        One dimension for each knob given as a sequence, and one for the configurations, which
        have their knobs as coordinates; then ``epoch`` (1 … epochs), or
        ``step`` with `steps` or `evaluate_every`. Variables ``loss`` and ``accuracy`` (averages over
        the chunk of training steps), ``val_loss`` and ``val_accuracy`` (at its end, in
        inference mode), with other metrics named as in Keras's history, and ``diverged``: from
        here on a loss was not finite. A diverged
        network still has an accuracy, that of its last answers. NaN where a canceled
        training did not get. Like Keras's, both losses contain the penalties of the model and
        of the grid, and ``penalty`` says how much of ``val_loss`` that is, where there are any.
        A run that a callback stopped has NaN from then on.
        With `predict` also ``probability`` along ``point`` and ``class``, or ``prediction``
        along ``point`` and ``output`` if the loss does not take probabilities. With `weights`
        also ``weights``: for each run a list of arrays.
        With `diagnostics` also ``activation_mean`` and
        ``activation_variance`` along ``layer``, ``gradient_norm`` and ``weight_norm`` along
        ``weight``; NaN where a network has no such layer.

    Raises
    ------
    TypeError, ValueError
        Something about the grid, the data or the model, in one sentence.
    NotImplementedError
        A setting of the optimizer that cannot be trained this way.

    Notes
    -----
    These numeric knobs change each training image anew at every step; 0 comes in from outside.
    Samples are images (height, width) or (height, width, channels), or square ones as vectors.
    Training scores are those on the changed images; validation and `predict` see none of it.
    `augment` shows how some images change.

    - ``horizontal_flip``, ``vertical_flip``: probability of being mirrored, left to right or top to
      bottom
    - ``rotation``: most degrees, either way, about the center
    - ``zoom``: magnified by 1 - zoom to 1 + zoom, about the center
    - ``placement``: content (what is not 0) is moved, and never cut off; 1 to anywhere in the
      image, 0.5 half as far toward each edge
    - ``shift``: most pixels, whole ones, in each direction
    - ``cutout``: side, in pixels, of a square of zeros with its center anywhere (DeVries & Taylor
      2017)
    - ``pixel_noise``: standard deviation of normal noise, added to every pixel
    - ``mixup``: alpha of Beta(alpha, alpha), from which the share comes that an image and its label
      keep when mixed with others of the batch (Zhang et al. 2018); 0 for none
    - ``augment_probability`` (1): share of the images changed at all

    Warns
    -----
    UserWarning
        A model that TensorFlow cannot vectorize, or not rightly, is trained run by run: same
        results, slower. Each structure is compared with Keras before it is first trained.
    """
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is {dtype!r}; expected 'float32' or 'float64'.")
    if class_weight is not None and sample_weight is not None:
        raise ValueError("Both class_weight and sample_weight are given; expected one of them.")
    from course_utils.training import callbacks as watching

    axes, fixed, optimizers = grids.parse(grid, build_model, batch_size, optimizer)
    watching.check(callbacks, optimizers.values())
    groups = grids.structures(axes, fixed)
    splits = checks.splits(data, sorted({run["seed"] for _, _, runs in groups for run in runs}))
    samples = len(next(iter(splits.values())).x_train)
    starts = checks.starts(start, sum(len(runs) for _, _, runs in groups))
    per_epoch = [samples // knobs["batch_size"] for knobs, _, _ in groups]
    if steps is not None:
        evaluate_every = evaluate_every or steps or 1
    chunks = _number_of_chunks(per_epoch, epochs, steps, evaluate_every)
    evaluate_every = evaluate_every and int(evaluate_every)
    chunks += bool(validate_first)
    if not chunks:
        raise ValueError("steps is 0; expected a whole number from 1 up, or validate_first=True for the scores of the "
                         "weights as they are.")
    options = {"loss": loss, "metrics": metrics, "class_weight": class_weight, "sample_weight": sample_weight,
               "callbacks": callbacks, "validate_first": bool(validate_first), "batch_statistics": batch_statistics,
               "diagnostics": diagnostics,
               "predict": checks.points(predict, next(iter(splits.values())))}
    structures = [(positions, prepare(
        build_model, knobs, optimizers[knobs["optimizer"]], runs, splits, options=options,
        starts=[starts[position] for position in positions], chunk=evaluate_every or pass_, dtype=dtype,
        memory=max_memory)) for (knobs, positions, runs), pass_ in zip(groups, per_epoch, strict=True)]
    if penalized := any(structure.penalized for _, structure in structures):   # then all report theirs
        structures = [(positions, structure.planned(penalty=True)) for positions, structure in structures]

    first = structures[0][1]
    if len(optimizers) == 1:
        fixed |= {knob: value for knob, value in first.defaults.items() if fixed.get(knob, 0) is None}
    time = "epoch" if evaluate_every is None else "step"
    names = first.scores.names
    scores = [prefix + name for prefix in ("", "val_", *["batch_val_"] * batch_statistics) for name in names]
    results = _empty(scores + ["penalty"] * penalized, axes, fixed,
                     {time: (np.arange(chunks) + (not validate_first)) * (evaluate_every or 1)},
                     _names_inside([structure for _, structure in structures]) if diagnostics else {})
    if predict is not None:
        outputs = first.model.output_shape[1:]
        name, places = ("probability", ["class"]) if first.scores.classifying and len(outputs) == 1 else (
            "prediction", ["output", *(f"output_{axis}" for axis in range(1, len(outputs)))][:len(outputs)])
        results[name] = ([*results.loss.dims, "point", *places],
                         np.full((*results.loss.shape, len(options["predict"]), *outputs), np.nan))
    results.attrs[f"{time}s"] = int(results[time][-1])   # what a partial result is a part of
    final = [None] * (results.loss.size // chunks) if weights else None   # functions that return those of each run
    record = _recorder(results, chunks, final)
    if callback is None:
        _train_freely(structures, chunks, record, _progress_bar(results.loss.size))
    else:
        for chunk, complete in _train_in_step(structures, chunks, record, max_memory):
            partial = results.isel({time: slice(chunk + 1)}) if complete else results
            if weights:
                partial["weights"] = _weights(results, final)
            if callback(partial):
                results = partial
                break
    if weights:
        results["weights"] = _weights(results, final)
        results.attrs |= {name: value for name, value in first.arguments if name in ("input_shape", "classes")}
    return results


def trained_model(build_model, run):
    """One run of `fit_many` as an ordinary Keras model.

    Parameters
    ----------
    build_model : callable → keras.Model
        The one that was trained.
    run : xarray.Dataset
        What `fit_many` returned with ``weights=True``, reduced to one run, e.g. by ``runs.sel(seed=0)``.

    Returns
    -------
    keras.Model, not compiled.

    Raises
    ------
    ValueError
        More than one run, or no weights.
    """
    if "weights" not in run or run.weights.ndim:
        raise ValueError("run is not one run with its weights; expected runs.sel(…) of one run, trained with "
                         "fit_many(…, weights=True).")
    known = run.attrs | {knob: value.item() for knob, value in run.coords.items() if not value.ndim}
    model = build_model(**{name: known[name] for name in inspect.signature(build_model).parameters if name in known})
    model.set_weights(run.weights.values.item())
    return model


def _train_freely(structures, chunks, record, bar):
    """Train every block from beginning to end, the first ones while later structures are compiled."""
    stop = threading.Event()

    def train(structure, positions, scores):
        for chunk in range(chunks):
            if stop.is_set():
                return
            record(structure, positions, chunk, next(scores))
            bar.update(len(positions))
        scores.close()   # its weights are no longer needed

    with bar, ThreadPoolExecutor(cores()) as threads:
        try:
            running = []
            for positions, structure, program in _compiled(structures):
                running += [threads.submit(train, structure, positions[members], block.train(program))
                            for members, block in divided(structure)]
            for block in as_completed(running):
                block.result()
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)


def _compiled(structures):
    """Yield ``(positions, structure, program)``; the next one is traced while XLA compiles one."""
    waiting = None
    for positions, structure in structures:
        pair = compiled(structure)
        if waiting:
            yield waiting[0], *verified(*waiting[1])
        waiting = positions, pair
    yield waiting[0], *verified(*waiting[1])


def _train_in_step(structures, chunks, record, memory):
    """Train all blocks chunk by chunk, or as many at a time as fit into the memory.

    Yields ``(chunk, complete)`` after each chunk; `complete`: whether all runs have got this far.
    """
    parts, free = [], 0
    for positions, structure, program in _compiled(structures):
        for members, block in divided(structure):
            needed = structure.plan.runs * structure.bytes_per_run()
            if needed > free:
                parts.append([])
                free = memory
            parts[-1].append((structure, positions[members], block.train(program)))
            free -= needed
    with ThreadPoolExecutor(cores()) as threads:
        for part in parts:
            for chunk in range(chunks):
                for (structure, positions, _), scores in zip(
                        part, threads.map(next, [scores for _, _, scores in part]), strict=True):
                    record(structure, positions, chunk, scores)
                yield chunk, len(parts) == 1
            part.clear()


def _recorder(results, chunks, final):
    """A function that writes the scores of some runs into the results, and what returns their weights into `final`.

    `final` is None if nobody asks for them: each keeps the weights of all runs of its block.
    """
    runs = results.loss.size // chunks
    flat = {name: results[name].values.reshape(runs, chunks, *results[name].shape[results.loss.ndim:])
            for name in results}
    outputs = next((name for name in ("probability", "prediction") if name in results), None)
    times = results[results.loss.dims[-1]].values
    inside = {name: results[name].dims[-1] for name in flat if results[name].dims[-1] in ("layer", "weight")}
    names = {dimension: results.indexes[dimension] for dimension in inside.values()}

    def record(structure, positions, chunk, scores):
        stopped = scores.pop("stopped")
        for position, weights in zip(positions, scores.pop("weights"), strict=True):
            if final is not None:
                final[position] = weights
        for name, values in scores.items():
            name = outputs if name == "prediction" else name
            if name not in inside:
                flat[name][positions, chunk] = values
            else:
                dimension = inside[name]
                columns = names[dimension].get_indexer(structure.inside[dimension])
                flat[name][np.array(positions)[:, None], chunk, columns] = values
        finite = stopped | np.isfinite(scores["val_loss"] + np.where(times[chunk], scores["loss"], 0))
        flat["diverged"][np.array(positions)[~finite], chunk:] = True

    return record


def _weights(results, final):
    """The variable ``weights`` of the results, from what `_recorder` has collected; None for runs not trained yet."""
    trained = np.empty(len(final), object)
    trained[:] = [run and run() for run in final]
    return results.loss.dims[:-1], trained.reshape(results.loss.shape[:-1])


def _number_of_chunks(per_epoch, epochs, steps, evaluate_every):
    """How often all runs are validated; `per_epoch` holds the steps of each structure."""
    if (epochs is None) == (steps is None):
        raise ValueError("Either epochs or steps says how long to train; expected one of them.")
    for name, value, least in (("epochs", epochs, 1), ("steps", steps, 0), ("evaluate_every", evaluate_every, 1)):
        if value is not None and not (isinstance(value, int | np.integer) and value >= least):
            raise ValueError(f"{name} is {value!r}; expected a whole number from {least} up.")
    if evaluate_every is None:
        return epochs
    if epochs and len(set(per_epoch)) > 1:
        raise ValueError("evaluate_every counts steps, and the batch sizes of this grid differ in steps per "
                         "epoch; call fit_many once for each batch_size.")
    if steps and steps % evaluate_every:
        raise ValueError(f"evaluate_every is {evaluate_every}; expected a divisor of steps, {steps}.")
    chunks = (steps if epochs is None else epochs * per_epoch[0]) // evaluate_every
    if not chunks and steps != 0:
        raise ValueError(f"evaluate_every is {evaluate_every}, more than all steps of the training; "
                         "choose fewer steps or a longer training.")
    return chunks


def _empty(scores, axes, fixed, time, inside):
    """The result with all scores still NaN; `inside` holds the names along "layer" and "weight", if any."""
    rows = axes.get(grids.COUPLED, [])
    coordinates = {knob: np.arange(len(rows)) if knob == grids.COUPLED else _coordinate(values)
                   for knob, values in axes.items()} | time
    coupled = {knob: (grids.COUPLED, _coordinate([row[knob] for row in rows])) for knob in (rows[0] if rows else ())}
    shape = [len(values) for values in coordinates.values()]
    variables = {name: (list(coordinates), np.full(shape, np.nan)) for name in scores}
    variables["diverged"] = (list(coordinates), np.zeros(shape, bool))
    if inside:
        from course_utils.training.diagnostics import DIMENSIONS

        for name, dimension in DIMENSIONS.items():
            variables[name] = ([*coordinates, dimension], np.full([*shape, len(inside[dimension])], np.nan))
    return xr.Dataset(variables, coordinates | coupled | inside | {
        knob: value for knob, value in fixed.items() if value is not None and np.ndim(value) == 0})


def _coordinate(values):
    """Values of a knob as a coordinate; tuples stay tuples."""
    if not any(isinstance(value, tuple | list) for value in values):
        return values
    coordinate = np.empty(len(values), object)
    coordinate[:] = values
    return coordinate


def _names_inside(structures):
    """All layers and weights of the models, in their order: dict of the names along each dimension."""
    return {dimension: list(dict.fromkeys(name for structure in structures for name in structure.inside[dimension]))
            for dimension in ("layer", "weight")}


def _progress_bar(total):
    """A bar that appears after a second and disappears at the end; a unit is one chunk of one run."""
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="training", delay=1, leave=False, bar_format="{desc} {percentage:3.0f}% |{bar}|",
                disable=os.environ.get("TQDM_DISABLE") == "1")
