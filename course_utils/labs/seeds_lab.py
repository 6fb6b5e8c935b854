"""How many seeds do you need before you can say that one network beats another?"""

from course_utils import plots
from course_utils.experiments import two_networks
from course_utils.experiments.two_networks import EXPERIMENTS, MOST
from course_utils.labs import controls
from course_utils.labs.base import Lab

SHOWN = 30   # of the experiments
LOOKS = {"right": {"color": "C0", "linestyle": "-"}, "undecided": {"color": "0.5", "linestyle": ":"},
         "wrong": {"color": "C1", "linestyle": "--"}}


class SeedsLab(Lab):
    """Real runs of two networks; you choose what their true difference is."""

    controls = {
        "effect": controls.uniform("difference in points", 1.0, high=2.0, step=0.1),
        "seeds": controls.choice("seeds", [2, 3, 5, 10, 20, MOST], 5, structural=False),
        "paired": controls.boolean("both networks share their seeds", False),
        "peek": controls.boolean("stop when the interval excludes zero", False),
    }
    try_this = (
        "How many seeds find the difference in four out of five experiments? How many if the networks share seeds?",
        "Set the difference to 0. How many intervals are orange, and does that depend on the number of seeds?",
        "Keep the difference at 0, stop when the interval excludes zero, and add seeds. What happens?")

    def compute(self, state, report):
        """Draw experiments from real runs, which are trained once."""
        runs = two_networks.experiments(two_networks.population(), state["effect"], paired=state["paired"],
                                        peek=state["peek"])
        return runs.assign(verdict=two_networks.says(runs, state["effect"]))

    def draw(self, axes, state, runs):
        """Intervals of some experiments on the left; the verdicts of all, by the number of seeds, on the right."""
        left, right = axes
        shown = runs.sel(seeds=state["seeds"]).isel(experiment=slice(SHOWN))
        left.hlines(range(SHOWN), shown.low, shown.high, [LOOKS[word]["color"] for word in shown.verdict.values],
                    linewidth=2)
        left.axvline(0, color="0.3", linewidth=1.2, marker="", linestyle="-")
        left.axvline(state["effect"], color="C2", linewidth=1.2, marker="", linestyle="--")
        left.set(title=f"Intervals of {SHOWN} experiments", xlabel="measured difference (points)",
                 xlim=(-4, 6), ylim=(-1, SHOWN), yticks=[])
        for word, look in LOOKS.items():
            if word != "right" or state["effect"]:
                right.plot(runs.seeds, (runs.verdict == word).mean("experiment"), marker="", label=word, **look)
        right.axvline(state["seeds"], color="0.3", linewidth=1, marker="", linestyle="-")
        right.set(title=f"Share of {EXPERIMENTS} experiments", xlabel="seeds", xlim=(0, MOST + 1), ylim=(-0.02, 1.02))
        plots.label_lines(right)
        part = {word: f"{share:.1%}" for word, share in shares(state, runs).items()}
        words = (f"True difference {state['effect']:g} point{'' if state['effect'] == 1 else 's'}, "
                 f"{'paired' if state['paired'] else 'unpaired'}, {'up to ' if state['peek'] else ''}{state['seeds']} "
                 f"seeds: {part['right' if state['effect'] else 'wrong']} of {EXPERIMENTS} experiments ")
        if not state["effect"]:
            return f"{words}report a difference that doesn't exist, and {part['undecided']} are undecided."
        single = two_networks.wrong_with_one(two_networks.population(), state["effect"], paired=state["paired"])
        return (f"{words}find it, {part['undecided']} are undecided, and {part['wrong']} report the opposite. A single "
                f"run of each network would rank them incorrectly in {single:.1%} of the cases.")

    def result(self, state, runs):
        """How often experiments of this kind are right, or wrong if there is nothing to find."""
        word, claim = ("right", "find the difference") if state["effect"] else ("wrong", "are wrong")
        return f"{shares(state, runs)[word]:.0%} of the experiments {claim}"


def shares(state, runs):
    """The share of the experiments with each verdict, at the chosen number of seeds."""
    verdicts = runs.verdict.sel(seeds=state["seeds"])
    return {word: float((verdicts == word).mean()) for word in LOOKS}
