"""Eight networks for exercise 01, each trained with something to notice; the learner sees only the curves."""

import numpy as np
import xarray as xr

from course_utils import datasets, fit_many, models, moved, plots

__getattr__ = moved.old_names(__name__)

EPOCHS = 20
SEEDS = 10


def train_cases():
    """Train all eight, ten times each, and give each a letter; an xarray.Dataset, dims (network, seed, epoch).

    It has loss, accuracy, val_loss, and val_accuracy; and new_accuracy, on images that were collected
    when the networks were already in use.
    """
    digits = datasets.digits(seed=0)
    data = digits.replace(x_val=digits.x_val[::2], y_val=digits.y_val[::2])
    new = digits.replace(x_val=digits.x_val[1::2], y_val=digits.y_val[1::2])
    order = np.argsort(data.y_train, kind="stable")
    in_rows = data.replace(x_train=data.x_train[order], y_train=data.y_train[order])
    few = np.arange(len(data.x_train)) % len(data.x_val)
    copied = data.replace(x_train=data.x_train[few], y_train=data.y_train[few],
                          x_val=data.x_train[:len(data.x_val)], y_val=data.y_train[:len(data.x_val)])
    cases = {
        "A": _train(data, new, learning_rate=0.1, dropout=0.6),
        "B": _train(in_rows, new, learning_rate=0.1, shuffle=False),
        "C": _train(data, new, learning_rate=0.001),
        "D": _train(data, new, learning_rate=0.1, batch_norm=True, momentum=0.999),
        "E": _train(data, new, learning_rate=0.3, width=3, depth=1, activation="tanh"),
        "F": _train(copied, new, learning_rate=0.1),
        "G": _train(data, new, learning_rate=0.7),
        "H": _train(data, new, learning_rate=0.1, label_noise=0.3, train_size=384),
    }
    return xr.concat(list(cases.values()), xr.Variable("network", list(cases)), coords="minimal", compat="override")


def plot_cases(runs):
    """Draw what `train_cases` returns: three accuracies by epoch, mean and 95% interval; a matplotlib figure."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots(2, 4, sharex=True, sharey=True)
    called = {"accuracy": "training", "val_accuracy": "validation", "new_accuracy": "new images"}
    for ax, network in zip(axes.flat, runs.network.values, strict=True):
        scores = runs[list(called)].sel(network=network).to_dataarray()
        plots.lines(scores, "epoch", by="variable", labels=called, title=f"Network {network}", ax=ax)
        ax.legend().remove()
        ax.set(ylim=(0, 1.02), xlabel="", ylabel="")
    for ax in axes[1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _train(data, new, **knobs):
    runs = fit_many(models.mlp, data, {**knobs, "seed": range(SEEDS)}, epochs=EPOCHS, predict=new.x_val)
    hits = runs.probability.argmax("class") == xr.DataArray(new.y_val, dims="point")
    scores = runs[["loss", "accuracy", "val_loss", "val_accuracy"]].assign(new_accuracy=hits.mean("point"))
    return scores.reset_coords(drop=True)   # without the settings, which would give the diagnosis away
