"""A tabular benchmark: some twenty thousand small trainings, looked up instead of trained.

To judge a search, we have to repeat it many times, which trains the same networks again and again.
Here they were trained once, at every point of a dense grid and with several seeds, and every answer
on 720 held-out images was stored. A search of forty trials then takes milliseconds, and it can be
repeated with other validation images each time.

The idea is that of NAS-Bench-101 (Ying et al. 2019, ICML) and of the tabular benchmarks of
HPOBench (Eggensperger et al. 2021, NeurIPS Datasets and Benchmarks).

    python -m course_utils.experiments.tabular     trains them all again and writes tabular.npz

    >>> objective = tabular.Objective(seed=0, validation=100)
    >>> result = search.run(objective, tabular.space(), n_trials=36)
    >>> objective.winner()["test"]
"""

import bisect
import functools
import itertools
from pathlib import Path

import numpy as np

from course_utils import moved

__getattr__ = moved.old_names(__name__)

FILE = Path(__file__).with_suffix(".npz")
SPACE = {
    "width": [8, 16, 32, 64],
    "learning_rate": np.geomspace(0.003, 3, 17).tolist(),
    "l2": np.geomspace(1e-5, 0.03, 8).tolist(),
    "dropout": np.linspace(0, 0.6, 7).round(1).tolist(),
}
LOG = ("width", "learning_rate", "l2")   # logarithmic axes
SEEDS = range(6)
EPOCHS = 12
# Tasks other than digits are trained when they are needed, at fewer points of the axes with the smallest effects.
COARSE = SPACE | {"l2": SPACE["l2"][1::2], "dropout": SPACE["dropout"][::2]}
# What all trainings share: 300 images, a fifth of them with a wrong label.
FIXED = {"depth": 2, "train_size": 300, "label_noise": 0.2}


def train(grid, epochs=EPOCHS, task="digits"):
    """Train networks like those of the table.

    Parameters
    ----------
    grid : dict
        Some values of the knobs of `SPACE`, and seeds.
    epochs : int
    task : str
        Name of a data set in `datasets` with 64 features.

    Returns
    -------
    runs : xarray.Dataset, from `fit_many`
    hits : bool array (..., epoch, image)
        Whether each held-out image is classified correctly after each epoch.
    """
    from course_utils import fit_many, models

    x, y = held_out(task)
    runs = fit_many(models.mlp, _split(task), grid | FIXED, epochs=epochs, predict=x)
    return runs, runs.probability.argmax("class", skipna=False).values == y   # class 0 where one diverged


def held_out(task="digits"):
    """The 720 images ``(x, y)`` that no network was trained on."""
    split = _split(task)
    x_test, y_test = split.test
    return np.concatenate([split.x_val, x_test]), np.concatenate([split.y_val, y_test])


@functools.cache
def table(task="digits"):
    """All trainings of the table; for tasks other than digits, the first call trains a coarser one, for minutes.

    Returns
    -------
    xarray.Dataset, dims (width, learning_rate, l2, dropout, seed, ...)
        ``hits``, bool (..., image): whether each held-out image is classified correctly at the end.
        ``accuracy`` (..., epoch): the share of them after each epoch.
    """
    import xarray as xr

    if task == "digits":
        axes, seeds = SPACE, SEEDS
        with np.load(FILE) as stored:
            hits, right = np.unpackbits(stored["hits"]).astype(bool), stored["right"]
    else:
        axes, seeds = COARSE, SEEDS[:3]
        hits, right = _train_all(axes, seeds, task)
    dims, shape = [*axes, "seed"], [*map(len, axes.values()), len(seeds)]
    images = hits.size // np.prod(shape)
    return xr.Dataset({"hits": ([*dims, "image"], hits.reshape(*shape, images)),
                       "accuracy": ([*dims, "epoch"], right.reshape(*shape, EPOCHS) / images)},
                      axes | {"seed": list(seeds), "epoch": np.arange(1, EPOCHS + 1)})


def nearest(params, axes=SPACE):
    """Index along each axis of the point of the table that is nearest to a configuration, as a tuple.

    Parameters
    ----------
    params : dict
        A value for each knob of `SPACE`.
    axes : dict knob → list of values
        Of the table.

    Raises
    ------
    ValueError
        A knob is missing or unknown.
    """
    if set(params) != set(axes):
        raise ValueError(f"The table has {', '.join(axes)}; expected a value for each, not {', '.join(params)}.")
    return tuple(bisect.bisect([(low * high) ** 0.5 if knob in LOG else (low + high) / 2
                                for low, high in itertools.pairwise(values)], params[knob])
                 for knob, values in axes.items())


