"""Every claim is put on trial: how people say it, its threshold, its trial, its verdict.

The claims stand in one file per topic (`batch_norm`); here is what they have in common.
`make claims` tries all of them again, with other seeds and on a second task, and writes
``results.json``, which the ledger shows.
"""

import collections
import dataclasses
import importlib
import inspect
import json
import pathlib
import textwrap
from collections.abc import Callable

import numpy as np

from course_utils import formatting, moved, stats

__getattr__ = moved.old_names(__name__)

TOPICS = ["learning_curves", "training_curves", "better_or_lucky", "normalizing_inputs", "batch_norm_layer",
          "batch_norm_in_keras", "batch_norm", "pretrained_networks", "why_batch_norm_works", "dropout",
          "weight_regularization", "data_augmentation", "hyperparameter_search", "search_at_scale"]
RESULTS = pathlib.Path(__file__).with_name("results.json")
# Claims that nearly everybody has heard, for a first page; the first of them has its picture there.
FAMOUS = ["bn-ten-times-faster", "bn-higher-rates", "bn-famous-picture", "bl-point-four", "da-flips", "hs-random"]
WORDS = ["holds", "holds in part", "does not hold", "reverses", "undecided"]
SLIP = "common slip"
IOFFE = "Ioffe & Szegedy, Batch normalization (2015), abstract"
A_POINT = 0.01         # of accuracy: the least that should count
RETRIAL_SEEDS = 2000   # the first seed of a re-trial: none of a lecture's seeds, none that tuned a rate


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim, its trial, and what is fixed before the seeds of that trial are run.

    Attributes
    ----------
    key : str
    says : str
        How people say it, in our words.
    source : str
        "Author & author, title (year)", of more than two authors "Author et al., …"; before it
        "common reading of" where the claim is more than the source says. Without one,
        "common slip" (said by mistake) or "common advice" (said on purpose), with or without
        a place where it is said.
    lecture : str
        Number of the lecture it is tried in.
    effect_is : str
        What the effect measures, with its unit.
    trial : callable (task, seeds) → xarray.Dataset
        The experiment: `task` is a function such as `datasets.digits`.
    effect : callable runs → xarray.DataArray, dim "seed"
        One number per seed from a trial's runs.
    threshold : float
        The claim holds if the whole interval lies above it.
    neutral : float or None
        The effect if the technique did nothing: between it and the threshold the claim
        holds in part, and on its other side the claim reverses. None where there is no such middle.
    ratio : bool
        The effect is a factor; its mean and interval are geometric.
    second_task : str
        The second task of a re-trial, by its name in `datasets`.
    smallest_effect, pilot_sd : float
        The smallest effect that matters, and the standard deviation over seeds in a pilot
        with seeds used for nothing else (both in logarithms for a ratio). Together they fix
        the number of seeds.
    """

    key: str
    says: str
    source: str
    lecture: str
    effect_is: str
    trial: Callable = dataclasses.field(repr=False)
    effect: Callable = dataclasses.field(repr=False)
    threshold: float
    neutral: float | None
    smallest_effect: float
    pilot_sd: float
    ratio: bool = False
    second_task: str = "tones"

    @property
    def needs(self):
        """The threshold as it is printed."""
        return formatting.minus(f"{self.threshold:g}")

    @property
    def seeds(self):
        """Number of paired seeds, fixed beforehand: what the effect needs, and at least ten."""
        return max(10, stats.seeds_needed(self.smallest_effect, self.pilot_sd))

    def judge(self, runs):
        """The verdict on the runs of this claim's trial.

        Parameters
        ----------
        runs : xarray.Dataset
            What ``trial(task, seeds)`` returned.

        Returns
        -------
        Verdict
        """
        effect = self.effect(runs)
        found = stats.interval(np.log(effect) if self.ratio else effect)
        found = np.exp(found) if self.ratio else found
        return Verdict(self, *(float(found[part]) for part in ("mean", "low", "high")), effect.sizes["seed"])

    def code(self):
        """The trial as it runs, for a notebook to show."""
        from IPython.display import Markdown

        return Markdown(f"```python\n{inspect.getsource(self.trial)}```")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a trial found: the mean effect, its 95 % interval and the verdict in words."""

    claim: Claim
    mean: float
    low: float
    high: float
    seeds: int

    @property
    def verdict(self):
        """One of `WORDS`."""
        neutral = self.claim.neutral
        if self.low >= self.claim.threshold:
            return "holds"
        if neutral is not None and self.high < neutral:
            return "reverses"
        if self.high >= self.claim.threshold:
            return "undecided"
        if neutral is not None and self.low > neutral:
            return "holds in part"
        return "does not hold"

    @property
    def measured(self):
        """The mean with its interval, rounded to what the interval can tell."""
        return formatting.rounded(self.mean, self.low, self.high)

    def __repr__(self):
        lines = [f"“{self.claim.says}”", f"{self.verdict.capitalize()}: {self.measured} {self.claim.effect_is}",
                 f"(mean and 95 % interval over {self.seeds} paired seeds; the claim needs {self.claim.needs})"]
        return "\n".join(textwrap.fill(line, 79, subsequent_indent="  ") for line in lines)


