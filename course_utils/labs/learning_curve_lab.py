"""More data or a better model? A learning curve, and a power law that predicts how it continues."""

from course_utils import datasets, fit_many, models, plots, power_law
from course_utils.formatting import in_percent
from course_utils.labs import controls
from course_utils.labs.base import Lab

SIZES = [32, 48, 64, 96, 128, 192, 256, 512, 1024]
SEEDS = 10
EPOCHS = 20   # the number of steps is the same at every size; with fewer, large sets would not be learned yet


class LearningCurveLab(Lab):
    """Scores against training-set size, and the power law of the images you have compared with the rest."""

    controls = {
        "images": controls.choice("images you have", [128, 192, 256, 512], 256, structural=False),
        "label_noise": controls.uniform("label noise", 0.0, high=0.6, unit="of the labels"),
        "width": controls.choice("units per layer", [4, 8, 32], 32),
        "fit": controls.boolean("fit a power law", True),
    }
    try_this = (
        "How few images are enough for the power law to predict the hollow points?",
        "Raise the label noise to 0.3. Which part of the curve leads the power law astray?",
        "Choose four units per layer. Would you buy more data for this network?")

    def compute(self, state, report):
        """Train ten networks at each size, each seed on training images of its own."""
        return fit_many(models.mlp, datasets.digits(), {
            "width": state["width"], "depth": 2, "label_noise": state["label_noise"], "learning_rate": 0.1,
            "train_size": SIZES, "seed": range(SEEDS)}, epochs=EPOCHS, callback=report)

    def draw(self, axes, state, runs):
        """Training and validation accuracy on the left, validation error on logarithmic axes on the right."""
        left, right = axes
        plots.learning_curve(runs, title="Accuracy", ax=left).get_legend().remove()
        left.axvline(state["images"], color="0.4", linewidth=1, linestyle=":", marker="")
        left.set_ylim(0, 1.02)
        plots.label_lines(left)
        errors = 1 - runs.val_accuracy.isel(epoch=-1)
        measured = float(errors.sel(train_size=SIZES[-1]).mean())
        text = f"With {SIZES[-1]} images, the measured error is {measured:.1%}"
        if state["fit"] and self.done(runs) == 1:
            law = power_law.fit(errors.sel(train_size=slice(state["images"])), resamples=60)
            plots.power_law(errors, law, ax=right)
            prediction = law.predict(SIZES[-1:]).isel(train_size=0)
            place = "inside" if prediction["low"] <= measured <= prediction["high"] else "outside"
            text += (f", {place} the 95% prediction interval of a power law fitted to up to {state['images']} images, "
                     f"{in_percent(prediction)}")
        else:
            plots.lines(errors, "train_size", ax=right)
            plots.errors_on_log_axis(right)
        right.set(title="Validation error, on log axes", ylim=(0.01, 1.1))
        return f"{text} (means of {SEEDS} runs, each on other training images)."

    def result(self, state, runs):
        """The errors with the images one has and with all of them."""
        error = 1 - runs.val_accuracy.isel(epoch=-1).mean("seed")
        return (f"Error {float(error.sel(train_size=state['images'])):.0%} with {state['images']} images, "
                f"{float(error.sel(train_size=SIZES[-1])):.0%} with {SIZES[-1]}")
