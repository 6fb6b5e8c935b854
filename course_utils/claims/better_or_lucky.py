"""The claim of lecture 03 about single runs."""

from course_utils.claims import SLIP, Claim
from course_utils.claims.register import Study
from course_utils.experiments.comparison import Comparison, gain
from course_utils.experiments.tasks import TASKS

CLAIMS = [Claim("bl-one-run", "I ran both once, with the same seed: the one ahead is better.", SLIP, "03",
                "of single runs put the wider network ahead")]


def second_ahead(runs):
    """Whether the second arm ends ahead of the first: 1, 0, or ½ for a tie, per seed."""
    ahead = gain(runs).round(6)   # a difference of whole samples, but for rounding
    return (ahead > 0) + 0.5 * (ahead == 0)


STUDIES = [
    Study("bl-one-run", Comparison(
        arms={"32 units": {"width": 32}, "64 units": {"width": 64}}, fixed={"depth": 2, "learning_rate": 0.1},
        steps=600),
        "of single runs put the wider network ahead", threshold=0.95, neutral=0.5, margin=1.0, scale="proportion",
        effect=second_ahead, within="600 steps", tasks=tuple(TASKS)),
]
