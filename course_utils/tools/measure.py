"""The long measurements whose results are stored: `make measure`, or `make measure ARGS="scratch"` for one group.

What is already measured is skipped, unless it is named: `make measure ARGS="dropout"` trains one row again. Each result
is saved as soon as it is there, so the command can be stopped, its results committed, and the rest measured later.
"""

import functools
import os
import sys
import time

from course_utils.experiments import doctor_rates, emoji_curves, scoreboard

GROUPS = {
    "scratch": [name for name, row in scoreboard.ROWS.items() if row.score is None],
    "pretrained": [name for name, row in scoreboard.ROWS.items() if row.score],
    "curves": list(emoji_curves.CURVES),
    "doctor": ["doctor_rates"],
}
MEASURE = {name: functools.partial(scoreboard.measure, name) for name in scoreboard.ROWS} | {
    name: functools.partial(emoji_curves.measure, name) for name in emoji_curves.CURVES} | {
    "doctor_rates": doctor_rates.measure}


def left():
    """Names of what is not measured yet, or not completely."""
    measured = scoreboard.results() | emoji_curves.results()
    return [name for name in MEASURE if (doctor_rates.missing() if name == "doctor_rates" else name not in measured)]


def main(names):
    """Measure these groups or rows, and say what is left."""
    known = [name for group in GROUPS.values() for name in group]
    if unknown := set(names) - {*known, *GROUPS}:
        print(f"There is no group or row {', '.join(sorted(unknown))}; there are {', '.join([*GROUPS, *known])}.",
              file=sys.stderr)
        return 2
    os.environ.setdefault("TQDM_DISABLE", "1")
    todo = dict.fromkeys(name for group in names or GROUPS for name in GROUPS.get(group, [group])
                         if group in known or name in left())
    try:
        for name in todo:
            print(f"{name} …", end=" ", flush=True)
            start = time.monotonic()
            MEASURE[name]()
            print(f"{time.monotonic() - start:.0f} s", flush=True)
    except ValueError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; `make measure` measures what is left.")
    for group, members in GROUPS.items():
        todo = [name for name in members if name in left()]
        print(f"{group}:", f"{len(todo)} left ({', '.join(todo)})" if todo else "all measured")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
