"""Every arm gets the hyperparameter that is best *for it*, chosen on seeds that measure nothing else.

Also the scores to choose by: the settled accuracy, and the steps to a goal.
"""

import xarray as xr

TUNING_SEEDS = range(90, 92)   # choose on these, measure claims on others


def at_best(knob, runs, *, score=None, seeds=TUNING_SEEDS):
    """Runs of the measuring seeds, each arm at the value of `knob` that was best for it.

    The value is chosen on the tuning seeds, from the same values for all arms, at every value of
    the other knobs.

    Parameters
    ----------
    knob : str
        A dimension of the runs, e.g. ``"learning_rate"``.
    runs : xarray.Dataset
        From `fit_many`, including the tuning seeds.
    score : xarray.DataArray, optional
        What to choose by; the validation accuracy of the last epoch by default.
    seeds : sequence of int
        The tuning seeds. Two are enough if a wrong value costs much.

    Returns
    -------
    xarray.Dataset without the dimension `knob` and without the tuning seeds
    """
    score = runs.val_accuracy.isel(epoch=-1, drop=True) if score is None else score
    tuning = runs.seed.isin(list(seeds))
    best = score.sel(seed=tuning).mean("seed").idxmax(knob)
    return runs.sel(seed=~tuning).sel({knob: best})


def scores_at_best_rate(scores, seeds):
    """Accuracies (..., learning_rate, seed) at the best learning rate, chosen on the tuning seeds.

    Returns
    -------
    xarray.Dataset
        ``val_accuracy`` of the measuring seeds, dims (..., seed), and ``tuned``, the mean of the
        tuning seeds, dims (...).
    """
    best = at_best("learning_rate", scores, score=scores, seeds=seeds).reset_coords(drop=True)
    tuned = scores.sel(seed=list(seeds)).mean("seed").max("learning_rate")
    return xr.Dataset({"val_accuracy": best, "tuned": tuned})


def settled(runs, *, share=0.2):
    """Validation accuracy, averaged over the last share of the epochs (or steps), because SGD keeps jumping."""
    time = "step" if "step" in runs.dims else "epoch"
    return runs.val_accuracy.isel({time: slice(-max(1, int(share * runs.sizes[time])), None)}).mean(time)


def steps_to(goal, scores):
    """The step at which scores (..., step) first reach a goal, a float or a DataArray of several.

    A run that never gets there is censored: it counts with the last step, a lower bound.
    """
    reached = scores >= goal
    return xr.where(reached.any("step"), scores.step[reached.argmax("step")], scores.step[-1])
