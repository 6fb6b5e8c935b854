"""Every claim is put on trial: how people say it, its threshold, its trial, its verdict.

Each topic has a file with its claims, such as `batch_norm`. A claim with a `register.Study` follows the protocol of
``PROTOCOL.md`` and is measured on up to six tasks. The others were measured before there was one: `make claims` tries
them again, with other seeds and on a second task, and writes ``results.json``.
"""

import dataclasses
import importlib
import inspect
import json
import pathlib
import textwrap
from collections.abc import Callable

import numpy as np

from course_utils import formatting, moved, stats

_old_names = moved.old_names(__name__)

TOPICS = ["learning_curves", "training_curves", "better_or_lucky", "normalizing_inputs", "batch_norm_layer",
          "batch_norm_in_keras", "batch_norm", "pretrained_networks", "why_batch_norm_works", "dropout",
          "weight_regularization", "data_augmentation", "hyperparameter_search", "search_at_scale"]
RESULTS = pathlib.Path(__file__).with_name("results.json")
# The claim whose picture is on the first page.
FIRST = "bn-higher-rates"
WORDS = {"holds": "✓", "holds in part": "·", "does not hold": "✗", "reverses": "⇄", "undecided": "·"}
SLIP = "common slip"
IOFFE = "Ioffe & Szegedy, Batch normalization (2015), abstract"
A_POINT = 0.01         # of accuracy: the smallest difference that counts
RETRIAL_SEEDS = 2000   # the first seed of a re-trial; the seeds of lectures and of tuning are others


def __getattr__(name):
    if name in ("code", "forest", "on"):   # what the other modules need takes seconds to import
        return getattr(importlib.import_module("course_utils.claims.evidence"), name)
    return _old_names(name)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim, and how it was measured before there was a protocol; for others, a `register.Study` with the same key.

    Attributes
    ----------
    key : str
    says : str
        How people say it, in our words.
    source : str
        "Author & author, title (year)", or "Author et al., …" if there are more than two; it starts
        with "common reading of" if the claim goes beyond the source. Without a source: "common
        slip" (said by mistake) or "common advice" (said on purpose), optionally with an example.
    lecture : str
        Number of the lecture that tries it.
    effect_is : str
        What the effect measures, with its unit.
    trial : callable (task, seeds) → xarray.Dataset
        The experiment: `task` is a function seed → Split such as `datasets.digits`, and `seeds` is a
        sequence of int.
    effect : callable runs → xarray.DataArray, dim "seed"
        One number per seed from a trial's runs.
    threshold : float
        The claim holds if the whole interval is above it.
    neutral : float or None
        The effect if the technique did nothing. Between it and the threshold, the claim holds in part;
        on its other side, the claim reverses. None if there is no such middle.
    ratio : bool
        The effect is a factor; its mean and interval are geometric.
    second_task : str
        The second task of a re-trial, by its name in `datasets`.
    smallest_effect, pilot_sd : float
        The smallest effect that matters, and the standard deviation over the seeds of a pilot, which
        are used for nothing else (logarithms if it is a ratio). Together they fix the number of seeds.
    """

    key: str
    says: str
    source: str
    lecture: str
    effect_is: str
    trial: Callable | None = dataclasses.field(default=None, repr=False)
    effect: Callable | None = dataclasses.field(default=None, repr=False)
    threshold: float | None = None
    neutral: float | None = None
    smallest_effect: float | None = None
    pilot_sd: float | None = None
    ratio: bool = False
    second_task: str = "tones"

    @property
    def needs(self):
        """The threshold as it is printed."""
        return formatting.minus(f"{self.threshold:g}")

    @property
    def seeds(self):
        """Number of paired seeds: what the smallest effect needs, and at least ten."""
        return max(10, stats.seeds_needed(self.smallest_effect, self.pilot_sd))

    def judge(self, runs):
        """The `Verdict` on the runs that ``trial(task, seeds)`` returned."""
        effect = self.effect(runs)
        interval = stats.interval(np.log(effect) if self.ratio else effect)
        interval = np.exp(interval) if self.ratio else interval
        return Verdict(self, *(float(interval[part]) for part in ("mean", "low", "high")), effect.sizes["seed"])

    def code(self):
        """The source of the trial, for a notebook to show."""
        from IPython.display import Markdown

        return Markdown(f"```python\n{inspect.getsource(self.trial)}```")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The result of a trial: the mean effect, its 95% interval, and the verdict in words."""

    claim: Claim
    mean: float
    low: float
    high: float
    seeds: int

    @property
    def verdict(self):
        """One of the keys of `WORDS`."""
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
        """The mean with its interval, rounded to the digits that the interval supports."""
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
    by_key = {claim.key: claim for claim in all_claims()}
    if key not in by_key:
        raise KeyError(f"There is no claim {key!r}; the ledger knows {', '.join(by_key)}.")
    return by_key[key]


