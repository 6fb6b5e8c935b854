"""Claims about learning curves, tried in lecture 01."""

import numpy as np

from course_utils import datasets, fit_many, models
from course_utils.claims import A_POINT, SLIP, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison
from course_utils.experiments.tasks import TASKS
from course_utils.experiments.tuning import at_best, settled

# The learning rates differ little here; with only two seeds, chance would choose among them.
TUNING_SEEDS = range(90, 100)
LAST = 0.25   # share of the epochs that are averaged


def doubling_halves(task, seeds):
    """512 and 1024 samples of which a network sees only two numbers."""
    return tuned_runs(halves(task), seeds, {"depth": 1, "width": 16, "train_size": [512, 1024]})


def halves(task):
    """The task with each sample averaged to two numbers: for an image, those of its upper and its lower half."""
    def split(seed):
        data = task(seed)
        x_train, x_val = (x.reshape(len(x), 2, -1).mean(axis=2) for x in (data.x_train, data.x_val))
        return data.replace(x_train=x_train, x_val=x_val, test=None)

    return split


def doubling_images(task, seeds):
    """256 and 512 samples for a network that knows them by heart."""
    return tuned_runs(task, seeds, {"train_size": [256, 512]})


def gained_by_doubling(runs):
    """Validation accuracy with twice the samples minus without, per seed."""
    final = settled(runs, share=LAST)
    return final.isel(train_size=1, drop=True) - final.isel(train_size=0, drop=True)


OWNED = 256


def careless_collection(task, seeds):
    """256 samples with right labels, alone and with all the others, half of those labeled wrongly.

    Alone they are repeated to the size of the whole, so that both arms take the same steps
    and are given the same choice of learning rates.
    """
    return tuned_runs(collected(task, wrong=0.5), seeds, {}), tuned_runs(collected(task), seeds, {})


def collected(task, *, wrong=None):
    """The task with 256 correct labels and a share `wrong` of label noise among the others.

    If `wrong` is None, the first 256 samples are repeated in place of the others.
    """
    def split(seed):
        data = task(seed)
        x, y = data.x_train, data.y_train.copy()
        if wrong is None:
            repeated = np.arange(len(y)) % OWNED
            return data.replace(x_train=x[repeated], y_train=y[repeated])
        y[OWNED:] = datasets.with_label_noise(y[OWNED:], wrong, data.classes, np.random.default_rng(seed))
        return data.replace(y_train=y)

    return split


def gained_by_collecting(runs):
    """Validation accuracy with the carelessly labeled samples minus without, per seed."""
    more, alone = (settled(arm, share=LAST).drop_vars("learning_rate") for arm in runs)
    return more - alone


def tuned_runs(task, seeds, setting):
    """Runs of two layers of 32 units, each seed with its own split, at the best of three learning rates.

    `setting` adds to the grid or replaces values in it.
    """
    runs = fit_many(models.mlp, task, {
        "width": 32, "depth": 2, "learning_rate": [0.03, 0.1, 0.3], **setting, "seed": [*TUNING_SEEDS, *seeds]},
        epochs=20)
    return at_best("learning_rate", runs, score=settled(runs, share=LAST), seeds=TUNING_SEEDS)


CLAIMS = [
    Claim("lc-more-data", "More data always helps.", SLIP, "01",
          "accuracy gained by doubling the data, inputs averaged to two numbers",
          doubling_halves, gained_by_doubling, threshold=A_POINT, neutral=0.0, smallest_effect=0.007, pilot_sd=0.016),
    Claim("lc-learned-by-heart", "A network that knows its training data by heart needs more data.", SLIP, "01",
          "accuracy gained by doubling 256 samples, training accuracy near 100 %",
          doubling_images, gained_by_doubling, threshold=A_POINT, neutral=0.0, smallest_effect=0.01, pilot_sd=0.013),
    Claim("lc-careless-labels", "More data helps, even if some of it is labeled carelessly.", SLIP, "01",
          "accuracy gained by adding three times as many samples, half of them labeled wrongly",
          careless_collection, gained_by_collecting, threshold=A_POINT, neutral=0.0,
          smallest_effect=0.02, pilot_sd=0.027),
]


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
    Study("lc-careless-labels", Comparison(
        arms={"a quarter": {"data": a_quarter}, "all, carelessly labeled": {"data": a_quarter_and_careless_labels}},
        tune={"learning_rate": [0.01, 0.03, 0.1, 0.3]}, fixed={"width": 32, "depth": 2}, steps=1500),
        "accuracy gained by adding three times as many samples, half of them labeled wrongly", threshold=0.02,
        neutral=0.0, margin=0.02, tasks=tuple(TASKS)),
]
