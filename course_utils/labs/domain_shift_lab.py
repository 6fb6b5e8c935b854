"""A trained network gets images from another camera: which of three remedies helps?"""

import numpy as np
import xarray as xr

from course_utils import datasets, plots
from course_utils.experiments.trained_networks import domain, re_estimated, trained_on_half, with_norms
from course_utils.formatting import in_percent
from course_utils.labs import controls
from course_utils.labs.base import Lab
from course_utils.training.fine_tune import fine_tune

SEEDS = tuple(range(10))
LOOKS = {
    "unchanged": {"label": "left as it is", "color": "0.4", "marker": "x", "linestyle": "--"},
    "re-estimated": {"label": "statistics re-estimated, no labels", "color": "C2", "marker": "^", "linestyle": "--"},
    "fine-tuned": {"label": "fine-tuned", "color": "C0", "marker": "o", "linestyle": "-"},
    "fine-tuned, frozen": {"label": "fine-tuned, batch norm frozen", "color": "C1", "marker": "s", "linestyle": "-"},
}


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
        data, frozen = domain(state["contrast"], state["noise"]), with_norms(model, trainable=False)
        size, every = min(state["batch_size"], state["images"]), state["steps"] // 10
        estimated = re_estimated(model, weights, data.x_train, state["images"])
        arms = [(model, weights, 0), (model, estimated, 0), (model, weights, state["steps"]),
                (frozen, weights, state["steps"])]
        scores = []
        for network, start, steps in arms:
            score = fine_tune(network, start, data, learning_rate=state["learning_rate"], steps=steps,
                              batch_size=size, evaluate_every=every, train_size=state["images"],
                              seeds=SEEDS)[0].val_accuracy
            scores.append(score.reindex(step=range(0, state["steps"] + 1, every), method="ffill"))
            partial = xr.concat(scores, xr.Variable("arm", list(LOOKS)[:len(scores)]))
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
            last = plots.over_seeds(right, runs.step, runs.sel(arm=arm), markevery=0.25, linewidth=2.5, **LOOKS[arm])
            phrases.append(f"{LOOKS[arm]['label']} {in_percent(last)}")
        right.set(title="Accuracy in the new domain", xlabel="fine-tuning step", ylim=(0, 1.02))
        right.legend(loc="best", fontsize=9)
        size = min(state["batch_size"], state["images"])
        return (f"Validation accuracy with {state['images']} new images in batches of {size}, mean of {len(SEEDS)} "
                f"seeds and 95% interval: {'; '.join(phrases)}.")

    def result(self, state, runs):
        """The accuracy before, and with the best remedy."""
        last = runs.isel(step=-1).mean("seed")
        best = LOOKS[last.idxmax("arm").item()]["label"]
        return f"{float(last.sel(arm='unchanged')):.0%} unchanged, {float(last.max()):.0%} at best ({best})"

    @staticmethod
    def done(runs):
        """Share of the arms that are finished."""
        return runs.sizes["arm"] / len(LOOKS)
