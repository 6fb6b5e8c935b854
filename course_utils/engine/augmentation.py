"""Images changed anew at every training step, as strongly as the numbers of each run say."""

import numpy as np

# In the order in which they are applied, with the strength of a run that says nothing.
KNOBS = {"horizontal_flip": 0.0, "vertical_flip": 0.0, "rotation": 0.0, "zoom": 0.0, "placement": 0.0, "shift": 0,
         "cutout": 0, "pixel_noise": 0.0, "mixup": 0.0, "augment_probability": 1.0}
QUANTILES = 1024   # of MixUp's shares


def augmented(x, *, seed=0, step=0, **knobs):
    """What `fit_many` makes of these images in one step of a run.

    Parameters
    ----------
    x : float array (samples, ...)
        Images (height, width) or (height, width, channels), or square ones as vectors.
    seed, step : int
        Another seed makes other changes, and so does another step.
    **knobs
        Such as ``shift=1`` or ``rotation=15``, as in the grid of `fit_many`.

    Returns
    -------
    float array like x

    Raises
    ------
    ValueError
        An unknown knob, a strength out of range, or samples that are no images.
    """
    import tensorflow as tf

    from course_utils.engine import grid, noise, transformations

    for knob, value in knobs.items():
        if knob not in KNOBS:
            raise ValueError(f"{knob!r} is no augmentation; expected some of {', '.join(KNOBS)}.")
        grid.check(knob, value, f"{knob} is")
    x = np.asarray(x)
    strengths = {knob: tf.constant(values[0], x.dtype) for knob, values in numbers([knobs], knobs).items()}
    draws = transformations.stream(tf.constant(noise.run_key(seed)), tf.constant(step))
    images, _ = transformations.augment(tf.constant(x), tf.zeros(len(x), tf.int32), strengths, draws, classes=1)
    return images.numpy()


def numbers(runs, used):
    """The strengths of some runs as the program takes them: dict knob → array (runs, ...).

    For MixUp these are quantiles of the distribution of its shares, Beta(alpha, alpha); in a
    program nothing else could draw from it.
    """
    from scipy import stats

    table = {knob: np.array([KNOBS[knob] if run.get(knob) is None else run[knob] for run in runs])
             for knob in KNOBS if knob in used}
    if "mixup" in used:
        places = np.linspace(0, 1, QUANTILES + 1)
        quantiles = {alpha: stats.beta.ppf(places, alpha, alpha) if alpha else np.ones_like(places)
                     for alpha in table["mixup"]}
        table["mixup"] = np.stack([quantiles[alpha] for alpha in table["mixup"]])
    return table
