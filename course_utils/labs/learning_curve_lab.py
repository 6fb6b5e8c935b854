"""More data or a better model? A learning curve, and a power law that has to say where it goes."""

import numpy as np

from course_utils import datasets, fit_many, models, plots, power_law
from course_utils.labs import controls
from course_utils.labs.base import Lab

SIZES = [32, 48, 64, 96, 128, 192, 256, 512, 1024]
SEEDS = 10
EPOCHS = 20   # the number of steps is the same at every size; with fewer, large sets would not be learned yet
TEST_SHARE = 0.2   # of the data, in every split


class LearningCurveLab(Lab):
    """Scores against training-set size, and the power law of the images you have beside the rest."""

    controls = {
        "images": controls.choice("images you have", [128, 192, 256, 512], 256, structural=False),
        "label_noise": controls.uniform("wrong labels", 0.0, high=0.6, unit="of the labels"),
        "width": controls.choice("units per layer", [4, 8, 32], 32),
        "fit": controls.boolean("fit a power law", True),
    }

    def compute(self, state, report):
        """Train ten networks at each size, each seed with a split of its own."""
        return fit_many(models.mlp, datasets.digits, {
            "width": state["width"], "depth": 2, "label_noise": state["label_noise"], "learning_rate": 0.1,
            "train_size": SIZES, "seed": range(SEEDS)}, epochs=EPOCHS, callback=report)

    def draw(self, axes, state, runs):
        """Training and validation accuracy on the left, validation error on logarithmic axes on the right."""
        left, right = axes
        last = runs.isel(epoch=-1)
        plots.lines(last[["accuracy", "val_accuracy"]].to_dataarray(), "train_size", by="variable",
                      test_share=TEST_SHARE, ax=left)
        left.axvline(state["images"], color="0.4", linewidth=1, linestyle=":", marker="")
        left.set(title="Training and validation accuracy", ylabel="accuracy", ylim=(0, 1.02))
        left.legend(loc="lower right")
        errors = 1 - last.val_accuracy
        known = errors.sel(train_size=slice(state["images"]))
        measured = float(errors.sel(train_size=SIZES[-1]).mean())
        text = f"Measured with {SIZES[-1]} images: {measured:.1%} wrong"
        if state["fit"] and self.done(runs) == 1:
            law = power_law.fit(known, resamples=60)
            plots.power_law(errors, law, ax=right)
            prediction = law.predict(SIZES[-1:]).isel(train_size=0)
            low, high = np.maximum([prediction["low"], prediction["high"]], 0)
            text = (f"A power law fitted up to {state['images']} images says {prediction['mean']:.1%} wrong with "
                    f"{SIZES[-1]}, 95 % prediction interval {low:.1%} to {high:.1%}. {text}, "
                    f"{'inside' if low <= measured <= high else 'outside'} that interval")
        else:
            plots.lines(errors, "train_size", test_share=TEST_SHARE, ax=right)
            plots.errors_on_log_axis(right)
        right.set(title="Validation error, on log axes", ylim=(0.01, 1.1))
        return f"{text} (means over {SEEDS} seeds, each with a split of its own)."