def space():
    """The space that the table covers, for `search.run`; the width is one of four."""
    from course_utils import search

    return {"width": search.choice(*SPACE["width"])} | {
        knob: (search.log_uniform if knob in LOG else search.uniform)(values[0], values[-1])
        for knob, values in SPACE.items() if knob != "width"}


def config_at(shares):
    """The configuration (knob → value) at these shares of the axes (knob → float in [0, 1), 0 for the first end).

    Shares that are drawn from a uniform distribution give the distribution of `space`.
    """
    def value(values, share, knob):
        low, high = values[0], values[-1]
        if knob == "width":
            return values[int(share * len(values))]
        return low * (high / low) ** share if knob in LOG else low + (high - low) * share

    return {knob: value(SPACE[knob], share, knob) for knob, share in shares.items()}


def sample(seed, count, task="digits"):
    """Draw `count` trainings of the table at random; a larger draw begins with a smaller one of the same seed.

    Returns
    -------
    curves : array (count, epoch)
        Accuracy after each epoch on all held-out images.
    again : array (count,)
        Mean final accuracy of the same configurations trained with all other seeds, without the luck
        of the seed.
    place : tuple of int arrays (count,)
        The index of each along the axes of the table, knob by knob.
    """
    accuracy = table(task).accuracy.values
    *shape, seeds, _ = accuracy.shape
    *place, luck = np.random.default_rng([seed, 5]).integers([*shape, seeds], size=(count, 5)).T
    ended = accuracy[*place, :, -1]
    own = ended[np.arange(count), luck]
    return accuracy[*place, luck], (ended.sum(1) - own) / (seeds - 1), tuple(place)


class Objective:
    """One repetition of a search: a function of a configuration that looks up instead of training.

    Each call is a training with a seed drawn at random, so the same configuration may have another
    score the second time. It returns the accuracy on the validation images; the others are test images.

    Parameters
    ----------
    seed : int
        Divides the images, and draws the seed of each trial: objectives with the same seed have the
        same images and the same luck, trial by trial, whatever the configurations.
    validation : int
        Number of validation images.
    task : str
        As in `table`.

    Attributes
    ----------
    asked : list of dict
        The configurations, call by call.
    tried : list of (tuple of int, int)
        The place of each in the table, and the number of a seed.
    scores : list of float
        The scores, call by call.
    hits : bool array (width, learning_rate, l2, dropout, seed, image)
        Those of `table`.
    validation, test : int arrays of images

    Raises
    ------
    ValueError
        There are no images for validation or for testing; of a call: a knob is missing or unknown.
    """

    def __init__(self, seed, *, validation=100, task="digits"):
        trainings = table(task)
        self.axes = {knob: trainings[knob].values.tolist() for knob in SPACE}
        self.hits = trainings.hits.values
        images = self.hits.shape[-1]
        if not 0 < validation < images:
            raise ValueError(f"validation is {validation}; expected fewer than the {images} images, and at least 1.")
        self._luck = np.random.default_rng(seed)
        self.validation, self.test = np.split(self._luck.permutation(images), [validation])
        self.asked, self.tried, self.scores = [], [], []

    def __call__(self, params):
        self.tried.append((nearest(params, self.axes), self._luck.integers(self.hits.shape[-2])))
        self.asked.append(params)
        place, seed = self.tried[-1]
        self.scores.append(float(self.hits[place][seed, self.validation].mean()))
        return self.scores[-1]

    def winner(self, trials=None):
        """Three accuracies (dict of str → float) of the best of the first `trials` trials; of all by default.

        ``validation``: on the images that chose it. ``test``: that of the same network on the test images.
        ``again``: the mean on the test images of its configuration, trained with all other seeds.
        """
        best = int(np.argmax(self.scores[:trials]))
        place, seed = self.tried[best]
        on_test = self.hits[place][:, self.test].mean(1)
        return {"validation": self.scores[best], "test": float(on_test[seed]),
                "again": float(np.delete(on_test, seed).mean())}


@functools.cache
def _split(task):
    from course_utils import datasets

    return getattr(datasets, task)(seed=0)


def _train_all(axes, seeds, task):
    """Train everything, a width and a dropout rate at a time: the final ``hits``, and the count ``right`` per epoch."""
    hits, right = [], []
    for width in axes["width"]:
        parts = [train({"width": width, "learning_rate": axes["learning_rate"], "l2": axes["l2"],
                        "dropout": dropout, "seed": seeds}, task=task)[1] for dropout in axes["dropout"]]
        of_width = np.stack(parts, 2)   # learning_rate, l2, dropout, seed, epoch, image
        hits.append(of_width[..., -1, :])
        right.append(of_width.sum(-1).astype(np.uint16))
    return np.stack(hits), np.stack(right)


if __name__ == "__main__":
    every, counts = _train_all(SPACE, SEEDS, "digits")
    np.savez_compressed(FILE, hits=np.packbits(every), right=counts)
