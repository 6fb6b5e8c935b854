"""What a claim is worth on other data: its effect on every task, as a picture and a sentence; and on your own data."""

import ast
import collections
import dataclasses
import inspect
import textwrap
import time

import numpy as np
from matplotlib import ticker

from course_utils import datasets, formatting
from course_utils.claims import protocol, register
from course_utils.experiments.tasks import TASKS

NUMBERS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
FEWEST_OF_A_CLASS = 10   # samples, so that both the training and the validation data contain the class
AT_ONCE = 10             # pairs of runs on a learner's data


# The sign and the color of each verdict in a figure.
MARKS = {"holds": ("✓", "#00664b"), "holds in part": ("◐", "#005a8e"), "does not hold": ("✗", "#a34700"),
         "reverses": ("⇄", "#a3005c"), "at the threshold": ("≈", "0.3"), "not enough runs": ("?", "0.3")}


@dataclasses.dataclass(frozen=True)
class Cell:
    """A study's result on one task.

    Attributes
    ----------
    task : str
    found : protocol.Interval, or None if the task was too costly
    verdict : str
        One of `protocol.VERDICTS`, or "too costly".
    pairs : int
    p : float
        Of the hypothesis that the effect is exactly at the threshold.
    """

    task: str
    found: protocol.Interval | None
    verdict: str
    pairs: int = 0
    p: float = 1.0


def cells(study, own=None):
    """The results of a study on all tasks that were measured, or too costly, as a list of `Cell`.

    Parameters
    ----------
    study : register.Study
    own : dict name → effects, optional
        Results on other data, such as a learner's.
    """
    registration, measured = register.registration(study.key), register.results(study.key)
    pilot = registration["pilot"] if registration else {}
    listed = [_cell(study, name, measured[name]["effects"]) for name in study.tasks if name in measured]
    listed += [Cell(name, None, "too costly") for name in study.tasks if pilot.get(name, {}).get("too costly")]
    return listed + [_cell(study, name, effects) for name, effects in (own or {}).items()]


def _cell(study, name, effects):
    found, verdict = study.judge(effects)
    return Cell(name, found, verdict, len(effects),
                protocol.p_value(found, study.threshold, len(effects), study.scale))


def sentence(listed):
    """What happened on the tasks, such as “On four of five tasks: holds; on cancer: at the threshold.”"""
    measured = [cell for cell in listed if cell.found]
    if not measured:
        return "Not measured yet."
    by_verdict = collections.defaultdict(list)
    for cell in measured:
        by_verdict[cell.verdict].append(cell.task)
    (first, tasks), *others = sorted(by_verdict.items(), key=lambda item: -len(item[1]))
    if others:
        where = f"{NUMBERS[len(tasks)]} of {NUMBERS[len(measured)]} tasks"
    else:
        where = f"all {NUMBERS[len(tasks)]} tasks" if len(tasks) > 1 else tasks[0]
    said = "; ".join([f"On {where}: {first}", *(f"on {_listed(names)}: {verdict}" for verdict, names in others)])
    costly = [cell.task for cell in listed if not cell.found]
    return said + (f" ({_listed(costly)} would take too long)." if costly else ".")


def _listed(names):
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def forest(key, own=None):
    """Draw a claim's effect on every task against its threshold; returns the matplotlib axes.

    There is no interval for “a new task” in it: six tasks that we chose don't support one.

    Parameters
    ----------
    key : str
        Of a claim that was measured under the protocol.
    own : dict name → effects, optional
        As `on` returns them, in ``.effects[key]``.
    """
    from course_utils import claims, plots

    study = study_of(key)
    listed = [cell for cell in cells(study, own) if cell.found]
    title = [claims.get(key).says, *textwrap.wrap(sentence(cells(study, own)), 55)]
    ax = plots.intervals({f"{MARKS[cell.verdict][0]} {cell.task}: {cell.verdict}": cell.found for cell in listed},
                         threshold=study.threshold, neutral=study.neutral, title="\n".join(title),
                         xlabel=textwrap.fill(study.effect_is, 50))
    for label, cell in zip(ax.get_yticklabels(), listed, strict=True):
        label.set_color(MARKS[cell.verdict][1])
    ax.figure.set_figheight(ax.figure.get_figheight() + 0.2 * len(title))
    if study.scale == "ratio":
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        ax.minorticks_off()
    return ax


