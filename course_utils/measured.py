"""What was measured with a clock: ratios from `make bench`, committed, quoted by README and notebooks.

Times belong to the machine; ratios of two times taken side by side travel better.
"""

import json
import pathlib

RESULTS = pathlib.Path(__file__).with_name("measured.json")


def results():
    """All results: dict name → ``{"work", "what", "against", "ratio", "repeats"}``, and ``"target"`` if it has one."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def ratio(name):
    """One sentence with one measured ratio.

    Raises
    ------
    KeyError
        Nothing of that name was measured; the message lists what was.
    """
    found = results()
    if name not in found:
        raise KeyError(f"There is no measurement {name!r}; there are {', '.join(found) or 'none'}: run `make bench`.")
    row = found[name]
    return f"{row['work']}: {row['ratio']:g}× {row['what']} {row['against']}"


def table():
    """All ratios as a Markdown table, with the targets where there are some."""
    rows = [[row["work"], f"{row['ratio']:g}× {row['what']} {row['against']}", _target(row)]
            for row in results().values()]
    columns = ["work", "measured", "target"][:3 if any(target for *_, target in rows) else 2]
    lines = [f"| {' | '.join(line[:len(columns)])} |" for line in [columns, *rows]]
    return "\n".join([lines[0], f"|{'---|' * len(columns)}", *lines[1:]])


def _target(row):
    """What a ratio was to reach, and by how much it missed that; empty without a target."""
    if "target" not in row:
        return ""
    [(sense, goal)] = row["target"].items()   # {"at least": 100} or {"at most": 1}
    missed = row["ratio"] < goal if sense == "at least" else row["ratio"] > goal
    by = f", missed by {abs(row['ratio'] / goal - 1):.0%}".replace("%", " %") if missed else ""
    return f"{sense} {goal:g}×{by}"
