"""Claims are registered before they are measured: `course claims register`, commit, then `course claims`.

A registration is a file in ``registered/`` with everything that is decided in advance. It is made from a small pilot,
which fixes how many pairs of runs each task needs. The results are in ``measured/``. Git shows which was first.
"""

import ast
import dataclasses
import functools
import hashlib
import inspect
import json
import pathlib
import subprocess
import textwrap
import time
import types
from collections.abc import Callable

from course_utils import files
from course_utils.claims import protocol
from course_utils.experiments.comparison import Comparison, gain
from course_utils.experiments.tasks import TASKS

HERE = pathlib.Path(__file__).parent
REGISTERED, MEASURED = HERE / "registered", HERE / "measured"
PILOT_SEEDS = range(1000, 1000 + protocol.PILOT)
FIRST_SEED = 3000   # of the measurements; the seeds of lectures, of tuning, and of pilots are below


@dataclasses.dataclass(frozen=True)
class Study:
    """How a claim is tested under the protocol.

    Attributes
    ----------
    key : str
        Of the claim.
    experiment : Comparison
    effect_is : str
        What the effect measures, with its unit.
    threshold : float
        The claim holds if the whole interval is above it.
    margin : float
        The smallest distance from the threshold worth detecting, on the scale of the effect.
    tasks : tuple of names in `TASKS`
        Where the claim makes sense.
    neutral : float, optional
        The effect if the technique did nothing.
    effect : callable runs → xarray.DataArray, dim "seed"
        One number per seed from what the experiment returns.
    scale : one of `protocol.SCALES`
    within : str
        The limit, if training stops before all arms level off, for example "400 steps".
    minutes : float
        The time limit for each task. A task whose pairs would take longer is listed as too costly.
    """

    key: str
    experiment: Comparison
    effect_is: str
    threshold: float
    margin: float
    tasks: tuple
    neutral: float | None = None
    effect: Callable = gain
    scale: str = "difference"
    within: str = ""
    minutes: float = 2.0

    def effects(self, task, seeds):
        """Run the experiment on one task: the effects, as a list of floats, and how much each arm is still rising."""
        runs = self.experiment(functools.cache(task), seeds)   # the arms share their splits
        rising = zip(runs.arm.values, runs.still_rising.values, strict=True)
        return ([float(f"{number:.6g}") for number in self.effect(runs).values],
                {str(arm): float(f"{change:.3g}") for arm, change in rising})

    def judge(self, effects):
        """The `protocol.Interval` of some effects, and the verdict on them."""
        found = protocol.interval(effects, self.scale)
        return found, protocol.verdict(found, threshold=self.threshold, neutral=self.neutral, margin=self.margin)

    def settings(self):
        """Everything that is decided in advance, except for the numbers of pairs, as JSON."""
        experiment = self.experiment
        decided = {
            "claim": self.key, "effect": self.effect_is, "scale": self.scale, "threshold": self.threshold,
            "neutral": self.neutral, "margin": self.margin, "within": self.within or "until all arms plateau",
            "tasks": list(self.tasks), "minutes": self.minutes,
            "arms": experiment.arms,
            "each arm chooses from": {arm: experiment.configurations(arm) for arm in experiment.arms},
            "measured at": experiment.sweep, "fixed": experiment.fixed, "steps": experiment.steps,
            "optimizer": experiment.optimizer, "on images": experiment.images,
            "power": protocol.POWER, "seeds from": FIRST_SEED,
            "code": code_hash(experiment.build_model, self.effect, Comparison, protocol.interval, protocol.verdict,
                              *(arm["data"] for arm in experiment.arms.values() if "data" in arm),
                              *(experiment.data(TASKS[task]) for task in self.tasks))}
        return json.loads(json.dumps(decided, default=_described))


def studies():
    """All studies: dict key → `Study`."""
    from course_utils import claims

    return {study.key: study for topic in claims.topics() for study in getattr(topic, "STUDIES", ())}


def register(study, progress=print):
    """Run a study's pilot and write its registration, with the number of pairs for each task.

    Raises
    ------
    FileExistsError
        The study is registered with other settings, and has been measured: delete both files to start over.
    """
    path, settings = REGISTERED / f"{study.key}.json", study.settings()
    known = _read(path)
    if known and known["settings"] != settings and (MEASURED / path.name).exists():
        raise FileExistsError(f"{study.key} was registered with other settings ({_changed(known['settings'], settings)}"
                              f") and has been measured; to start over, delete {path.name} in both folders.")
    pilots = known["pilot"] if known and known["settings"] == settings else {}
    for name in study.tasks:
        if name not in pilots:
            study.effects(study.experiment.data(TASKS[name]), PILOT_SEEDS[:2])   # compiles
            start = time.monotonic()
            effects, rising = study.effects(study.experiment.data(TASKS[name]), PILOT_SEEDS)
            seconds = (time.monotonic() - start) / len(effects)
            pairs = protocol.pairs_needed(study.margin, effects, study.scale)
            affordable = int(60 * study.minutes / seconds)
            pilots[name] = {"effects": effects, "still rising": rising, "pairs needed": pairs,
                            "too costly": pairs > affordable}
            progress(f"{study.key}, {name}: {pairs} pairs" + (f", too costly: {affordable} are affordable"
                                                             if pairs > affordable else "")
                     + ("" if study.within or plateaued(rising) else f", an arm is still rising: {rising}"))
            _write(path, {"settings": settings, "pilot": pilots})


