"""One trial where it runs: the objective is called, and whatever it does becomes an outcome."""

import functools
import math
import time
from typing import NamedTuple

import cloudpickle
import optuna
from optuna.trial import TrialState


class Outcome(NamedTuple):
    """How one trial ended."""

    state: TrialState
    value: float | None = None
    error: str | None = None


class Objective:
    """A function that can be sent to other processes with everything it needs, even from a notebook."""

    def __init__(self, function):
        self.function = function

    @functools.cached_property
    def packed(self):
        """The function as bytes, packed once for all trials."""
        return cloudpickle.dumps(self.function)

    def __reduce__(self):
        return _unpack, (self.packed,)


@functools.lru_cache(maxsize=1)
def _unpack(packed):
    """Unpack once for all trials of a process, so that the function's globals keep what they hold."""
    return Objective(cloudpickle.loads(packed))


class Report:
    """``report(value, step)`` records an intermediate score; it ends the trial if the pruner says so."""

    def __init__(self, trial):
        self.trial = trial
        self.known = set(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)

    def __call__(self, value, step):
        if step in self.known:   # reported by an attempt that was lost
            return
        self.trial.report(value, step)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def evaluate(objective, configurations, *, where, report=None, batch=False):
    """Evaluate configurations in one call; whatever goes wrong in it is recorded as their outcome.

    Parameters
    ----------
    objective : Objective
    configurations : list of dict
        With `batch`, the objective gets the list; otherwise, the list has one element.
    report : callable → Report, optional
        Makes what the objective gets as ``report``.
    where : callable → str
        Names the place.

    Returns
    -------
    (list of Outcome, str, float)
        One outcome per configuration, the place, and the seconds for all of them.
    """
    start = time.perf_counter()
    try:
        arguments = {} if report is None else {"report": report()}
        values = objective.function(configurations if batch else configurations[0], **arguments)
        values = list(values) if batch else [values]
        if len(values) != len(configurations):
            raise ValueError(f"The objective returned {len(values)} values for {len(configurations)} configurations.")
        outcomes = [_outcome(value) for value in values]
    except optuna.TrialPruned:
        outcomes = [Outcome(TrialState.PRUNED)] * len(configurations)
    except (Exception, SystemExit) as error:
        message = f"{type(error).__name__}: {error}".removesuffix(": ")
        outcomes = [Outcome(TrialState.FAIL, error=message)] * len(configurations)
    return outcomes, where(), time.perf_counter() - start


def _outcome(value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        return Outcome(TrialState.FAIL, error=f"The objective returned {value!r}; expected a number.")
    return Outcome(TrialState.COMPLETE, number)
