"""Data of the exercises: the material that questions are about, and splits that note who opens their test set."""

import dataclasses

import numpy as np

from course_utils import datasets
from course_utils.datasets.split import Split, with_label_noise


@dataclasses.dataclass(frozen=True)
class Watched(Split):
    """A `Split` that calls `opening` when its test set is opened."""

    opening: object = None

    def open_test(self):
        """As `Split.open_test`, without a warning."""
        self.opening()
        return self.test


@dataclasses.dataclass(frozen=True)
class Counted(Split):
    """A `Split` that notes in `looks` each time that its test set is opened, or read without being opened."""

    looks: list = dataclasses.field(default_factory=list, repr=False)

    def __getattribute__(self, name):
        if name == "test":
            self.looks.append("read")
        return object.__getattribute__(self, name)

    def open_test(self):
        """As `Split.open_test`."""
        before = list(self.looks)
        opened = super().open_test()
        self.looks[:] = [*before, "opened"]
        return opened

    def replace(self, **fields):
        """As `Split.replace`."""
        return super().replace(**vars(self) | fields)


def capstone():
    """The task of question 6.6: 300 digits to learn from, a fifth of them with a wrong label."""
    digits = datasets.digits(seed=6)
    labels = with_label_noise(digits.y_train[:300], 0.2, 10, np.random.default_rng(6))
    return Counted("the capstone of exercise 06", digits.x_train[:300], labels, digits.x_val, digits.y_val, digits.test)


def augmentation_manuscript():
    """What the authors of question 5.6 trained on: a `Split` for each arm."""
    splits = {}
    for arm, seed in (("without", 5), ("with", 8)):
        digits = datasets.digits(seed)
        splits[arm] = datasets.Split("theirs", digits.x_train[:100], digits.y_train[:100], digits.x_val[:100],
                                     digits.y_val[:100])
    return splits


def studies():
    """Four isolation plots: dict knob → xarray.DataArray (knob, seed), with the number of trials of each point."""
    import xarray as xr

    planted = {
        "momentum": ([0.0, 0.5, 0.8, 0.9, 0.95, 0.99], [0.905, 0.921, 0.936, 0.943, 0.937, 0.881], 24),
        "batch_size": ([8, 16, 32, 64, 128], [0.940, 0.9415, 0.941, 0.9405, 0.9395], 24),
        "width": ([16, 32, 64, 128, 256], [0.886, 0.913, 0.929, 0.941, 0.949], 24),
        "optimizer": (["SGD", "Adam"], [0.938, 0.947], [12, 60]),
    }
    rng, plots = np.random.default_rng(12), {}
    for knob, (values, means, trials) in planted.items():
        seeds = rng.normal(0, 0.008, 12)   # what all arms of a seed share: its images
        noise = rng.normal(0, 0.003, (len(values), 12))
        noise -= noise.mean(1, keepdims=True) * 0.8   # what is planted shows
        coordinates = {knob: values, "seed": range(12), "trials": (knob, np.broadcast_to(trials, len(values)))}
        plots[knob] = xr.DataArray(np.array(means)[:, None] + seeds - seeds.mean() + noise, coordinates,
                                   (knob, "seed"), name="validation accuracy")
    return plots


def search_manuscript():
    """What the authors of question 6.7 send: for each trial its score and its learning rate, and more about it."""
    import xarray as xr

    from course_utils.experiments import tabular  # not before: it trains for a while

    objective, rng = tabular.Objective(80, validation=80), np.random.default_rng(80)
    low, high = 0.003, 0.05
    configurations = [{"width": 64, "learning_rate": 0.01, "l2": 1e-4, "dropout": 0.2}]   # the baseline
    configurations += [tabular.config_at(dict(zip(tabular.SPACE, rng.random(4), strict=True))) | {
        "learning_rate": low * (high / low) ** rng.random()} for _ in range(200)]
    for params in configurations:
        objective(params)
    fresh = [objective.hits[place][seed, objective.test].mean() for place, seed in objective.tried]
    rates = [params["learning_rate"] for params in configurations]
    return xr.Dataset({"theirs": ("trial", objective.scores[1:]), "fresh": ("trial", fresh[1:]),
                       "learning_rate": ("trial", rates[1:])},
                      attrs={"baseline": objective.scores[0], "baseline on fresh images": float(fresh[0])})
