"""Results of the ledger, measured again with plain `model.fit` and with other seeds.

    .venv/bin/python -m benchmarks.claims_by_keras            # three results that random.Random(28) draws
    .venv/bin/python -m benchmarks.claims_by_keras KEY TASK   # one of your choice

It uses the registered settings, but neither `fit_many` nor the course's comparisons. It prints both verdicts for each
result and fails if they differ.
"""

import random
import sys
from itertools import product

import keras
import numpy as np
import xarray as xr

from course_utils.claims import register
from course_utils.experiments import tasks

# All other knobs are arguments of the function that builds the model.
NOISE, SIZE, FLIPS, RATE = "label_noise", "train_size", "horizontal_flip", "learning_rate"


class Last(keras.callbacks.Callback):
    """Notes which validation samples are classified correctly after each of the last epochs."""

    def __init__(self, split, first):
        self.split, self.first, self.right = split, first, []

    def on_epoch_end(self, epoch, logs=None):
        if epoch >= self.first:
            self.right.append(self.model.predict(self.split.x_val, verbose=0).argmax(1) == self.split.y_val)


def trained(experiment, split, seed, knobs):
    """Accuracy over the last fifth of one training, on the half that chooses and on the half that measures."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = split.x_train[: knobs.get(SIZE)], split.y_train[: knobs.get(SIZE)].copy()
    wrong = rng.random(len(y)) < knobs.get(NOISE, 0)
    y[wrong] = (y[wrong] + rng.integers(1, split.classes, wrong.sum())) % split.classes
    own = {name: value for name, value in knobs.items() if name not in (NOISE, SIZE, FLIPS, RATE)}
    network = experiment.build_model(input_shape=x.shape[1:], classes=split.classes, **own)
    flips = [keras.layers.RandomFlip("horizontal")] if knobs.get(FLIPS) else []
    model = keras.Sequential([keras.Input(x.shape[1:]), *flips, network])
    kind = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[experiment.optimizer]
    model.compile(kind(knobs[RATE]), "sparse_categorical_crossentropy")
    epochs = max(round(experiment.steps / (len(x) // 32)), 1)
    last = Last(split, epochs - max(epochs // 5, 1))
    model.fit(x, y, epochs=epochs, batch_size=32, callbacks=[last], verbose=0)
    half = rng.permutation(len(split.x_val)) % 2 == 0
    return [float(np.mean(last.right, 0)[part].mean()) for part in (half, ~half)]


def effects(study, task, pairs):
    """One effect for each of some pairs of trainings, as the study defines it."""
    experiment, scores = study.experiment, []
    for seed, (arm, own) in product(range(9000, 9000 + pairs), experiment.arms.items()):
        split = own.get("data", lambda split, seed: split)(experiment.data(tasks.TASKS[task])(seed), seed)
        fixed = experiment.fixed | {name: value for name, value in own.items() if name != "data"}
        at = [dict(zip(experiment.sweep, values, strict=True)) for values in product(*experiment.sweep.values())]
        found = np.array(
            [
                [trained(experiment, split, seed, fixed | configuration | point) for point in at]
                for configuration in experiment.configurations(arm)
            ]
        )  # (configurations, points, halves)
        scores.append(found[found[..., 0].mean(1).argmax(), :, 1])
    shape = [pairs, len(experiment.arms), *map(len, experiment.sweep.values()), 1]
    runs = xr.Dataset(
        {"val_accuracy": (("seed", "arm", *experiment.sweep, "step"), np.reshape(scores, shape))},
        {"arm": list(experiment.arms), **experiment.sweep},
    )
    return study.effect(runs).values


def main(chosen):
    """Measure some results, given as (key, task), again; the number of verdicts that differ."""
    different = 0
    for key, task in chosen:
        study, measured = register.studies()[key], register.results(key)[task]["effects"]
        again = effects(study, task, len(measured))
        (before, verdict), (now, same) = study.judge(measured), study.judge(again)
        print(
            f"{key} on {task}: {verdict} ({before.mean:.3g} [{before.low:.3g}, {before.high:.3g}]); by model.fit: "
            f"{same} ({now.mean:.3g} [{now.low:.3g}, {now.high:.3g}])",
            flush=True,
        )
        different += verdict != same
    return different


if __name__ == "__main__":
    everything = [(key, task) for key in sorted(register.studies()) for task in register.results(key)]
    sys.exit(main([tuple(sys.argv[1:])] if sys.argv[1:] else random.Random(28).sample(everything, 3)))
