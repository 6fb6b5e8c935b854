"""Answers with one small mistake, made mechanically from the solutions; the checks should reject them.

    make mutants                    of all questions
    make mutants ARGS="3.1 3.2"     of some of them

A mutant differs from the solution in one operator, constant, comparison, or argument, or lacks a line. It is killed if
the check doesn't print ✓. It is *equivalent* if what the check gets from it is the same: if an answer is a function,
for the arguments with which the check calls it when it draws other random numbers. What else survives is either
permitted by the question's text, and is listed in ``tests/checks/permitted.toml`` with the reason, or shows that a
check is too weak.
"""

import ast
import concurrent.futures
import contextlib
import copy
import dataclasses
import difflib
import functools
import io
import itertools
import json
import multiprocessing
import os
import pathlib
import signal
import sys
import time
import tomllib
import types

import jupytext
import numpy as np

from course_utils import formatting

HOME = pathlib.Path(__file__).parents[1]
PERMITTED = HOME / "tests" / "checks" / "permitted.toml"
RESULTS = HOME / "tests" / "checks" / "mutants.json"
SECONDS = 60   # for one check; a mutant that takes longer is caught in a loop
ENOUGH, FEWEST, PATIENCE = 1000, 20, 2   # inputs that show two functions to be equivalent, and seconds for them

OPERATORS = {ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.Pow: [ast.Mult],
             ast.FloorDiv: [ast.Div], ast.Mod: [ast.FloorDiv], ast.USub: [ast.UAdd], ast.And: [ast.Or],
             ast.Or: [ast.And], ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt],
             ast.GtE: [ast.Gt, ast.LtE], ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot],
             ast.IsNot: [ast.Is], ast.In: [ast.NotIn], ast.NotIn: [ast.In]}
DROPPED = ast.Assign | ast.AugAssign | ast.Expr | ast.If | ast.For | ast.While


@dataclasses.dataclass(frozen=True)
class Question:
    """A question: the code on which its solution depends, the solution, and what leads to the call of the check."""

    number: str
    before: str
    solution: str
    check: str


def questions():
    """All questions of all exercises, by number."""
    found = {}
    for path in sorted((HOME / "solutions" / "text").glob("*.py")):
        cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
        answers = {}
        for place, cell in enumerate(cells):
            number = cell.metadata.get("question", "").removesuffix("-test")
            if number and "nbval-check-output" in cell.metadata.get("tags", []):
                chosen = answers.pop(number)
                solution = "\n".join(cells[k].source for k in chosen)
                earlier = [each.source for each in cells[:chosen[0]]]
                between = [cells[k].source for k in range(chosen[0], place) if k not in chosen]
                check = f"{_needed(between, cell.source)}\n{cell.source}"
                found[number] = Question(number, _needed(earlier, f"{solution}\n{check}"), solution, check)
            elif number:
                answers.setdefault(number, []).append(place)
    return found


def _needed(cells, code):
    """Those of the cells, in their order, that define what the code uses, directly or through one another."""
    chosen, used = [], _names(code, ast.Load)
    for cell in reversed(cells):
        if used & _names(cell, ast.Store):
            chosen.insert(0, cell)
            used |= _names(cell, ast.Load)
    return "\n".join(chosen)


def _names(code, context):
    """Names that code uses (`ast.Load`) or defines (`ast.Store`)."""
    nodes = list(ast.walk(ast.parse(code)))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
    if context is ast.Store:
        names |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        names |= {(alias.asname or alias.name).split(".")[0] for node in nodes
                  if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    return names


def mutants(source):
    """Mutants of a source: dict of what was changed → source."""
    tree, found = ast.parse(source), {}
    original = ast.unparse(tree)
    for place, node in enumerate(ast.walk(tree)):
        for change in changes(node):
            mutant = copy.deepcopy(tree)
            change(next(itertools.islice(ast.walk(mutant), place, None)))
            code = ast.unparse(ast.fix_missing_locations(mutant))
            if code != original:
                found.setdefault(_difference(original, code), code)
    return found


def changes(node):
    """All small mistakes at one node of a syntax tree, as functions that make them."""
    def put(field, value):
        return lambda copied: setattr(copied, field, value)

    yield from (put("op", new()) for new in OPERATORS.get(type(getattr(node, "op", None)), []))
    if isinstance(node, ast.Compare):
        yield from (put("ops", [new(), *node.ops[1:]]) for new in OPERATORS.get(type(node.ops[0]), []))
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        value = node.value
        others = [not value] if isinstance(value, bool) else (
            [value + 1, value - 1] if isinstance(value, int) else [1.25 * value or 0.1, 0.8 * value])
        yield from (put("value", other) for other in others)
    if isinstance(node, ast.Call):
        if len(node.args) > 1 and not any(isinstance(part, ast.Starred) for part in node.args):
            yield lambda copied: copied.args.insert(0, copied.args.pop(1))
        for place, keyword in enumerate(node.keywords):
            if keyword.arg in ("axis", "keepdims", "ddof", "training"):
                yield lambda copied, place=place: copied.keywords.pop(place)
        if getattr(node.func, "attr", "") in ("std", "var") and "ddof" not in [each.arg for each in node.keywords]:
            yield lambda copied: copied.keywords.append(ast.keyword("ddof", ast.Constant(1)))
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        yield lambda copied: copied.elts.insert(0, copied.elts.pop(1))
    for field in ("body", "orelse"):
        lines = getattr(node, field, None)
        for place, line in enumerate(lines if isinstance(lines, list) else []):
            docstring = isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
            if isinstance(line, DROPPED) and not docstring:
                yield lambda copied, field=field, place=place: getattr(copied, field).__setitem__(place, ast.Pass())


def _difference(before, after):
    """What was changed, on one line."""
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[:2] in ("- ", "+ ")]
    return " → ".join(" ".join(line[2:].split()) for line in lines)


