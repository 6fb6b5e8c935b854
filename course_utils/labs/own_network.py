"""The playground for your own network and data: ``labs.playground(build_model=…, data=…)``."""

import dataclasses
import inspect

from course_utils import fit_many, plots
from course_utils.datasets import Split
from course_utils.formatting import rounded
from course_utils.labs import controls
from course_utils.labs.base import Lab

SEEDS, EPOCHS = 10, 20
SHARES = {"all": 1.0, "half": 0.5, "a quarter": 0.25}
TRAINING = {
    "learning_rate": controls.log_uniform("learning rate", 1e-3, low=1e-5, high=1.0),
    "batch_size": controls.choice("batch size", [8, 16, 32, 64, 128], 32),
    "train_size": controls.choice("training samples", list(SHARES), "all", structural=False),
}
# Arguments of functions that build models.
MODEL = {
    "width": controls.choice("units per layer", [2, 4, 8, 16, 32], 16),
    "depth": controls.choice("hidden layers", [1, 2, 3, 4], 2),
    "activation": controls.choice("activation", ["relu", "tanh", "sigmoid"], "relu"),
    "batch_norm": controls.boolean("batch norm", False, structural=True),
}
TITLES = {"loss": "Loss", "mae": "Mean absolute error", "accuracy": "Accuracy"}


def own_network(build_model, data, *, loss=None, optimizer="adam", **state):
    """A lab for your own network.

    Parameters
    ----------
    build_model : callable → keras.Model
        As for `fit_many`. Arguments ``width``, ``depth``, ``activation``, and ``batch_norm`` with defaults become
        controls.
    data : Split
    loss : str or keras.losses.Loss, optional
        By default, the mean squared error if the targets are floats; otherwise, the cross-entropy that suits the last
        layer.
    optimizer : str or keras.optimizers.Optimizer
    **state
        Values of controls.

    Raises
    ------
    TypeError
        `build_model` is not a function, or `data` is not a Split.
    """
    import keras

    if not callable(build_model) or isinstance(build_model, keras.Model):
        raise TypeError(f"build_model is {type(build_model).__name__}; expected a function that returns a new Keras "
                        "model each time.")
    if not isinstance(data, Split):
        raise TypeError(f"data is {type(data).__name__}; expected a course_utils.datasets.Split with x_train, y_train, "
                        "x_val, and y_val.")
    arguments = inspect.signature(build_model).parameters
    given = ["build_model=build_model", "data=data", *(["loss=loss"] if loss else []),
             *(["optimizer=optimizer"] if optimizer != "adam" else [])]
    loss = loss or loss_for(build_model, data)
    chosen = TRAINING | {   # an argument whose default isn't among the values of the control stays as it is
        name: dataclasses.replace(control, default=arguments[name].default) for name, control in MODEL.items()
        if name in arguments and control.check(arguments[name].default) is None}
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        chosen["label_noise"] = controls.uniform("label noise", 0.0, high=0.6, unit="of the labels")
    own = type("OwnNetworkLab", (OwnNetworkLab,), {
        "__module__": __name__, "controls": chosen, "build_model": staticmethod(build_model), "data": data,
        "loss": loss, "optimizer": optimizer, "score": "accuracy" if data.classes else "mae", "given": given})
    return own(**state)


class OwnNetworkLab(Lab):
    """Training and validation scores of ten networks of your own; made by `own_network`."""

    try_this = (
        "Raise the learning rate until the loss gets worse, then lower it until the loss is still falling at the end.",
        "Use half of the training samples, then a quarter. Would more data help your network?",
        "Keep these curves with Compare, and change one more control. Is the difference larger than the bands?")

    def call(self, state=None):
        """The line of code that opens this lab in a state."""
        arguments = super().call(state).partition("(")[2].removesuffix(")")
        return f"labs.playground({', '.join(filter(None, [*self.given, arguments]))})"

    def compute(self, state, report):
        """Train ten seeds on the same split."""
        knobs = state | {"train_size": int(SHARES[state["train_size"]] * len(self.data.x_train)), "seed": range(SEEDS)}
        return fit_many(self.build_model, self.data, knobs, epochs=EPOCHS, optimizer=self.optimizer, loss=self.loss,
                        metrics=[self.score], callback=report)

    def draw(self, axes, state, runs):
        """Loss on the left, the score on the right."""
        converged, diverged = plots.converged(runs)
        phrases = []
        for ax, name in zip(axes, ("loss", self.score), strict=True):
            phrases += training_and_validation(ax, runs.epoch, converged, name)
            ax.set(title=TITLES[name], xlabel="epoch", xlim=(0.8, EPOCHS + 0.2))
            ax.set_ylim(0, 1.02 if name == "accuracy" else None)
            plots.label_lines(ax)
        axes[0].set_title(f"Loss{diverged}")
        return (f"After {runs.sizes['epoch']} epochs{diverged}, mean of {converged.sizes['seed']} seeds and 95% "
                f"interval: {'; '.join(phrases) or 'none'}.")

    def result(self, state, runs):
        """The final validation score."""
        converged, _ = plots.converged(runs)
        if not converged.sizes["seed"]:
            return f"All {SEEDS} runs diverged"
        score = converged[f"val_{self.score}"].isel(epoch=-1).mean().item()
        return (f"{score:.0%} validation accuracy" if self.data.classes else
                f"Mean absolute error {score:.3g} on the validation data")


def training_and_validation(ax, epochs, runs, score):
    """Draw a score of training and validation by epoch; return what both are at the end, in words."""
    phrases = []
    for part, label in ((score, "training"), (f"val_{score}", "validation")):
        last = plots.over_seeds(ax, epochs, runs[part], label=label, **plots.LOOKS[label])
        if last is not None:
            phrases.append(f"{label} {TITLES[score].lower()} {rounded(*map(float, last.values()))}")
    return phrases


def loss_for(build_model, data):
    """The loss that suits the targets and the last layer of a model."""
    import keras

    if data.classes is None:
        return "mse"
    known = {"input_shape": data.x_train.shape[1:], "classes": data.classes}
    taken = inspect.signature(build_model).parameters
    last = build_model(**{name: value for name, value in known.items() if name in taken}).layers[-1]
    kind = "BinaryCrossentropy" if last.output.shape[-1] == 1 else "SparseCategoricalCrossentropy"
    linear = getattr(last, "activation", None) is keras.activations.linear
    return getattr(keras.losses, kind)(from_logits=linear)
