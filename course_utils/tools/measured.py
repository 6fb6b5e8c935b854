"""What was measured, committed, and quoted by README and notebooks.

Times depend on the machine; the ratio of two times measured on one machine depends on it less. So there are two files:
``measured.json`` holds ratios, from `make bench` and `make bench-search`; ``costs.json`` holds the seconds and the
megabytes that the course takes on one machine, from `make bench-notebooks` and `make bench-kernel`. A third file,
``baselines.json``, holds what simple models reach on each data set, from `make data-page`.
"""

import json
import pathlib

from course_utils import files, formatting

RESULTS = pathlib.Path(__file__).with_name("measured.json")
COSTS = pathlib.Path(__file__).with_name("costs.json")
BASELINES = pathlib.Path(__file__).with_name("baselines.json")
MUTANTS = pathlib.Path(__file__).parents[2] / "tests" / "checks" / "mutants.json"   # from `make mutants`
LIMITS = {"notebook": 60, "import": 0.5, "kernel": 700}   # seconds, seconds, megabytes
WAITS = {"first": 0.3, "final": 1.0}   # seconds from a control of a lab to the first new figure and to the final one
EXCEPTIONS = {}   # lab → seconds to its final figure


def results():
    """All ratios: dict name → ``{"work", "what", "against", "ratio", "interval", "repeats"}``, and ``"target"``
    if there is one."""
    return _read(RESULTS)


def costs():
    """What the course takes on one machine.

    Returns
    -------
    dict of "cores", their number; "seconds", dict notebook → seconds from top to bottom; "slower", the same on the
    slowest machine with as many cores that was tried; "import", dict of "package" and "labs", seconds to import them;
    "megabytes", dict of "own", the memory of a kernel in which a lab is open, and "shared", the files mapped into it,
    which all kernels share; "labs", dict lab → dict of "first" and "final", the seconds until a lab has a new figure
    """
    return _read(COSTS)


def keep(path, measurements):
    """Write measurements into one of the files, in place of older ones."""
    files.write_atomically(path, json.dumps(_read(path) | measurements, indent=1, ensure_ascii=False) + "\n")


def ratio(name):
    """One sentence with one measured ratio; a KeyError lists the names if there is none of this name."""
    rows = results()
    if name not in rows:
        raise KeyError(f"There is no measurement {name!r}; there are {', '.join(rows) or 'none'}: run `make bench`, "
                       "or for searches `make bench-search`.")
    return f"{rows[name]['work']}: {_measured(rows[name])}"


def table():
    """All ratios as a Markdown table, with their targets if there are any."""
    rows = [[row["work"], _measured(row), _target(row)] for row in results().values()]
    columns = ["work", "measured", "target"][:3 if any(target for *_, target in rows) else 2]
    return formatting.table(columns, [row[:len(columns)] for row in rows])


def cost_table():
    """What the course takes on one machine, as a Markdown table with its limits."""
    measurements = costs()
    imports, memory = measurements.get("import"), measurements.get("megabytes")
    rows = []
    for name, where in [("seconds", ""), ("slower", ", on a slower machine")]:
        if seconds := measurements.get(name):
            slowest = max(seconds, key=seconds.get)
            name = slowest.partition("_")[0]
            rows += [[f"the slowest notebook ({name}), from top to bottom{where}", f"{seconds[slowest]:.0f} s",
                      _limit(seconds[slowest], "notebook", "s")],
                     [f"all {len(seconds)} notebooks, one after the other{where}",
                      f"{sum(seconds.values()) / 60:.0f} min", ""]]
    if imports:
        rows += [["`import course_utils`", f"{imports['package']:.2g} s", _limit(imports["package"], "import", "s")],
                 ["`from course_utils import labs`", f"{imports['labs']:.2g} s", ""]]
    if memory:
        rows += [["memory of a kernel with a lab open", f"{memory['own']} MB", _limit(memory["own"], "kernel", "MB")],
                 ["libraries that all kernels share", f"{memory['shared']} MB, once", ""]]
    return formatting.table(["what", f"measured on {measurements.get('cores', '?')} cores", "at most"], rows)


