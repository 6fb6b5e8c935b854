"""A trained network gets images from another camera: which of three remedies helps?"""

import functools

import numpy as np
import xarray as xr

from course_utils import datasets, plots, stats
from course_utils.experiments.trained_networks import halves, shifted, trained_on_half, with_norms
from course_utils.formatting import in_percent
from course_utils.labs import controls
from course_utils.labs.base import Lab
from course_utils.training.fine_tune import each, fine_tune, stack

SEEDS = tuple(range(10))
ARMS = {"unchanged": "left as it is", "re-estimated": "statistics re-estimated, no labels",
        "fine-tuned": "fine-tuned", "fine-tuned, frozen": "fine-tuned, batch norm frozen"}
COLORS = dict(zip(ARMS, ("0.4", "C2", "C0", "C1"), strict=True))
MARKERS = dict(zip(ARMS, ("x", "^", "o", "s"), strict=True))


class DomainShiftLab(Lab):
    """Accuracy in a new domain: unchanged, with statistics re-estimated, and fine-tuned in two ways."""

    controls = {
        "contrast": controls.uniform("contrast", 0.3, low=0.1),
        "noise": controls.uniform("noise", 0.05, high=0.5),
        "images": controls.choice("new images", [8, 32, 128, 512], 128, structural=False),
        "batch_size": controls.choice("batch size", [2, 8, 32], 32),
        "steps": controls.choice("fine-tuning steps", [20, 60, 200], 60, structural=False),
        "learning_rate": controls.log_uniform("learning rate", 0.03, low=0.001, high=0.1),
    }
    try_this = (
        "Set the noise to 0 and lower the contrast. Which remedy needs no labels, and how few images are too few?",
        "Set the contrast to 1 and raise the noise. What helps now?",
        "Set the contrast to 1, the noise to 0, and the batch size to 2. Which remedy damages a network that was fine?")
    stays_light = True

    def compute(self, state, report):
        """Evaluate ten networks, which were trained once on the old domain, in the new one."""
        model, weights = trained_on_half(datasets.digits, SEEDS)
        data = domain(state["contrast"], state["noise"])
        size, frozen = min(state["batch_size"], state["images"]), with_norms(model, trainable=False)
        estimated = re_estimated(model, weights, data.x_train, state["images"])
        arms = [(model, weights, 0), (model, estimated, 0), (model, weights, state["steps"]),
                (frozen, weights, state["steps"])]
        scores, every = [], max(1, state["steps"] // 10)
        for network, start, steps in arms:
            scores.append(fine_tune(network, start, data, learning_rate=state["learning_rate"], steps=steps,
                                    batch_size=size, evaluate_every=every, train_size=state["images"],
                                    seeds=SEEDS)[0].val_accuracy)
            partial = xr.concat([score.reindex(step=range(0, state["steps"] + 1, every), method="ffill")
                                 for score in scores], xr.Variable("arm", list(ARMS)[:len(scores)]))
            if report(partial):
                break
        return partial

    def draw(self, axes, state, runs):
        """Digits of both domains on the left, accuracy after each step on the right."""
        left, right = axes
        old, new = domain(1.0, 0.0).x_val, domain(state["contrast"], state["noise"]).x_val
        plots.tiles(left, np.reshape([old[:10], new[:10]], (4, 5, 8, 8)))
        left.set_title("Old domain (top) and new one")
        phrases = []
        for arm in runs.arm.values:
            accuracy = stats.interval(runs.sel(arm=arm, drop=True))
            plots.band(right, accuracy.step, accuracy, linestyle="-" if "tuned" in arm else "--", color=COLORS[arm],
                       marker=MARKERS[arm], markevery=0.25, linewidth=2.5, label=ARMS[arm])
            phrases.append(f"{ARMS[arm]} {in_percent(accuracy.isel(step=-1))}")
        right.set(title="Accuracy in the new domain", xlabel="fine-tuning step", ylim=(0, 1.02))
        right.legend(loc="best", fontsize=9)
        return (f"With {state['images']} images of the new domain, in batches of "
                f"{min(state['batch_size'], state['images'])}: {'; '.join(phrases)} "
                f"(validation accuracy, mean of {len(SEEDS)} seeds and 95% interval).")

    def result(self, state, runs):
        """The accuracy before, and with the best remedy."""
        last = runs.isel(step=-1).mean("seed")
        best = str(last.idxmax("arm").item())
        return f"{float(last.sel(arm='unchanged')):.0%} unchanged, {float(last.max()):.0%} at best ({ARMS[best]})"

    @staticmethod
    def done(runs):
        """Share of the arms that are finished."""
        return runs.sizes["arm"] / len(ARMS)


@functools.lru_cache(maxsize=8)
def domain(contrast, noise):
    """Images that no network was trained on, seen by another camera: a Split."""
    return shifted(halves(datasets.digits())[1], contrast=contrast, noise=noise)


def re_estimated(model, weights, x, images):
    """Networks with the running statistics of some images of a new domain, different images for each seed.

    Parameters
    ----------
    model : keras.Model
        The structure.
    weights : list of arrays (networks, ...)
    x : array (samples, ...)
    images : int
        How many of them each network sees, without labels.

    Returns
    -------
    list of arrays (networks, ...)

    Source: Li et al. (2016), Revisiting batch normalization for practical domain adaptation.
    """
    def updated_networks():
        without_memory = with_norms(model, momentum=0.0)   # its averages are those of the last batch
        for seed, network in enumerate(each(without_memory, weights)):
            network(np.random.default_rng(seed).permutation(x)[:images], training=True)
            yield network

    return stack(updated_networks())