def code(key):
    """The experiment of a claim as Python code, without the plumbing, for a notebook to show.

    Parameters
    ----------
    key : str
        Of a claim that has a study.

    Returns
    -------
    IPython.display.Markdown
    """
    from IPython.display import Markdown

    from course_utils import claims

    study = study_of(key)
    topic = next(topic for topic in claims.topics() if study in getattr(topic, "STUDIES", ()))
    source = inspect.getsource(topic)
    definition = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
                      and getattr(node.func, "id", "") == "Study" and getattr(node.args[0], "value", "") == key)
    changes = [arm["data"] for arm in study.experiment.arms.values() if "data" in arm]
    functions = [study.effect, study.experiment.build_model, *changes]
    parts = [inspect.getsource(function) for function in functions if inspect.getmodule(function) is topic]
    parts.append(textwrap.dedent(" " * definition.col_offset + ast.get_source_segment(source, definition)))
    return Markdown("```python\n" + "\n\n".join(parts) + "\n```")


def study_of(key):
    """The study of the claim with this key.

    Raises
    ------
    KeyError
        There is none; the message lists those there are.
    """
    known = register.studies()
    if key not in known:
        raise KeyError(f"The claim {key!r} has not been tested under the protocol; these have: {', '.join(known)}.")
    return known[key]


def multiplicity():
    """How far the number of verdicts matters: a sentence for the ledger."""
    tested = [(key, cell) for key, study in register.studies().items() for cell in cells(study) if cell.found]
    if not tested:
        return "No claim has been measured under the protocol yet."
    kept = protocol.survive([cell.p for _, cell in tested])
    decided = [cell.verdict not in protocol.UNDECIDED for _, cell in tested]
    lost = [f"{key} on {cell.task}" for (key, cell), is_decided, stays in zip(tested, decided, kept, strict=True)
            if is_decided and not stays]
    return (f"Of {len(tested)} results, {sum(decided)} are above or below their thresholds. If every effect were "
            f"exactly at its threshold, about {0.05 * len(tested):.1f} of {len(tested)} would be above or below it by "
            "chance. With a correction for the false discovery rate (Benjamini and Hochberg, 5%), "
            + (f"these verdicts would change: {_listed(lost)}." if lost else "no verdict would change."))


def table():
    """What happened to every claim on every task, as a Markdown table."""
    from course_utils import claims

    rows = []
    for study in register.studies().values():
        listed = {cell.task: cell for cell in cells(study)}
        if not listed:
            continue
        claim = claims.get(study.key)
        needs = formatting.minus(f"{study.threshold:g}")
        within = f", within {study.within}" if study.within else ""
        rows.append([claim.lecture, f"“{claim.says}”", f"{study.effect_is}{within}; needs {needs}",
                     *(_in_table(listed.get(name)) for name in TASKS)])
    return formatting.table(["lecture", "claim", "effect", *TASKS], rows) if rows else "*Not measured yet.*"


def _in_table(cell):
    if cell is None:
        return ""
    if cell.found is None:
        return cell.verdict
    return f"**{cell.verdict}**: {formatting.rounded(cell.found.mean, cell.found.low, cell.found.high)}"


def before():
    """The claims that were last measured before there was a protocol, with what is to become of them."""
    from course_utils import claims
    from course_utils.claims.retiring import RETIRING

    known, rows = register.studies(), []
    for row, claim in zip(claims.ledger().rows, claims.older_claims(), strict=True):
        if not (claim.key in known and register.results(claim.key)):
            rows.append([*row, f"retiring: {RETIRING[claim.key]}" if claim.key in RETIRING else ""])
    return formatting.table(["lecture", "claim", "effect", "on digits", "on a second task", "status"], rows)


# A learner's own data


