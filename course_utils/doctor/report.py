"""What the doctor says."""

import base64
import html
import io
import json
import math
import textwrap
from pathlib import Path

from . import diagnoses, fixes

RATES = Path(__file__).with_name("rates.json")


class Report:
    """What is probably wrong with a network, how sure that is, and what to do.

    Attributes
    ----------
    diagnosis : str
        The most likely cause: a name from `diagnoses.DIAGNOSES`, "nothing_wrong", or "cannot_tell".
    findings : list of str
        Everything that was found, causes first.
    measured : dict name → number
        What the diagnosis is based on.
    recipe : fixes.Recipe
        How the network is trained; None if only the curves are known.
    job : task.Task
        What the network should predict; None if only the curves are known.
    """

    def __init__(self, measured, curves, recipe=None, job=None):
        self.measured, self.curves, self.recipe, self.job = measured, curves, recipe, job
        self.findings = diagnoses.findings(measured)
        self.diagnosis = self.findings[0]
        self.strength = diagnoses.strengths(measured).get(self.diagnosis, 0)

    def try_fix(self, name=None, *, budget=60):
        """Train with and without the fix for the first finding, or for the one named.

        Parameters
        ----------
        name : str, optional
        budget : float
            Total time, in seconds.

        Returns
        -------
        fixes.Comparison, whose ``before`` and ``after`` are validation scores: balanced accuracy, or R² in a regression

        Raises
        ------
        ValueError
            There is nothing to try; the message says why, in one sentence.
        """
        name = name or self.diagnosis
        if self.recipe is None:
            raise ValueError("The curves alone are not enough to try a fix; use doctor.examine with the model.")
        if name not in fixes.FIXES:
            known = ", ".join(fixes.FIXES)
            raise ValueError(f"No training run can test a fix for {name!r}; the doctor can try {known}.")
        return fixes.compare(name, self.recipe, self.measured, self.job, budget=budget)

    def figure(self):
        """Draw the recorded curves.

        Raises
        ------
        ImportError
            Matplotlib is not installed.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 2.6), layout="constrained")
        axes = figure.subplots()
        for name, label in (("loss", "training"), ("val_loss", "validation")):
            if name in self.curves:
                axes.plot(range(1, len(self.curves[name]) + 1), self.curves[name], label=label)
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend(frameon=False)
        return figure

    def __repr__(self):
        return "\n".join(
            f"{label}:\n{textwrap.indent(text, '    ')}" if label == "Fix" else f"{label}: {text}"
            for label, text in self._parts()
        )

    def _repr_html_(self):
        parts = [
            f"<p style='margin: 0.3em 0'><b>{label}:</b> {html.escape(text)}</p>"
            if label != "Fix"
            else f"<p style='margin: 0.3em 0'><b>Fix:</b></p><pre>{html.escape(text)}</pre>"
            for label, text in self._parts()
        ]
        return "".join(parts) + self._picture()

    def _picture(self):
        """The figure as an HTML image; nothing without curves, or without Matplotlib."""
        if "loss" not in self.curves:
            return ""
        picture = io.BytesIO()
        try:
            self.figure().savefig(picture, format="png", dpi=100)
        except ImportError:
            return ""
        data = base64.b64encode(picture.getvalue()).decode()
        return f"<img alt='The training and validation loss by epoch.' src='data:image/png;base64,{data}'>"

    def _parts(self):
        """The report as pairs of label and text."""
        yield "Diagnosis", f"{self._title(self.diagnosis)}{self._sure()}"
        if "val_score" in self.measured:
            name = "Balanced accuracy (the average recall of the classes)" if self.job.classifying else "R²"
            train, validation = self.measured["train_score"], self.measured["val_score"]
            yield name, f"{train:.3f} on the training data, {validation:.3f} on the validation data."
        if self.diagnosis in diagnoses.DIAGNOSES:
            entry = diagnoses.DIAGNOSES[self.diagnosis]
            yield "Evidence", entry.evidence(self.measured)
            yield "To be sure", entry.experiment + " In Python, report.try_fix() does this." * self._can_try()
            yield "Fix", self._fix()
            yield "Read", entry.lecture
        elif self.diagnosis == diagnoses.NOTHING and self.recipe is None:
            yield "Evidence", "They show neither overfitting nor divergence. Use doctor.examine to learn more."
        elif self.diagnosis == diagnoses.NOTHING:
            yield "Evidence", "None of the doctor's measurements is unusual."
        else:
            yield "Evidence", diagnoses.doubt(self.measured)
        for name in self.findings[1:]:
            yield "Also possible", f"{self._title(name)}. {diagnoses.DIAGNOSES[name].evidence(self.measured)}"
        if rate := self._rate():
            yield "Error rate", rate

    def _title(self, name):
        if name == diagnoses.NOTHING:
            return "The curves alone show nothing wrong" if self.recipe is None else "Nothing seems to be wrong"
        return "The doctor can't tell" if name == diagnoses.UNKNOWN else diagnoses.DIAGNOSES[name].title

    def _sure(self):
        if self.diagnosis not in diagnoses.DIAGNOSES:
            return "."
        return (
            " (almost certainly)." if self.strength >= 2 else " (probably)." if self.strength >= 1.3 else " (possibly)."
        )

    def _can_try(self):
        return self.recipe is not None and self.diagnosis in fixes.FIXES

    def _fix(self):
        if self.diagnosis == "wrong_loss":
            return diagnoses.MISMATCHES[self.measured["mismatch"]][1]
        m, fix = self.measured, diagnoses.DIAGNOSES[self.diagnosis].fix
        epochs = m["epochs"]
        for name, value in (
            ("OPTIMIZER", m.get("optimizer", "Adam")),
            ("SLOWER", "learning_rate / 10" if math.isnan(m["lower_rate"]) else f"{m['lower_rate']:.1g}"),
            ("FASTER", "learning_rate * 10" if math.isnan(m["higher_rate"]) else f"{m['higher_rate']:.1g}"),
            ("CODE", f"{m['code']:.4g}"),
            ("LONGER", "3 * epochs" if math.isnan(epochs) else f"{3 * epochs:.0f}"),
        ):
            fix = fix.replace(name, value)
        return fix

    def _rate(self):
        """How often this diagnosis was right in the simulation."""
        if not RATES.exists():
            return ""
        rates = json.loads(RATES.read_text(encoding="utf-8"))["read" if self.recipe is None else "examined"]
        rate = rates["diagnoses"].get(self.diagnosis)
        if rate is None:
            return ""
        return (
            f"In the simulation of {rates['right']['of']:,} networks, the doctor made this diagnosis "
            f"{rate['of']} times{' from the curves alone' * (self.recipe is None)}. It was right in "
            f"{rate['share']:.0%} of those cases (95% interval: {rate['low']:.0%} to {rate['high']:.0%})."
        )