def judge(question, *, every=1):
    """Try the mutants of a question, or one in `every`: dict of what was changed → what became of it."""
    with contextlib.redirect_stdout(io.StringIO()):
        space = _run(question.before, {})
        check, right = _answers(question, _run(question.solution, dict(space)))
        calls = _calls(check, right)
    assert _passes(check, right), f"the check of question {question.number} rejects the solution"
    permitted = [entry["change"] for entry in _permitted().get(question.number, [])]
    results = {}
    for change, code in itertools.islice(mutants(question.solution).items(), 0, None, every):
        try:
            with contextlib.redirect_stdout(io.StringIO()), _at_most(SECONDS):
                wrong = _answers(question, _run(code, dict(space)))[1]
        except Exception:
            results[change] = "killed"
            continue
        if not _passes(check, wrong):
            results[change] = "killed"
        elif all(map(_equivalent, right, wrong, calls)):
            results[change] = "equivalent"
        else:
            results[change] = "permitted" if any(part in change for part in permitted) else "survived"
    return results


def _run(code, space):
    exec(compile(code, "<answer>", "exec"), space)
    return space


def _answers(question, space):
    """The function that checks a question, and what it is given."""
    *imports, last = ast.parse(question.check).body
    _run(ast.unparse(imports), space)
    call = last.value
    return eval(ast.unparse(call.func), space), [eval(ast.unparse(part), space) for part in call.args]


def _passes(check, answers):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), _at_most(SECONDS):
        check(*answers)
    return said.getvalue().startswith("✓")


@contextlib.contextmanager
def _at_most(seconds):
    """Raise `TimeoutError` inside if it takes longer."""
    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _calls(check, answers):
    """For each answer, the arguments with which the check calls it for many random seeds; none if it is no function."""
    calls, start = [[] for _ in answers], time.monotonic()
    watched = [_recorded(answer, kept) for answer, kept in zip(answers, calls, strict=True)]
    functions = [kept for answer, kept in zip(answers, calls, strict=True) if isinstance(answer, types.FunctionType)]
    for seed in range(ENOUGH if functions else 0):
        fewest, waited = min(map(len, functions)), time.monotonic() - start
        if fewest >= ENOUGH or (waited > PATIENCE and fewest >= FEWEST) or waited > 10 * SECONDS:
            break
        with contextlib.suppress(Exception):
            check.__wrapped__(*watched, rng=np.random.default_rng(seed))
    return calls


def _recorded(answer, kept):
    if not isinstance(answer, types.FunctionType):
        return answer

    @functools.wraps(answer)
    def run(*args, **kwargs):
        with contextlib.suppress(Exception):   # what cannot be copied cannot be tried again
            kept.append(copy.deepcopy((args, kwargs)))
        return answer(*args, **kwargs)

    return run


def _equivalent(right, wrong, calls):
    """Whether two answers are the same, or functions that do the same."""
    if not isinstance(right, types.FunctionType):
        return _same(right, wrong)
    start = time.monotonic()
    for count, call in enumerate(calls):
        if count >= FEWEST and time.monotonic() - start > PATIENCE:
            break
        if not _same(_outcome(right, call), _outcome(wrong, call)):
            return False
    return len(calls) >= FEWEST


def _outcome(function, call):
    """What a call returns or raises, and what becomes of its arguments."""
    import keras

    args, kwargs = copy.deepcopy(call)
    keras.utils.set_random_seed(0)
    try:
        with contextlib.redirect_stdout(io.StringIO()), _at_most(SECONDS), np.errstate(all="ignore"):
            return function(*args, **kwargs), args, kwargs
    except Exception as error:
        return type(error).__name__


def _same(first, second):
    import keras

    if isinstance(first, keras.Model) and isinstance(second, keras.Model):
        return _same([_layers(first), first.get_weights()], [_layers(second), second.get_weights()])
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[name], second[name]) for name in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    if hasattr(first, "equals"):   # a data set of xarray
        return first.equals(second)
    if isinstance(first, np.random.Generator):
        return first.bit_generator.state == second.bit_generator.state
    if type(first) is type(second) and type(first).__module__.startswith(("course_utils", "tests")):   # a made-up task
        return _same(vars(first), vars(second))
    try:
        return np.shape(first) == np.shape(second) and bool(np.allclose(first, second, rtol=1e-5, equal_nan=True))
    except TypeError:   # no numbers
        return first is second or bool(first == second)


def _layers(model):
    return [type(layer).__name__ + str({name: value for name, value in layer.get_config().items() if name != "name"})
            for layer in model.layers]


def _permitted():
    """By question, what the text permits: "change", which is part of what was changed, and "reason"."""
    return tomllib.loads(PERMITTED.read_text(encoding="utf-8")) if PERMITTED.exists() else {}


def main(numbers):
    """Try the mutants of these questions, or of all; print those that survive, and return the exit status."""
    chosen = {number: question for number, question in questions().items() if number in numbers or not numbers}
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        results = dict(zip(chosen, pool.map(judge, chosen.values()), strict=True))
    kinds = ("killed", "equivalent", "permitted", "survived")
    counts = {number: {kind: list(result.values()).count(kind) for kind in kinds} for number, result in results.items()}
    rows = [[number, *map(str, count.values())] for number, count in counts.items()]
    print(formatting.table(["question", *kinds], rows))
    for number, result in results.items():
        for change, fate in result.items():
            if fate == "survived":
                print(f"{number}: {change}")
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    counts = {number: (known | counts)[number] for number in questions() if number in known | counts}
    RESULTS.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return 1 if any("survived" in result.values() for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
