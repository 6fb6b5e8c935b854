"""The long measurements whose results are stored: `make measure`, or `make measure ARGS="scratch"` for one group.

What is already measured is skipped, unless it is named: `make measure ARGS="dropout"` trains one row again. Each result
is saved as soon as it is there, so the command can be stopped, its results committed, and the rest measured later.
"""

import os
import sys
import time

from course_utils.experiments import scoreboard

GROUPS = {
    "scratch": [name for name, row in scoreboard.ROWS.items() if row.score is None],
    "pretrained": [name for name, row in scoreboard.ROWS.items() if row.score],
}


def main(names):
    """Measure these groups or rows, and say what is left."""
    known = [name for group in GROUPS.values() for name in group]
    if unknown := set(names) - {*known, *GROUPS}:
        print(f"There is no group or row {', '.join(sorted(unknown))}; there are {', '.join([*GROUPS, *known])}.",
              file=sys.stderr)
        return 2
    os.environ.setdefault("TQDM_DISABLE", "1")
    todo = dict.fromkeys(name for group in names or GROUPS for name in GROUPS.get(group, [group])
                         if group in known or name not in scoreboard.results())
    try:
        for name in todo:
            print(f"{name} …", end=" ", flush=True)
            start = time.monotonic()
            scoreboard.measure(name)
            print(f"{time.monotonic() - start:.0f} s", flush=True)
    except ValueError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; `make measure` measures what is left.")
    for group, members in GROUPS.items():
        left = [name for name in members if name not in scoreboard.results()]
        print(f"{group}:", f"{len(left)} left ({', '.join(left)})" if left else "all measured")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
