"""Which trainings to stop early: successive halving, Hyperband and the median rule, on curves that are known.

Pure functions of learning curves: they say what a search with pruning would have trained, and
chosen, had it not known how the curves go on. Every rule looks only at what it has paid for.

    >>> curves = tabular.table().accuracy.sel(seed=0).stack(configuration=tabular.SPACE)
    >>> pruned = successive_halving(curves.values.T[::60], factor=3, first=1)
    >>> pruned.chosen, pruned.spent, pruned.epochs
"""

import dataclasses

import numpy as np

from course_utils import moved

__getattr__ = moved.old_names(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Pruned:
    """What was trained, and what was chosen.

    Attributes
    ----------
    epochs : int array (configurations,)
        How long each was trained; those that were trained to the end were never stopped.
    chosen : int
        The one with the best last score among those trained to the end; the first of equals.
    """

    epochs: np.ndarray
    chosen: int

    @property
    def spent(self):
        """Epochs of all trainings together."""
        return int(self.epochs.sum())


def successive_halving(curves, *, factor=3, first=1):
    """After `first` epochs the best 1/`factor` go on, and again whenever they have `factor` times as many epochs.

    Parameters
    ----------
    curves : array (configurations, epochs)
        Score after each epoch; higher is better. What is not finite ranks last.
    factor : int of at least 2
        At each rung ``len // factor`` go on, and at least one.
    first : int of at least 1
        Epochs before the first rung. With as many as there are, nothing is ever stopped.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        No curves, or a `factor` or `first` that is too small.

    Source: Karnin, Koren & Somekh (2013), ICML; for hyperparameters Jamieson & Talwalkar (2016),
    AISTATS. Trainings go on where they stopped; who is left at the last rung is trained to the end.
    """
    scores = _ranked(curves, factor, first)
    epochs = np.full(len(scores), scores.shape[1])
    alive = np.arange(len(scores))
    for rung in rungs(scores.shape[1], factor=factor, first=first):
        order = alive[np.argsort(-scores[alive, rung - 1], kind="stable")]   # the first of equals goes on
        alive, stopped = np.split(order, [max(1, len(alive) // factor)])
        alive.sort()
        epochs[stopped] = rung
    return _chosen(scores, epochs)


def hyperband(curves, *, factor=3, first=1):
    """Successive halving several times over, each with a later first rung; the last stops nothing.

    Parameters
    ----------
    curves, factor, first
        As in `successive_halving`; `first` is that of the first bracket. The brackets take their
        configurations one after the other: of n brackets that with k rungs takes a share in
        proportion to ``n * factor**k / (k + 1)``, so that all spend about as many epochs.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        As in `successive_halving`.

    Source: Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018), Journal of Machine Learning
    Research 18 (185), with a given number of configurations. The same brackets where the number of
    epochs is `first` times a power of `factor`.
    """
    scores = _ranked(curves, factor, first)
    starts = [*rungs(scores.shape[1], factor=factor, first=first), scores.shape[1]]
    left = np.arange(len(starts))[::-1]   # rungs of each bracket
    shares = np.ceil(len(starts) * factor**left / (left + 1))
    ends = np.round(len(scores) * np.cumsum(shares) / shares.sum()).astype(int)
    brackets = zip(starts, np.split(scores, ends[:-1]), strict=True)
    return _chosen(scores, np.concatenate([successive_halving(part, factor=factor, first=start).epochs
                                           for start, part in brackets if len(part)]))


def median_rule(curves, *, first=1, startup=5):
    """One after the other; stopped if its best score so far is below the median of the others at that epoch.

    Parameters
    ----------
    curves : array (configurations, epochs)
        As in `successive_halving`, in the order in which they are trained.
    first : int of at least 1
        Epochs before the first decision; from there on one follows after each epoch but the last.
    startup : int of at least 1
        So many have to be trained to the end before any is stopped. The median is that of all
        that were trained to the end so far.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        As in `successive_halving`, or a `startup` that is too small.

    Source: Golovin et al. (2017), Google Vizier, KDD; as in `optuna.pruners.MedianPruner`, whose
    ``n_warmup_steps`` is ``first - 1`` where steps count from 0.
    """
    if startup < 1:
        raise ValueError(f"startup is {startup}; expected at least 1 training to compare with.")
    scores = _ranked(curves, 2, first)
    epochs = np.full(len(scores), scores.shape[1])
    ended, median = [], None
    for one, best in enumerate(np.maximum.accumulate(scores, 1)):
        if len(ended) >= startup:
            below = best < median
            below[:first - 1] = False
            below[-1] = True   # here it ends anyway
            epochs[one] = 1 + np.argmax(below)
        if epochs[one] == scores.shape[1]:
            ended.append(one)
            median = np.median(scores[ended], 0)
    return _chosen(scores, epochs)


def no_pruning(curves):
    """Plain search: nothing is stopped.

    Parameters
    ----------
    curves : array (configurations, epochs)
        As in `successive_halving`.

    Returns
    -------
    Pruned
    """
    return successive_halving(curves, first=np.shape(curves)[-1])


RULES = {"median": median_rule, "successive halving": successive_halving, "Hyperband": hyperband}


def rungs(epochs, *, factor, first):
    """After how many epochs successive halving decides: `first`, and `factor` times as many each time.

    Returns
    -------
    list of int, all below `epochs`
    """
    found = []
    while first < epochs:
        found.append(first)
        first *= factor
    return found


def _ranked(curves, factor, first):
    """The curves as numbers that can be compared."""
    curves = np.asarray(curves, float)
    if curves.ndim != 2 or not curves.size:
        raise ValueError(f"curves has shape {curves.shape}; expected (configurations, epochs), at least one of each.")
    for name, value, least in (("factor", factor, 2), ("first", first, 1)):
        if value != int(value) or value < least:
            raise ValueError(f"{name} is {value}; expected a whole number of at least {least}.")
    return np.where(np.isfinite(curves), curves, -np.inf)


def _chosen(scores, epochs):
    ended = np.flatnonzero(epochs == scores.shape[1])
    return Pruned(epochs, int(ended[np.argmax(scores[ended, -1])]))
