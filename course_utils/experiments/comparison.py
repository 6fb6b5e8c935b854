"""Arms that share their seeds and splits; each is tuned with the same budget, on data that don't measure the result."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import xarray as xr

from course_utils import fit_many, models
from course_utils.experiments import tasks
from course_utils.experiments.tuning import settled

EVALUATIONS = 20    # of a training run
LAST = EVALUATIONS // 5   # the last evaluations, averaged for the final score and compared with the same number before


@dataclasses.dataclass(frozen=True)
class Comparison:
    """An experiment with two or more arms.

    For each seed, all arms start from the same split and use the same two halves of its validation data. Each arm is
    trained with all of its configurations. The configuration with the highest final accuracy on one half is measured on
    the other.

    Attributes
    ----------
    arms : dict name → knobs of `fit_many`
        What tells the arms apart. The key "data", if there is one, is a function (Split, seed) → Split that changes
        the training data.
    tune : dict knob → values, or dict name of an arm → list of configurations
        What each arm chooses from. All arms have the same number of configurations.
    sweep : dict knob → values, optional
        Measured at each of these values; nothing is chosen.
    fixed : dict of knobs, the same for all
    steps : int
    build_model : callable → keras.Model
    optimizer : str
    images : bool
        Train on images, not on vectors.

    Raises
    ------
    ValueError
        The arms don't have the same number of configurations.
    """

    arms: dict
    tune: dict = dataclasses.field(default_factory=dict)
    sweep: dict = dataclasses.field(default_factory=dict)
    fixed: dict = dataclasses.field(default_factory=dict)
    steps: int = 600
    build_model: Callable = models.mlp
    optimizer: str = "sgd"
    images: bool = False

    def __post_init__(self):
        budgets = {arm: len(self.configurations(arm)) for arm in self.arms}
        if len(set(budgets.values())) > 1:
            listed = ", ".join(f"{arm!r} has {count}" for arm, count in budgets.items())
            raise ValueError(f"The arms are tuned with unequal budgets ({listed} configurations); give each the same "
                             "number.")

    def configurations(self, arm):
        """What an arm chooses from: a list of dicts knob → value, which may hold a single empty dict."""
        if set(self.tune) == set(self.arms):
            return self.tune[arm]
        return grid(**self.tune)

    def data(self, task):
        """The function seed → Split of a `tasks.Task` that suits this experiment, or None if there is none."""
        return task.images if self.images else task.vectors

    def __call__(self, task, seeds):
        """Train all arms on a task.

        Parameters
        ----------
        task : callable seed → Split
        seeds : sequence of int
            One pair, or set of arms, for each.

        Returns
        -------
        xarray.Dataset, dims (arm, *sweep, seed, step)
            ``val_accuracy`` on the measuring half, each arm with the configuration it chose; ``chosen`` (arm, seed),
            the index of that configuration; ``still_rising`` (arm), the mean change of the accuracy from the fourth
            fifth of training to the last fifth.
        """
        runs = [self._train(arm, task, list(seeds)) for arm in self.arms]
        runs = xr.concat(runs, xr.Variable("arm", list(self.arms)))
        rest = [dim for dim in runs.val_accuracy.dims if dim != "arm"]
        before, after = (runs.val_accuracy.isel(step=part).mean(rest) for part in (
            slice(-2 * LAST, -LAST), slice(-LAST, None)))
        return runs.assign(still_rising=after - before)

    def _train(self, arm, task, seeds):
        configurations, knobs = self.configurations(arm), dict(self.arms[arm])
        change = knobs.pop("data", None)

        def scores(part):
            def split(seed):
                whole = task(seed)
                return part(change(whole, seed) if change else whole, seed)

            choice = {"configuration": configurations} if any(configurations) else {}
            runs = fit_many(self.build_model, split, {**self.fixed, **knobs, **choice, **self.sweep, "seed": seeds},
                            steps=self.steps, evaluate_every=max(self.steps // EVALUATIONS, 1),
                            optimizer=self.optimizer)
            return runs.val_accuracy.reset_coords(drop=True).drop_vars("configuration", errors="ignore")

        measured = scores(tasks.measuring_part)
        if "configuration" not in measured.dims:
            return xr.Dataset({"val_accuracy": measured, "chosen": ("seed", np.zeros(len(seeds), int))})
        tuning = final(scores(tasks.tuning_part))
        others = [dim for dim in tuning.dims if dim not in ("configuration", "seed")]
        chosen = tuning.mean(others).argmax("configuration")
        return xr.Dataset({"val_accuracy": measured.isel(configuration=chosen), "chosen": chosen})


def grid(**values):
    """All combinations of some values: a list of dicts knob → value."""
    return [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]


def final(scores):
    """Accuracy averaged over the last fifth of the training."""
    return settled(xr.Dataset({"val_accuracy": scores}))


def gain(runs):
    """Final accuracy of the second arm minus that of the first, per seed."""
    first, second = runs.arm.values
    scores = final(runs.val_accuracy)
    return scores.sel(arm=second, drop=True) - scores.sel(arm=first, drop=True)
