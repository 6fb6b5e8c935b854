"""How far can the learning rate be turned up, with batch norm and without?"""

from course_utils import datasets, fit_many, models, plots, stats
from course_utils.formatting import in_percent
from course_utils.labs import controls
from course_utils.labs.base import Lab

EPOCHS = 10
SEEDS = 10
COLORS = {False: "C0", True: "C1"}


class BatchNormLab(Lab):
    """Training loss and validation accuracy of one network, with batch norm and without."""

    controls = {
        "learning_rate": controls.log_uniform("learning rate", 0.1, low=1e-3, high=10.0),
        "batch_norm": controls.boolean("batch norm", True),
        "compare": controls.boolean("show the other arm too", True),
        "activation": controls.choice("activation", ["relu", "tanh", "sigmoid"], "relu"),
        "depth": controls.choice("hidden layers", [1, 2, 3, 4, 6], 3),
        "initial_scale": controls.log_uniform("initial-weight scale", 1.0, low=0.01, high=10.0),
        "batch_size": controls.choice("batch size", [8, 16, 32, 64, 128], 32),
        "label_noise": controls.uniform("wrong labels", 0.0, high=0.6, unit="of the labels"),
    }

    def compute(self, state, report):
        """Train ten seeds of each arm that is shown."""
        grid = {name: value for name, value in state.items() if name != "compare"}
        arms = [state["batch_norm"], not state["batch_norm"]] if state["compare"] else [state["batch_norm"]]
        return fit_many(models.mlp, datasets.digits(), {
            **grid, "momentum": 0.9, "batch_norm": arms, "seed": range(SEEDS)}, epochs=EPOCHS, callback=report)

    def draw(self, axes, state, runs):
        """Loss on the left, accuracy on the right; the chosen arm bold, the other one thin and dashed."""
        left, right = axes
        phrases = []
        for arm in runs.batch_norm.values:
            chosen, name = bool(arm) == state["batch_norm"], plots.value_label("batch_norm", arm)
            arm_runs = runs.sel(batch_norm=arm)
            converged = ~arm_runs.diverged.isel(epoch=-1, drop=True)
            diverged = int((~converged).sum())
            look = {"color": COLORS[bool(arm)], "linestyle": "-" if chosen else "--", "marker": "",
                    "linewidth": 2.5 if chosen else 1.5}
            if converged.sum() > 1:
                plots.band(left, runs.epoch, stats.interval(arm_runs.loss.sel(seed=converged)), **look)
            accuracy = stats.interval(arm_runs.val_accuracy)
            plots.band(right, runs.epoch, accuracy, **look,
                       label=name + (f" ({diverged} of {SEEDS} diverged)" if diverged else ""))
            phrases.append(f"{name} {in_percent(accuracy.isel(epoch=-1))}" +
                           (f", {diverged} of {SEEDS} runs diverged" if diverged else ""))
        if not left.lines:
            left.text(0.5, 0.5, "all runs diverged", ha="center", transform=left.transAxes)
        left.set(title="Training loss", xlabel="epoch", xlim=(0.8, EPOCHS + 0.2), ylim=(0, 2.6))
        right.set(title="Validation accuracy", xlabel="epoch", xlim=(0.8, EPOCHS + 0.2), ylim=(0, 1.02))
        right.legend(loc="lower right")
        return (f"Validation accuracy after {runs.sizes['epoch']} epochs at learning rate "
                f"{state['learning_rate']:.3g}, mean and 95 % interval over {SEEDS} seeds: {'; '.join(phrases)}.")
