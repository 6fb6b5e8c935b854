"""Seconds per notebook, top to bottom in a fresh kernel: `make bench-notebooks` writes course_utils/tools/costs.json.

`make bench-notebooks ARGS="07 09"` measures these two alone and leaves the others as they are. On a machine that is
slower than the one the file speaks of, ARGS="slower" keeps the times beside those, ARGS="slower 07" one of them.
"""

import os
import sys
import time

from course_utils.tools import build, measured, pages


def main(names):
    where = "slower" if "slower" in names else "seconds"
    names = [name for name in names if name != "slower"]
    everything = build.twins()
    twins = [twin for twin in everything if not names or twin.stem.startswith(tuple(names))]
    if not twins:
        sys.exit(f"No notebook begins with {' or '.join(names)}.")
    taken = {}
    for twin in twins:
        taken[twin.stem] = seconds(twin)
        known = measured.costs().get(where, {}) | taken
        measured.keep(
            measured.COSTS,
            {
                "cores": os.cpu_count(),
                where: {twin.stem: known[twin.stem] for twin in everything if twin.stem in known},
            },
        )
    pages.update()
    build.build(everything[0])  # the welcome page has the times, too
    if slow := [name for name, took in taken.items() if took > measured.LIMITS["notebook"]]:
        sys.exit(f"Over {measured.LIMITS['notebook']} s: {', '.join(slow)}.")


def seconds(twin):
    """Seconds that a notebook takes, its kernel's start included."""
    start = time.perf_counter()
    build.execute(build.read(twin), twin.parents[1])
    took = time.perf_counter() - start
    print(f"{took:6.1f} s  {twin.stem}", flush=True)
    return round(took, 1)


if __name__ == "__main__":
    main(sys.argv[1:])
