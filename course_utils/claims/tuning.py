"""Every arm gets the hyperparameter that is best *for it*, chosen on seeds that measure nothing else."""

TUNING_SEEDS = range(90, 92)   # choose on these, measure claims on others


def at_best(knob, runs):
    """Runs of the measuring seeds, each arm at the value of `knob` that was best for it.

    The value is chosen by final validation accuracy on the tuning seeds, from the same values
    for all arms, at every value of the other knobs.

    Parameters
    ----------
    knob : str
        A dimension of the runs, e.g. ``"learning_rate"``.
    runs : xarray.Dataset
        From `fit_many`, with `TUNING_SEEDS` among the seeds.

    Returns
    -------
    xarray.Dataset without the dimension `knob` and without the tuning seeds
    """
    tuning = runs.seed.isin(list(TUNING_SEEDS))
    final = runs.val_accuracy.isel(epoch=-1, drop=True)
    best = final.sel(seed=tuning).mean("seed").idxmax(knob)
    return runs.sel(seed=~tuning).sel({knob: best})