class Outcome:
    """What `on` found: `effects`, dict key → name → list of effects, drawn by Jupyter as a table."""

    def __init__(self, effects, skipped):
        self.effects, self.skipped = effects, skipped

    def table(self):
        """The rows of the table: claim, effect on these data, verdict here, and what happened on the tasks."""
        from course_utils import claims

        rows = []
        for key, own in self.effects.items():
            study = study_of(key)
            *elsewhere, here = cells(study, own)
            rows.append([f"“{claims.get(key).says}”", study.effect_is,
                         formatting.rounded(here.found.mean, here.found.low, here.found.high),
                         f"{here.verdict} ({here.pairs} pairs)", sentence(elsewhere)])
        return rows

    def _ledger(self):
        from course_utils import claims

        return claims.Ledger(["claim", "effect", "on your data", "verdict", "on the course's tasks"], self.table())

    def _repr_html_(self):
        return self._ledger()._repr_html_() + "".join(f"<p>{line}</p>" for line in self.skipped)

    def __repr__(self):
        return "\n".join([repr(self._ledger()), *self.skipped])

    def plot(self, key):
        """`forest` with a row for these data."""
        return forest(key, self.effects[key])


def on(split, *, minutes=10.0, claims=None):
    """Test the course's claims on your own data.

    Each claim gets an equal share of the time, and at most as many pairs of runs as it needs. There is no separate
    pilot, so a verdict is a little less reliable than those of the ledger. Your training and validation data are put
    together and divided anew for every pair, in the same proportion; the test set stays closed.

    Parameters
    ----------
    split : Split
        For classification.
    minutes : float
        For all claims together; a claim that has begun finishes its first ten pairs.
    claims : list of str, optional
        Keys; all claims that apply by default.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError
        The data have missing values, contain text, have a class with fewer than ten samples, have fewer than 20
        validation samples, or are not for classification.
    KeyError
        There is no such claim.
    """
    known = register.studies()
    chosen = [study_of(key) for key in claims] if claims else list(known.values())
    data = redrawn(split)
    is_images = np.ndim(split.x_train) == 4
    applicable = [study for study in chosen if is_images or not study.experiment.images]
    skipped = [f"{study.key} is about images, and these samples are not images (height, width, channels)."
               for study in chosen if study not in applicable]
    end, effects = time.monotonic() + 60 * minutes, {}
    for number, study in enumerate(applicable):
        left = end - time.monotonic()
        if left > 0:
            effects[study.key] = {split.name: _within(study, data, end - left * (1 - 1 / (len(applicable) - number)))}
        else:
            skipped.append(f"There was no time left for {study.key}; allow more than {minutes:g} minutes.")
    return Outcome(effects, skipped)


def _within(study, data, deadline):
    """Effects of pairs of runs, ten at a time, until there are enough of them or the time is up."""
    effects, seed = [], register.FIRST_SEED
    while True:
        start = time.monotonic()
        effects += study.effects(data, range(seed, seed + AT_ONCE))[0]
        seed += AT_ONCE
        enough = protocol.pairs_needed(study.margin, effects, study.scale)
        if len(effects) >= enough or 2 * time.monotonic() - start > deadline:
            return effects


def redrawn(split):
    """A function seed → Split that divides a split's training and validation data anew."""
    from sklearn.model_selection import train_test_split

    _check(split)
    x, y = np.concatenate([split.x_train, split.x_val]), np.concatenate([split.y_train, split.y_val])

    def data(seed):
        x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=len(split.x_val), stratify=y,
                                                          random_state=seed)
        return datasets.Split(split.name, x_train, y_train, x_val, y_val)

    return data


def _check(split):
    if split.x_val is None or len(split.x_val) < 20:
        raise ValueError(f"{split.name} has {0 if split.x_val is None else len(split.x_val)} validation samples; "
                         "expected at least 20: set some of the training samples aside.")
    for name in ("x_train", "x_val"):
        x = np.asarray(getattr(split, name))
        if not np.issubdtype(x.dtype, np.number):
            raise ValueError(f"{name} holds {x.dtype}; expected numbers: encode text and categories first, for "
                             "instance with sklearn.preprocessing.OneHotEncoder.")
        if not np.isfinite(x).all():
            raise ValueError(f"{name} has {(~np.isfinite(x)).sum()} values that are missing or infinite; fill them in "
                             "first, for instance with sklearn.impute.SimpleImputer.")
    y = np.concatenate([split.y_train, split.y_val])
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"The labels are {y.dtype}; expected class numbers 0 to C − 1, because the claims are about "
                         "classification.")
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < FEWEST_OF_A_CLASS:
        raise ValueError(f"Class {classes[counts.argmin()]} has {counts.min()} samples; expected at least "
                         f"{FEWEST_OF_A_CLASS} of each class: leave the class out or merge it with another.")
