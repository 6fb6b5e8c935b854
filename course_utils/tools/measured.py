"""What was measured with a clock, committed, and quoted by README and notebooks.

Times belong to the machine; ratios of two times taken side by side travel better. So there are two files:
``measured.json`` holds ratios, from `make bench` and `make bench-search`; ``costs.json`` says what the course asks of
one machine, whose cores it names: seconds and megabytes, from `make bench-notebooks` and `make bench-kernel`.
"""

import json
import pathlib

from course_utils import formatting

RESULTS = pathlib.Path(__file__).with_name("measured.json")
COSTS = pathlib.Path(__file__).with_name("costs.json")
LIMITS = {"notebook": 60, "import": 0.5, "kernel": 700}   # seconds, seconds, megabytes


def results():
    """All ratios: dict name → ``{"work", "what", "against", "ratio", "repeats"}``, and ``"target"`` if it has one."""
    return _read(RESULTS)


def costs():
    """What the course asks of a machine.

    Returns
    -------
    dict of "cores", how many it was measured on; "seconds", dict notebook → seconds from top to bottom; "slower", the
    same on the slowest machine with as many cores that was tried; "import", dict of "package" and "labs", seconds to
    import them; "megabytes", dict of "own", the memory of a kernel in which a lab is open, and "shared", the files
    mapped into it, which all kernels hold together once
    """
    return _read(COSTS)


def keep(path, found):
    """Put what was measured into one of the two files, in the place of older results."""
    path.write_text(json.dumps(_read(path) | found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def ratio(name):
    """One sentence with one measured ratio.

    Raises
    ------
    KeyError
        Nothing of that name was measured; the message lists what was.
    """
    found = results()
    if name not in found:
        raise KeyError(f"There is no measurement {name!r}; there are {', '.join(found) or 'none'}: run `make bench`, "
                       "or for searches `make bench-search`.")
    row = found[name]
    return f"{row['work']}: {row['ratio']:g}× {row['what']} {row['against']}"


def table():
    """All ratios as a Markdown table, with the targets where there are some."""
    rows = [[row["work"], f"{row['ratio']:g}× {row['what']} {row['against']}", _target(row)]
            for row in results().values()]
    columns = ["work", "measured", "target"][:3 if any(target for *_, target in rows) else 2]
    return formatting.table(columns, [row[:len(columns)] for row in rows])


def cost_table():
    """What the course asks of a machine, as a Markdown table with its limits."""
    found = costs()
    seconds, imports, memory = (found.get(name, {}) for name in ("seconds", "import", "megabytes"))
    rows = []
    for took, where in [(seconds, ""), (found.get("slower"), ", on a slower machine")]:
        if took:
            slowest = max(took, key=took.get)
            rows += [[f"the slowest notebook ({slowest[:2]}), from top to bottom{where}", f"{took[slowest]:.0f} s",
                      _limit(took[slowest], "notebook", "s")],
                     [f"all {len(took)} notebooks, one after the other{where}", f"{sum(took.values()) / 60:.0f} min",
                      ""]]
    if imports:
        rows += [["`import course_utils`", f"{imports['package']:.2g} s", _limit(imports["package"], "import", "s")],
                 ["`from course_utils import labs`", f"{imports['labs']:.2g} s", ""]]
    if memory:
        rows += [["memory of a kernel with a lab open", f"{memory['own']} MB", _limit(memory["own"], "kernel", "MB")],
                 ["libraries that all kernels share", f"{memory['shared']} MB, once", ""]]
    return formatting.table(["what", f"measured on {found.get('cores', '?')} cores", "at most"], rows)


def _read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _limit(value, what, unit):
    limit = LIMITS[what]
    return f"{limit:g} {unit}" + (f", missed by {value / limit - 1:.0%}".replace("%", " %") if value > limit else "")


def _target(row):
    """What a ratio was to reach, and by how much it missed that; empty without a target."""
    if "target" not in row:
        return ""
    [(sense, goal)] = row["target"].items()   # {"at least": 100} or {"at most": 1}
    missed = row["ratio"] < goal if sense == "at least" else row["ratio"] > goal
    by = f", missed by {abs(row['ratio'] / goal - 1):.0%}".replace("%", " %") if missed else ""
    return f"{sense} {goal:g}×{by}"