def get(key):
    """The claim with this key.

    Raises
    ------
    KeyError
        No such claim; the message lists them.
    """
    for claim in all_claims():
        if claim.key == key:
            return claim
    raise KeyError(f"There is no claim {key!r}; the ledger knows {', '.join(c.key for c in all_claims())}.")


def all_claims():
    """All claims, lecture by lecture."""
    found = [claim for topic in TOPICS
             for claim in importlib.import_module(f"course_utils.claims.{topic}").CLAIMS]
    return sorted(found, key=lambda claim: claim.lecture)


def rerun(claims=None, *, tasks=None, progress=print):
    """Try claims again with other seeds, and on a second task; return the new results.

    Parameters
    ----------
    claims : list of Claim, optional
        All of them otherwise.
    tasks : dict name → function of the seed that returns a Split, optional
    progress : callable
        Told each verdict.

    Returns
    -------
    dict key → task → ``{"verdict", "measured", "mean", "low", "high", "seeds"}``
    """
    from course_utils import datasets

    results, runs = {}, {}
    for claim in claims or all_claims():
        seeds = range(RETRIAL_SEEDS, RETRIAL_SEEDS + claim.seeds)
        for name, task in (tasks or {task: getattr(datasets, task) for task in ("digits", claim.second_task)}).items():
            trial = (claim.trial, name, seeds)   # several claims may read the same experiment
            if trial not in runs:
                runs[trial] = claim.trial(task, seeds)
            found = claim.judge(runs[trial])
            progress(f"{claim.key}, {name}: {found.verdict}, {found.measured}")
            results.setdefault(claim.key, {})[name] = {
                "verdict": found.verdict, "measured": found.measured, "seeds": found.seeds,
                **{part: float(f"{getattr(found, part):.3g}") for part in ("mean", "low", "high")}}
    return results


def results():
    """The last re-trial of every claim, as `make claims` wrote it."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


class Ledger:
    """A table of claims, drawn by Jupyter as HTML and printed as Markdown."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows

    def _repr_html_(self):
        head = "".join(f"<th scope='col' style='text-align:left'>{column}</th>" for column in self.columns)
        body = "".join("<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in row) + "</tr>"
                       for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self):
        return formatting.table(self.columns, self.rows)


def ledger(chosen=None):
    """The ledger: what was claimed, what was measured.

    Parameters
    ----------
    chosen : list of Verdict, or of str, optional
        Rows for these verdicts, with what was measured here beside the re-trials; or for the
        claims with these keys, by their re-trials. All claims otherwise.

    Returns
    -------
    Ledger
    """
    again = results()

    def row(claim, *here):
        retrials = [again.get(claim.key, {}).get(task) for task in ("digits", claim.second_task)]
        told = [_told(found["verdict"], found["measured"]) if found else "not yet" for found in retrials]
        if claim.second_task != "tones":   # the second task of most
            told[1] += f" (on {claim.second_task})"
        return [f"“{claim.says}”", f"{claim.effect_is}; needs {claim.needs}", *here, *told]

    if chosen and isinstance(chosen[0], Verdict):
        rows = []
        for found in chosen:
            says, *measured = row(found.claim, _told(found.verdict, found.measured))
            rows.append([says, found.claim.source, *measured])
        return Ledger(["claim", "source", "measured", "here", "again, other seeds", "on a second task"], rows)
    return Ledger(["lecture", "claim", "measured", "on digits", "on a second task"],
                  [[claim.lecture, *row(claim)] for claim in (map(get, chosen) if chosen else all_claims())])


def summary():
    """How many of all claims hold, by their re-trials; the course chose the claims, so these are no base rates.

    Returns
    -------
    Ledger
    """
    counts, again = [collections.Counter(), collections.Counter()], results()
    for claim in all_claims():
        if claim.key in again:
            for count, task in zip(counts, ("digits", claim.second_task), strict=True):
                count[again[claim.key][task]["verdict"]] += 1
    return Ledger([f"{counts[0].total()} claims", "on digits", "on a second task"],
                  [[f"{_sign(word)} {word}", *(str(count[word]) for count in counts)] for word in WORDS])


def picture(key):
    """Draw what was measured when one claim was tried again, beside what it needs.

    Parameters
    ----------
    key : str

    Returns
    -------
    matplotlib axes
    """
    from types import SimpleNamespace

    from course_utils import plots

    claim, times = get(key), "×" if get(key).ratio else ""
    found = {task: SimpleNamespace(**results()[key][task]) for task in ("digits", claim.second_task)}
    told = ", ".join(f"{one.mean:.2g}{times} on {task}" for task, one in found.items())
    ax = plots.intervals(found, threshold=claim.threshold, neutral=claim.neutral, xlabel=claim.effect_is,
                         title=f"{claim.says.rstrip('.')}?\nMeasured: {told}")
    ax.figure.set_figheight(2.5)   # the title takes two lines
    return ax


def _told(word, measured):
    return f"{_sign(word)} {word}: {measured}"


def _sign(word):
    return {"holds": "✓", "does not hold": "✗", "reverses": "⇄"}.get(word, "·")
