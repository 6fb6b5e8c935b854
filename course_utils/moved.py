"""Where things are that used to be elsewhere.

Notebooks that learners wrote with an earlier version of the course import from old places. In their notebook such an
import raises one sentence that says what to write instead (`watch`, `refuse`); when their answers are judged, their
code is translated first (`translate`).
"""

import re
import sys
import types

MODULES = {
    "engine": "training", "engine.draws": "training.batches", "engine.starts": "training.initial_weights",
    "engine.transformations": "training.augmentation", "fine_tune": "training.fine_tune",
    "halving": "search.pruning", "stacked": "experiments.numpy_nets", "claims.tuning": "experiments.tuning",
    "exercise": "checks.exercise", "checks.record": "checks.progress", "answers": "tools.judging",
    "patients": "experiments.failed_runs", "experiments.patients": "experiments.failed_runs",
    **{name: f"experiments.{name}" for name in ("covariate_shift", "tabular", "descent")},
    **{name: f"tools.{name}" for name in (
        "grading", "sandbox", "build", "measured", "present", "cli")}}
NAMES = {   # of functions, by the module they are in now
    "": {"augmented": "augment"},
    "plots": {"against": "lines", "say": "value_label", "name": "axis_label"},
    "stats": {"level_each": "bonferroni_level"},
    "search": {"log": "log_uniform"},
    "search.pruning": {"to_the_end": "no_pruning"},
    "claims": {"retry": "rerun", "everything": "all_claims"},
    "experiments.failed_runs": {"admit": "train_cases", "chart": "plot_cases"},
    "experiments.tabular": {"at": "config_at", "drawn": "sample"},
    "batch_norm": {"insert": "surgery.insert", "fold": "surgery.fold"},
    "checks.data_augmentation": {"manuscript": "experiments.exercises.augmentation_manuscript"},
    "checks.hyperparameter_tuning": {"manuscript": "experiments.exercises.search_manuscript",
                                     **{name: f"experiments.exercises.{name}" for name in ("capstone", "studies")}}}
# Its parts are limited and parentheses are not nested: translating takes a time linear in the length of the code.
IMPORT = re.compile(r"^([ \t]{0,80})from (course_utils[\w.]{0,80}) import ([^\n(#]+|\([^()]*\))", re.MULTILINE)


def place_of(dotted):
    """Where a module or a function is now, or None if it has not moved; names without the leading ``course_utils.``."""
    module, _, name = dotted.rpartition(".")
    if name in NAMES.get(module, {}):
        new = NAMES[module][name]
        return new if "." in new else f"{module}.{new}".lstrip(".")
    if dotted in MODULES or not module:
        return MODULES.get(dotted)
    parent = place_of(module)
    return parent and f"{parent}.{name}"


def refuse(name):
    """Raise an ImportError of one sentence if this is the old name of something, such as ``course_utils.exercise``."""
    if new := name.startswith("course_utils.") and place_of(name.removeprefix("course_utils.")):
        package, _, leaf = f"course_utils.{new}".rpartition(".")
        raise ImportError(f"{name} is now called course_utils.{new}: write `from {package} import {leaf}` "
                          "and use it under this name.")


# The first finder that Python asks for a module: an old folder with nothing but caches in it must not be found.
_old_modules = types.SimpleNamespace(find_spec=lambda name, path=None, target=None: refuse(name))


def watch():
    """From now on, importing a module by its old name raises one sentence."""
    if _old_modules not in sys.meta_path:
        sys.meta_path.insert(0, _old_modules)


def old_names(module):
    """The ``__getattr__`` of a module in which some functions have new names."""
    def __getattr__(name):
        if new := NAMES[module.removeprefix("course_utils.")].get(name):
            raise AttributeError(f"{module}.{name} is now called {new}: write that instead.")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return __getattr__


def translate(source):
    """Code that was written for an earlier version, with its imports from where things are now.

    What is imported keeps its old name, so that the rest of the code stays as it is.
    """
    def translated(statement):
        indentation, module, names = statement.groups()
        lines, places = [], []
        for item in filter(str.strip, re.sub(r"[()\n]", " ", names).split(",")):
            name, _, alias = map(str.strip, item.strip().partition(" as "))
            old = f"{module}.{name}".removeprefix("course_utils.")
            places.append(place_of(old) if name.isidentifier() else None)
            package, _, leaf = f"course_utils.{places[-1] or old}".rpartition(".")
            alias = alias or (name if name != leaf else "")
            lines.append(f"{indentation}from {package} import {leaf}" + (f" as {alias}" if alias else ""))
        return "\n".join(lines) if any(places) else statement[0]

    source = IMPORT.sub(translated, source)
    for module, names in NAMES.items():
        known = [module, *(old for old, new in MODULES.items() if new == module)]   # also by the module's old names
        leaves = "|".join(sorted({name.rpartition(".")[2] for name in known}))
        for old, new in names.items():
            if module and "." not in new:
                source = re.sub(rf"(?<![\w.])({leaves})\.{old}\b", rf"\1.{new}", source)
    return source
