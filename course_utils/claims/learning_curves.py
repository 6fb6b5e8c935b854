"""Claims about learning curves, tried in lecture 01."""

import numpy as np

from course_utils import datasets
from course_utils.claims import SLIP, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison
from course_utils.experiments.tasks import TASKS


def halves(task):
    """The task with each sample averaged to two numbers: for an image, the means of its upper and its lower half."""
    def split(seed):
        data = task(seed)
        x_train, x_val = (x.reshape(len(x), 2, -1).mean(axis=2) for x in (data.x_train, data.x_val))
        return data.replace(x_train=x_train, x_val=x_val, test=None)

    return split


CLAIMS = [
    Claim("lc-more-data", "More data always helps.", SLIP, "01", "accuracy gained by doubling the training data"),
    Claim("lc-careless-labels", "More data helps, even if some of it is labeled carelessly.", SLIP, "01",
          "accuracy gained by adding three times as many samples, half of them labeled wrongly"),
]


def half(split, seed):
    """Half of the training samples, repeated to the size of the whole, so that both arms take the same steps."""
    rows = np.arange(len(split.y_train)) % (len(split.y_train) // 2)
    return split.replace(x_train=split.x_train[rows], y_train=split.y_train[rows])


def a_quarter(split, seed):
    """A quarter of the training samples, repeated to the size of the whole, so that both arms take the same steps."""
    rows = np.arange(len(split.y_train)) % (len(split.y_train) // 4)
    return split.replace(x_train=split.x_train[rows], y_train=split.y_train[rows])


def a_quarter_and_careless_labels(split, seed):
    """The same quarter, and all the other samples, half of which are labeled wrongly."""
    y, own = split.y_train.copy(), len(split.y_train) // 4
    y[own:] = datasets.with_label_noise(y[own:], 0.5, split.classes, np.random.default_rng(seed))
    return split.replace(y_train=y)


STUDIES = [
    Study("lc-more-data", Comparison(
        arms={"half of the data": {"data": half}, "all of the data": {}},
        tune={"learning_rate": [0.01, 0.03, 0.1, 0.3]}, fixed={"width": 32, "depth": 2}, steps=1500),
        "accuracy gained by doubling the training data", threshold=0.01, neutral=0.0, margin=0.01,
        within="1500 steps", tasks=tuple(TASKS), minutes=20.0),
    Study("lc-careless-labels", Comparison(
        arms={"a quarter": {"data": a_quarter}, "all, carelessly labeled": {"data": a_quarter_and_careless_labels}},
        tune={"learning_rate": [0.01, 0.03, 0.1, 0.3]}, fixed={"width": 32, "depth": 2}, steps=1500),
        "accuracy gained by adding three times as many samples, half of them labeled wrongly", threshold=0.02,
        neutral=0.0, margin=0.02, tasks=tuple(TASKS)),
]
