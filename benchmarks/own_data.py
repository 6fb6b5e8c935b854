"""fit_many on data that are not the course's: `make bench-data` prints how it compares with model.fit.

Each task is trained twice in float64: with fit_many, and with model.fit on the same batches from the same weights. The
largest difference between any two of their scores is printed, and how many times faster ten runs are. Compiling is not
included on either side; both are timed in turn, and the median of the repeats counts.
"""

import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TQDM_DISABLE", "1")

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_breast_cancer, load_diabetes

from course_utils import datasets, fit_many
from tests.helpers.by_keras import train

EPOCHS, BATCH, RUNS, REPEATS = 5, 32, 10, 3


def split(name, x, y):
    """Every fourth sample is for validation; the features are standardized as in the training set."""
    val = np.arange(len(x)) % 4 == 0
    if x.dtype.kind == "f":
        x = (x - x[~val].mean(0)) / x[~val].std(0)
    return datasets.Split(name, x[~val], y[~val], x[val], y[val])


def diabetes():
    """Regression: the progress of 442 patients, in standard deviations."""
    x, y = load_diabetes(return_X_y=True)

    def build():
        return keras.Sequential(
            [keras.Input((10,)), layers.Dense(32, "relu"), layers.BatchNormalization(), layers.Dense(1)]
        )

    return build, split("diabetes", x, (y - y.mean()) / y.std()), {"loss": "mse", "metrics": ["mae"]}


def breast_cancer():
    """Two classes of 569 tumors: the rarer one, malignant, counts as much as the other."""
    x, y = load_breast_cancer(return_X_y=True)

    def build():
        return keras.Sequential([keras.Input((30,)), layers.Dense(32, "relu"), layers.Dense(1, "sigmoid")])

    weights = {label: 0.5 / (y == label).mean() for label in (0, 1)}
    options = {"loss": "binary_crossentropy", "metrics": ["accuracy"], "class_weight": weights}
    return build, split("breast_cancer", x, y), options


def text():
    """Sequences of 20 out of 50 words: are there more of the first ten words than of the last ten?"""
    words = np.random.default_rng(0).integers(50, size=(600, 20)).astype("int32")
    y = ((words < 10).sum(1) > (words >= 40).sum(1)).astype("int32")

    def build():
        return keras.Sequential(
            [
                keras.Input((20,), dtype="int32"),
                layers.Embedding(50, 8),
                layers.GlobalAveragePooling1D(),
                layers.Dense(16, "relu"),
                layers.Dense(2, "softmax"),
            ]
        )

    options = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    return build, split("text", words, y), options


TASKS = {"diabetes": diabetes, "breast_cancer": breast_cancer, "text": text}


def difference(build, data, options, seeds=(0, 1)):
    """The largest difference between a score of fit_many and that of model.fit."""
    runs = fit_many(build, data, {"seed": seeds}, epochs=EPOCHS, batch_size=BATCH, dtype="float64", **options)
    return max(
        np.abs(runs[name].sel(seed=seed).values - values).max()
        for seed in seeds
        for name, values in train(build, data, seed=seed, epochs=EPOCHS, batch_size=BATCH, **options).items()
    )


def times_faster(build, data, options):
    """Seconds that ten runs take with model.fit over those with fit_many; one stands for the ten."""
    model = build()
    weight = options.get("class_weight")
    model.compile("sgd", options["loss"], metrics=options["metrics"])

    def one(epochs=EPOCHS):
        start = time.perf_counter()
        validation = (data.x_val, data.y_val)
        model.fit(data.x_train, data.y_train, BATCH, epochs, 0, validation_data=validation, class_weight=weight)
        return time.perf_counter() - start

    def ten(epochs=EPOCHS):
        start = time.perf_counter()
        fit_many(build, data, {"seed": range(RUNS)}, epochs=epochs, batch_size=BATCH, **options)
        return time.perf_counter() - start

    one(1), ten(1)  # compiles
    return statistics.median(RUNS * one() / ten() for _ in range(REPEATS))


def main(names):
    if unknown := set(names) - set(TASKS):
        sys.exit(f"There is no task {', '.join(sorted(unknown))}; there are {', '.join(TASKS)}.")
    for name in names or TASKS:
        task = TASKS[name]()
        differs = difference(*task)
        print(f"{name}: differs by {differs:.1g}; ten runs {times_faster(*task):.2g} times as fast", flush=True)
        if differs > 1e-8:
            sys.exit(f"fit_many and model.fit differ by {differs:.1g} on {name}.")


if __name__ == "__main__":
    main(sys.argv[1:])
