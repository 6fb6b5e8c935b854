"""Seconds per notebook from top to bottom in a fresh kernel: `make bench-notebooks`."""

import sys
import time

from course_utils import build

LIMIT = 60


def main(names):
    slow = []
    for twin in build.twins():
        if names and not twin.stem.startswith(tuple(names)):
            continue
        start = time.perf_counter()
        build.execute(build.read(twin), twin.parents[1])
        took = time.perf_counter() - start
        print(f"{took:6.1f} s  {twin.stem}", flush=True)
        if took > LIMIT:
            slow.append(twin.stem)
    if slow:
        sys.exit(f"Over {LIMIT} s: {', '.join(slow)}.")


if __name__ == "__main__":
    main(sys.argv[1:])