def lab_table():
    """How long the labs take to show a new figure, as a Markdown table."""
    rows = [[f"`{lab}`" if lab.isidentifier() else lab, *(f"{seconds[kind]:.2g} s" for kind in WAITS),
             *(f"{limit:g} s" for limit in _waits(lab).values())] for lab, seconds in costs().get("labs", {}).items()]
    return formatting.table(["lab", "first figure", "final figure", "first at most", "final at most"], rows)


def _waits(lab):
    return WAITS | ({"final": EXCEPTIONS[lab]} if lab in EXCEPTIONS else {})


def missed():
    """The targets that were missed, as a Markdown list."""
    lines = [f"- {row['work']}: {_measured(row)}; the target was {_target(row)}" for row in results().values()
             if "missed" in _target(row)]
    for name, where in [("seconds", ""), ("slower", " on a slower machine")]:
        lines += [f"- Notebook {notebook.partition('_')[0]} takes {seconds:.0f} s{where}; the target was at most "
                  f"{LIMITS['notebook']} s" for notebook, seconds in costs().get(name, {}).items()
                  if round(seconds) > LIMITS["notebook"]]
    lines += [f"- Lab {lab}: {seconds[kind]:.2g} s until the {kind} figure; the target was at most {limit:g} s"
              for lab, seconds in costs().get("labs", {}).items() for kind, limit in _waits(lab).items()
              if seconds[kind] > limit]
    return "\n".join(f"{line}." for line in lines) or "None."


def mutants():
    """How many mistakes in the solutions the checks of the exercises notice, as a sentence."""
    counts = _read(MUTANTS).values()
    killed, equivalent, permitted, survived = (sum(count[kind] for count in counts) for kind in (
        "killed", "equivalent", "permitted", "survived"))
    return (f"Of {killed + equivalent + permitted + survived} such answers, the checks reject {killed}. "
            f"{equivalent} give the same results as the solution, {permitted} are as good an answer to the question as "
            f"the solution, and {survived or 'none'} of the others go unnoticed.")


def baselines():
    """Dict data set → "shape" of a sample, "sizes" of the three parts, "classes" (None for regression), and what
    "guess", "linear", and "neighbor" reach: an accuracy, or for regression the root mean square error.
    """
    return _read(BASELINES)


def baseline_table():
    """The sizes of each data set and what simple models reach on its validation data, as a Markdown table."""
    def reached(row, name):
        return f"off by {row[name]:.1f}" if row["classes"] is None else f"{row[name]:.0%}"

    rows = [[f"`{name}`", "×".join(map(str, row["shape"])),
             " / ".join(map(str, row["sizes"])), str(row["classes"] or "regression"),
             *(reached(row, model) for model in ("guess", "linear", "neighbor"))] for name, row in baselines().items()]
    return formatting.table(["data set", "shape", "training / validation / test", "classes", "guess", "linear model",
                             "nearest neighbor"], rows)


def _read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _measured(row):
    return f"{row['ratio']:g}× {row['what']} {row['against']}"


def _limit(value, what, unit):
    limit = LIMITS[what]
    return f"{limit:g} {unit}" + (f", missed by {value / limit - 1:.0%}" if value > limit else "")


def _target(row):
    """The target of a ratio, and by how much the ratio misses it; empty without a target."""
    if "target" not in row:
        return ""
    [(sense, goal)] = row["target"].items()   # {"at least": 100} or {"at most": 1}
    missed = row["ratio"] < goal if sense == "at least" else row["ratio"] > goal
    by = f", missed by {abs(row['ratio'] / goal - 1):.0%}" if missed else ""
    return f"{sense} {goal:g}×{by}"
