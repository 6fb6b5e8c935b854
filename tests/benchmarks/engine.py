"""How much faster is fit_many? `make bench` writes the ratios into course_utils/measured.json.

Both sides of a ratio are timed alternately in one process, so that a busy machine slows both;
the median of the repeats counts.
"""

import json
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TQDM_DISABLE", "1")

import keras
import numpy as np

from course_utils import datasets, fit_many, measured, models
from course_utils.engine import blocks

REPEATS = 3
EPOCHS = 20
RATES = np.logspace(-3, 0, 10)


def seconds(function):
    """Seconds one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def by_keras(digits, batch_norm, epochs):
    """Seconds of one model.fit, building and compiling included."""
    def train():
        model = models.mlp(batch_norm=batch_norm)
        model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(digits.x_train, digits.y_train, batch_size=32, epochs=epochs, verbose=0,
                  validation_data=(digits.x_val, digits.y_val))
    return seconds(train)


def sweep(digits, epochs=EPOCHS, **grid):
    """100 MLPs 3×64: ten learning rates, with and without batch norm, five seeds."""
    return fit_many(models.mlp, digits, {"learning_rate": RATES, "batch_norm": [False, True], "seed": range(5),
                                         **grid}, epochs=epochs)


def steps_by_keras(digits, batch_norm, epochs=5):
    """Seconds of training alone, once Keras has compiled its step."""
    model = models.mlp(batch_norm=batch_norm)
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
    model.fit(digits.x_train, digits.y_train, batch_size=32, epochs=1, verbose=0)
    return seconds(lambda: model.fit(digits.x_train, digits.y_train, batch_size=32, epochs=epochs, verbose=0))


def steps_by_fit_many(digits, batch_norm, epochs=20):
    """Seconds of training ten networks at once, once compiled."""
    grid = {"batch_norm": batch_norm, "seed": range(10)}
    fit_many(models.mlp, digits, grid, epochs=1)
    return seconds(lambda: fit_many(models.mlp, digits, grid, epochs=epochs))


def main():
    digits = datasets.digits()
    sweep(digits, epochs=1)   # imports, thread pools: both sides have them behind them
    by_keras(digits, True, 1)
    cold, warm, loop, step_keras, step_many = [], [], [], [], []
    for _ in range(REPEATS):
        blocks._model_and_program.cache_clear()
        cold.append(seconds(lambda: sweep(digits)))
        warm.append(seconds(lambda: sweep(digits)))
        three = [by_keras(digits, False, EPOCHS), by_keras(digits, True, EPOCHS), by_keras(digits, True, EPOCHS)]
        loop.append(50 * three[0] + 50 * (three[1] + three[2]) / 2)
        step_keras.append(steps_by_keras(digits, True) / steps_by_keras(digits, False))
        step_many.append(steps_by_fit_many(digits, True) / steps_by_fit_many(digits, False))

    def row(work, what, against, ratios):
        return {"work": work, "what": what, "against": against, "ratio": float(f"{statistics.median(ratios):.2g}"),
                "repeats": REPEATS}

    mlps = f"100 MLPs 3×64, half with batch norm, {EPOCHS} epochs"
    results = {
        "sweep_cold": row(f"{mlps}, compiling included", "faster than", "a loop of model.fit",
                          [a / b for a, b in zip(loop, cold, strict=True)]),
        "sweep_warm": row(f"{mlps}, compiled before", "faster than", "a loop of model.fit",
                          [a / b for a, b in zip(loop, warm, strict=True)]),
        "bn_step_keras": row("a training step with batch norm, in model.fit", "as long as", "one without", step_keras),
        "bn_step_fit_many": row("a training step with batch norm, in fit_many", "as long as", "one without", step_many),
    }
    measured.RESULTS.write_text(json.dumps(measured.results() | results, indent=1, ensure_ascii=False) + "\n",
                                encoding="utf-8")
    print(f"{os.cpu_count()} cores, {platform.machine()}; median of {REPEATS}")
    print(measured.table())


if __name__ == "__main__":
    main()
