"""What was measured with a clock: ratios from `make bench`, committed, quoted by README and notebooks.

Times belong to the machine; ratios of two times taken side by side travel better.
"""

import json
import pathlib

RESULTS = pathlib.Path(__file__).with_name("measured.json")


def results():
    """All results: dict name → ``{"work", "against", "ratio", …}``."""
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
    """All ratios as a Markdown table."""
    lines = ["| work | measured |", "|---|---|"]
    lines += [f"| {row['work']} | {row['ratio']:g}× {row['what']} {row['against']} |" for row in results().values()]
    return "\n".join(lines)
