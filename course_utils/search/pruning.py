"""Which runs to stop early: successive halving, Hyperband, and the median rule, on complete learning curves.

Pure functions of learning curves: they compute what a search with pruning would have trained and chosen without knowing
how the curves go on. Every rule looks only at epochs that it has paid for.

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
        The configuration with the best final score among those trained to the end; the first one if there is a tie.
    """

    epochs: np.ndarray
    chosen: int

    @property
    def spent(self):
        """Epochs of all runs together."""
        return int(self.epochs.sum())


def successive_halving(curves, *, factor=3, first=1):
    """After `first` epochs, the best 1/`factor` go on, and again whenever they have `factor` times as many epochs.

    Parameters
    ----------
    curves : array (configurations, epochs)
        Score after each epoch; higher is better. A score that is not finite ranks last.
    factor : int of at least 2
        At each rung, ``len // factor`` go on, and at least one.
    first : int of at least 1
        Epochs before the first rung. If these are all epochs, nothing is ever stopped.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        No curves, or a `factor` or `first` that is too small.

    Source: Karnin, Koren & Somekh (2013), ICML; for hyperparameters, Jamieson & Talwalkar (2016), AISTATS. Runs go on
    where they stopped; those that are left at the last rung are trained to the end.
    """
    scores = _ranked(curves, factor, first)
    epochs = np.full(len(scores), scores.shape[1])
    alive = np.arange(len(scores))
    for rung in rungs(scores.shape[1], factor=factor, first=first):
        order = alive[np.argsort(-scores[alive, rung - 1], kind="stable")]   # in a tie, the first one goes on
        alive, stopped = np.split(order, [max(1, len(alive) // factor)])
        alive.sort()
        epochs[stopped] = rung
    return _chosen(scores, epochs)


def hyperband(curves, *, factor=3, first=1):
    """Successive halving several times over, each with a later first rung; the last stops nothing.

    Parameters
    ----------
    curves, factor, first
        As in `successive_halving`; `first` is that of the first bracket. The brackets take their configurations one
        after the other: of n brackets, the one with k rungs takes a share in proportion to
        ``n * factor**k / (k + 1)``, so that all of them spend about the same number of epochs.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        As in `successive_halving`.

    Source: Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018), Journal of Machine Learning Research 18 (185), with
    a given number of configurations. The brackets are the same if the number of epochs is `first` times a power of
    `factor`.
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
    """One run after the other; it is stopped if its best score so far is below the others' median at that epoch.

    Parameters
    ----------
    curves : array (configurations, epochs)
        As in `successive_halving`, in the order in which they are trained.
    first : int of at least 1
        Epochs before the first decision; after that, there is one after each epoch except the last.
    startup : int of at least 1
        This many have to be trained to the end before any is stopped. The median is that of all that were trained to
        the end so far.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        As in `successive_halving`, or a `startup` that is too small.

    Source: Golovin et al. (2017), Google Vizier, KDD; as in `optuna.pruners.MedianPruner`, whose ``n_warmup_steps`` is
    ``first - 1`` if steps count from 0.
    """
    if startup < 1:
        raise ValueError(f"startup is {startup}; expected at least 1 training to compare with.")
    scores = _ranked(curves, 2, first)
    epochs = np.full(len(scores), scores.shape[1])
    ended, median = [], None
    for run, best in enumerate(np.maximum.accumulate(scores, 1)):
        if len(ended) >= startup:
            below = best < median
            below[:first - 1] = False
            below[-1] = True   # it ends here anyway
            epochs[run] = 1 + np.argmax(below)
        if epochs[run] == scores.shape[1]:
            ended.append(run)
            median = np.median(scores[ended], 0)
    return _chosen(scores, epochs)


def no_pruning(curves):
    """Plain search: nothing is stopped. `curves` and the result are those of `successive_halving`."""
    return successive_halving(curves, first=np.shape(curves)[-1])


RULES = {"median": median_rule, "successive halving": successive_halving, "Hyperband": hyperband}


def rungs(epochs, *, factor, first):
    """After how many epochs successive halving decides: `first`, and `factor` times as many each time.

    Returns
    -------
    list of int, all below `epochs`
    """
    decisions = []
    while first < epochs:
        decisions.append(first)
        first *= factor
    return decisions


def _ranked(curves, factor, first):
    """The curves as numbers that can be compared, after checking the arguments."""
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
