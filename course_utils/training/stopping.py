"""Early stopping, read off the curves of complete runs."""

import xarray as xr


def early_stopping(runs, *, patience, monitor="val_loss", min_delta=0.0):
    """The scores of each run if `keras.callbacks.EarlyStopping` had stopped it and restored the best weights.

    All runs of `fit_many` train to the end. The result of stopping one of them early is in its curves: the scores of
    the best epoch before patience ran out. So the same runs answer for every patience and for every monitored score.

    Parameters
    ----------
    runs : xarray.Dataset, dims (..., epoch) or (..., step)
        From `fit_many`.
    patience : int, at least 0
        Validations without improvement after which a run stops.
    monitor : str
        A variable of `runs`; the higher the better for an accuracy, the lower for everything else.
    min_delta : float, at least 0
        A difference of this size or less is not an improvement.

    Returns
    -------
    xarray.Dataset without the dimension epoch
        The scores of the best epoch, and as coordinates ``epoch`` (the best) and ``stopped_epoch`` (the last that was
        trained); with steps instead of epochs if the runs have steps.

    Raises
    ------
    ValueError
        `runs` has no such score, or no epochs; a negative `patience` or `min_delta`.

    Source: Prechelt (1998), Early stopping — but when?; `keras.callbacks.EarlyStopping` with
    ``restore_best_weights=True``.
    """
    time = next((name for name in ("epoch", "step") if name in runs.dims), None)
    if time is None or monitor not in runs or time not in runs[monitor].dims:
        raise ValueError(f"runs has no {monitor!r} by epoch or step; expected what fit_many returns.")
    if not patience >= 0 or not min_delta >= 0:
        raise ValueError(f"patience is {patience} and min_delta {min_delta}; expected two numbers from 0 up.")
    sign = 1 if "accuracy" in monitor else -1
    best, last = xr.apply_ufunc(
        _stopped, sign * runs[monitor], input_core_dims=[[time]], output_core_dims=[[], []], vectorize=True,
        kwargs={"patience": patience, "min_delta": min_delta})
    return runs.isel({time: best}).assign_coords({f"stopped_{time}": runs[time][last].drop_vars(time)})


def _stopped(scores, patience, min_delta):
    """Places of the best score before patience ran out, and of the last one; the higher the better."""
    best, wait = 0, 0
    for place, score in enumerate(scores[1:], 1):
        wait += 1
        if score - min_delta > scores[best]:   # nothing is better than a first score that is no number, as in Keras
            best, wait = place, 0
        elif wait >= patience:
            return best, place
    return best, len(scores) - 1
