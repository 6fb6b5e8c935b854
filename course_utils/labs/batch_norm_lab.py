"""How high can the learning rate be, with batch norm and without?"""

from course_utils import datasets, fit_many, models, plots
from course_utils.formatting import in_percent
from course_utils.labs import controls
from course_utils.labs.base import Lab

EPOCHS, SEEDS = 10, 10
NAMES = {False: "without", True: "with"}


class BatchNormLab(Lab):
    """Training loss and validation accuracy of one network, with batch norm and without."""

    controls = {
        "learning_rate": controls.log_uniform("learning rate", 0.1, low=1e-3, high=10.0),
        "batch_norm": controls.boolean("batch norm", True),
        "compare": controls.boolean("show the other network too", True),
        "activation": controls.choice("activation", ["relu", "tanh", "sigmoid"], "relu"),
        "depth": controls.choice("hidden layers", [1, 2, 3, 4, 6], 3),
        "initial_scale": controls.log_uniform("initial-weight scale", 1.0, low=0.01, high=10.0),
        "batch_size": controls.choice("batch size", [8, 16, 32, 64, 128], 32),
        "label_noise": controls.uniform("label noise", 0.0, high=0.6, unit="of the labels"),
    }
    try_this = (
        "Raise the learning rate step by step. Which network fails first, and how?",
        "Set the rate back to 0.1 and the initial-weight scale to 0.1, then to 3. Which network suffers more?",
        "Choose six hidden layers with sigmoid units. Can any learning rate save the network without batch norm?")

    def compute(self, state, report):
        """Train ten seeds of each arm that is shown."""
        grid = {name: value for name, value in state.items() if name != "compare"}
        arms = [state["batch_norm"], not state["batch_norm"]] if state["compare"] else [state["batch_norm"]]
        return fit_many(models.mlp, datasets.digits(), {
            **grid, "momentum": 0.9, "batch_norm": arms, "seed": range(SEEDS)}, epochs=EPOCHS, callback=report)

    def draw(self, axes, state, runs):
        """Loss on the left, accuracy on the right; the chosen arm has the thicker line."""
        left, right = axes
        phrases = []
        for arm in runs.batch_norm.values:
            arm_runs, name = runs.sel(batch_norm=arm), NAMES[bool(arm)]
            converged, diverged = plots.converged(arm_runs)
            look = plots.LOOKS[name] | {"marker": "", "linewidth": 2.5 if arm == state["batch_norm"] else 1.5}
            plots.over_seeds(left, runs.epoch, converged.loss, **look)
            accuracy = plots.over_seeds(right, runs.epoch, arm_runs.val_accuracy, **look,
                                        label=f"{name} batch norm" + diverged.replace(" (", "\n("))
            phrases.append(f"{name} batch norm {in_percent(accuracy)}{diverged}")
        left.set(title="Training loss", xlabel="epoch", xlim=(0.8, EPOCHS + 0.2), ylim=(0, 2.6))
        right.set(title="Validation accuracy", xlabel="epoch", xlim=(0.8, EPOCHS + 0.2), ylim=(0, 1.02))
        plots.label_lines(right)
        return (f"Validation accuracy after {runs.sizes['epoch']} epochs at learning rate "
                f"{state['learning_rate']:.3g}, mean of {SEEDS} seeds and 95% interval: {'; '.join(phrases)}.")

    def result(self, state, runs):
        """The final accuracies."""
        accuracy = runs.val_accuracy.isel(epoch=-1).mean("seed")
        return ", ".join(f"{float(accuracy.sel(batch_norm=arm)):.0%} {NAMES[bool(arm)]} batch norm"
                         for arm in runs.batch_norm.values)
