"""What a learner has reached so far: one small file beside the exercises, which may be deleted."""

import contextlib
import datetime
import json
import os
import pathlib
import tempfile

FILE = pathlib.Path(__file__).parents[2] / "exercises" / ".progress.json"
SESSION = "JPY_SESSION_NAME"   # Jupyter's servers tell a kernel so which notebook it belongs to


def remember(lines):
    """Note the last line of some checks.

    Only in a kernel that a person has opened: what builds, tests and grades runs checks too.

    Parameters
    ----------
    lines : dict number → line, e.g. ``{"2.1": "✓ 2.1 …"}``
    """
    if SESSION not in os.environ:
        return
    day = datetime.date.today().isoformat()
    noted = recall() | {number: {"line": line, "day": day} for number, line in lines.items()}
    # Never in the way of an exercise: a folder that cannot be written to only costs the progress.
    with contextlib.suppress(OSError):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=FILE.parent, prefix=".progress",
                                         delete=False) as file:
            json.dump(noted, file, indent=1, ensure_ascii=False)
        os.replace(file.name, FILE)   # two kernels may write at the same time


def recall():
    """Dict number → ``{"line", "day"}``; empty if nothing is noted or nobody can read it."""
    try:
        noted = json.loads(FILE.read_text(encoding="utf-8"))
        return {number: entry for number, entry in noted.items() if entry["line"][:1] in tuple("✓✗·")}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}