def measure(study, progress=print, repository=HERE):
    """Measure a registered study on the tasks that are left.

    Raises
    ------
    ValueError
        It isn't registered, or not on all tasks or with these settings, or the registration isn't committed.
    """
    path, settings = REGISTERED / f"{study.key}.json", study.settings()
    known = _read(path)
    if not known:
        raise ValueError(f"{study.key} is not registered: run `course claims register {study.key}`, and commit the "
                         "file that it writes.")
    if known["settings"] != settings:
        raise ValueError(f"{study.key} was registered with other settings ({_changed(known['settings'], settings)}): "
                         f"restore them, or delete {path.name} in both folders and register it again.")
    if unplanned := [name for name in study.tasks if name not in known["pilot"]]:
        raise ValueError(f"{study.key} has no pilot on {', '.join(unplanned)}: run `course claims register "
                         f"{study.key}` again, which continues where it stopped.")
    if not is_committed(path, repository):
        raise ValueError(f"The registration of {study.key} is not committed yet: commit {path.name} first.")
    registration = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    kept = _read(MEASURED / path.name) or {}
    cells = kept.get("tasks", {}) if kept.get("registration") == registration else {}
    left = [name for name in study.tasks if name not in cells and not known["pilot"][name]["too costly"]]
    for number, name in enumerate(left, 1):
        progress(f"{study.key}, {name} ({number} of {len(left)}) …")
        seeds = range(FIRST_SEED, FIRST_SEED + known["pilot"][name]["pairs needed"])
        effects, rising = study.effects(study.experiment.data(TASKS[name]), seeds)
        cells[name] = {"effects": effects, "still rising": rising}
        _write(MEASURED / path.name, {"registration": registration, "tasks": cells})
        found, word = study.judge(effects)
        progress(f"    {word}: {found.mean:.3g} [{found.low:.3g}, {found.high:.3g}], {len(effects)} pairs")


def plateaued(rising):
    """Whether no arm was still rising at the end of its training."""
    return max(rising.values()) <= protocol.PLATEAU


def registration(key):
    """The settings and the pilot of a study, or None."""
    return _read(REGISTERED / f"{key}.json")


def results(key):
    """What was measured: dict task → {"effects", "still rising"}, empty if nothing was."""
    return (_read(MEASURED / f"{key}.json") or {"tasks": {}})["tasks"]


# What a registration stands for


def code_hash(*objects):
    """A hash of some functions and classes, and of what they use from `claims`, `experiments`, and `models`.

    It includes the values of simple constants, but not docstrings or comments.
    """
    found, todo = {}, list(objects)
    while todo:
        thing = todo.pop()
        thing = inspect.unwrap(thing)
        name = f"{thing.__module__}.{thing.__qualname__}"
        if name in found:
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
        found[name] = ast.unparse(_without_docstrings(tree))
        module = inspect.getmodule(thing)
        for used, value in _used(tree, module):
            if isinstance(value, types.FunctionType | type) and _is_ours(value.__module__):
                todo.append(value)
            elif isinstance(value, int | float | str | tuple | list | range):
                found[f"{module.__name__}.{used}"] = repr(value)
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()[:16]


def _used(tree, module):
    """The globals that some code of a module uses, as (name, value), also those of other modules of the course."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in vars(module):
            yield node.id, getattr(module, node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            other = vars(module).get(node.value.id)
            if isinstance(other, types.ModuleType) and _is_ours(other.__name__) and hasattr(other, node.attr):
                yield f"{node.value.id}.{node.attr}", getattr(other, node.attr)


def _is_ours(module):
    """Whether a module belongs in the hash.

    The training engine, which is tested against Keras, is left out, and so are the data sets, `pretrained`, and
    `stats`.
    """
    return module.startswith(("course_utils.claims", "course_utils.experiments", "course_utils.models"))


def _without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def is_committed(path, repository=HERE):
    """Whether git has this very content of a file."""
    changed = subprocess.run(["git", "status", "--porcelain", "--", str(path)], cwd=repository, capture_output=True,
                             text=True)
    return changed.returncode == 0 and not changed.stdout.strip()


def registered_first(registered, measured, repository=HERE):
    """Whether the commit that added a registration is an ancestor of the commit that added its results."""
    first, second = (_git(repository, "log", "--diff-filter=A", "--format=%H", "--", str(path)).split()
                     for path in (registered, measured))
    if not first or not second or first[0] == second[0]:
        return False
    return subprocess.run(["git", "merge-base", "--is-ancestor", first[0], second[0]], cwd=repository,
                          capture_output=True).returncode == 0


def _git(repository, *arguments):
    return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, check=True).stdout


def _changed(before, now):
    return ", ".join(sorted(name for name in before | now if before.get(name) != now.get(name)))


def _described(value):
    if hasattr(value, "get_config"):   # an optimizer
        return value.get_config()
    return value.__name__ if callable(value) else list(value)


def _read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _write(path, content):
    path.parent.mkdir(exist_ok=True)
    files.write_atomically(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