def topics():
    """The modules that hold the claims."""
    return [importlib.import_module(f"course_utils.claims.{topic}") for topic in TOPICS]


def all_claims():
    """All claims, lecture by lecture."""
    return sorted((claim for topic in topics() for claim in topic.CLAIMS), key=lambda claim: claim.lecture)


def older_claims():
    """The claims that were measured before there was a protocol, lecture by lecture."""
    return [claim for claim in all_claims() if claim.trial]


def rerun(claims=None, *, tasks=None, progress=print):
    """Try claims again with other seeds, and on a second task; return the new results.

    Parameters
    ----------
    claims : list of Claim, optional
        All older claims by default.
    tasks : dict name → function seed → Split, optional
        The digits and each claim's second task by default.
    progress : callable
        Called with a line of text for each verdict.

    Returns
    -------
    dict key → task → ``{"verdict", "measured", "mean", "low", "high", "seeds"}``
    """
    from course_utils import datasets

    results, runs = {}, {}
    for claim in claims or older_claims():
        seeds = range(RETRIAL_SEEDS, RETRIAL_SEEDS + claim.seeds)
        for name, task in (tasks or {task: getattr(datasets, task) for task in ("digits", claim.second_task)}).items():
            trial = (claim.trial, name, seeds)   # several claims may share an experiment
            if trial not in runs:
                runs[trial] = claim.trial(task, seeds)
            verdict = claim.judge(runs[trial])
            progress(f"{claim.key}, {name}: {verdict.verdict}, {verdict.measured}")
            results.setdefault(claim.key, {})[name] = {
                "verdict": verdict.verdict, "measured": verdict.measured, "seeds": verdict.seeds,
                **{part: float(f"{getattr(verdict, part):.3g}") for part in ("mean", "low", "high")}}
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
    """A `Ledger`: what was claimed, and what was measured.

    Parameters
    ----------
    chosen : list of Verdict, or of str, optional
        These verdicts, each together with the claim's re-trials; or the re-trials of the claims with
        these keys. The re-trials of all claims by default.
    """
    retrials = results()

    def cell(verdict, measured):
        return f"{WORDS[verdict]} {verdict}: {measured}"

    def row(claim, source=(), here=()):
        stored = [retrials.get(claim.key, {}).get(task) for task in ("digits", claim.second_task)]
        measured = [cell(retrial["verdict"], retrial["measured"]) if retrial else "not yet" for retrial in stored]
        if claim.second_task != "tones":   # the second task of most claims
            measured[1] += f" (on {claim.second_task})"
        return [f"“{claim.says}”", *source, f"{claim.effect_is}; needs {claim.needs}", *here, *measured]

    if chosen and isinstance(chosen[0], Verdict):
        return Ledger(["claim", "source", "measured", "here", "again, other seeds", "on a second task"],
                      [row(verdict.claim, [verdict.claim.source], [cell(verdict.verdict, verdict.measured)])
                       for verdict in chosen])
    return Ledger(["lecture", "claim", "measured", "on digits", "on a second task"],
                  [[claim.lecture, *row(claim)] for claim in (map(get, chosen) if chosen else older_claims())])
