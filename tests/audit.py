"""Everything that takes longer than `make test`: `make audit`.

Its parts are the files that hold tests marked `audit`. What was found is kept in ``build/audit.json``: after an
interruption, the same command continues, and after a change to the code, it starts over.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time

from course_utils import formatting
from course_utils.tools import measured

HOME = pathlib.Path(__file__).parents[1]
KEPT = HOME / "build" / "audit.json"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "audit"]


def main(names):
    """Run the parts that are left, or those whose names hold one of these words; return the exit status."""
    parts = [part for part in collected() if not names or any(name in part for name in names)]
    results = recall()
    try:
        for number, part in enumerate(parts, 1):
            if part not in results:
                print(f"[{number} of {len(parts)}] {part} …", flush=True)
                results[part] = run(part)
                keep(results)
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.")
    done = {part: results[part] for part in parts if part in results}
    print(formatting.table(["part", "result", "minutes"], [
        [part, done[part]["result"] if part in done else "not run yet",
         f"{done[part]['seconds'] / 60:.1f}" if part in done else ""] for part in parts]))
    print(f"\nMistakes in the solutions, made mechanically: {measured.mutants()}")
    return 0 if len(done) == len(parts) and all(part["passed"] for part in done.values()) else 1


def collected():
    """The test files that hold tests marked ``audit``."""
    said = subprocess.run([*PYTEST, "--collect-only", "tests"], cwd=HOME, capture_output=True, text=True).stdout
    return sorted({line.partition("::")[0] for line in said.splitlines() if "::" in line})


def run(part):
    """Run one part; what to keep of it."""
    start = time.monotonic()
    done = subprocess.run([*PYTEST, part], cwd=HOME, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-5000:])
    lines = done.stdout.strip().splitlines() or [f"exit status {done.returncode}"]
    return {"passed": not done.returncode, "seconds": round(time.monotonic() - start),
            "result": re.sub(r" in [\d.]+s.*| deselected|=+", "", lines[-1]).strip(", ")}


def fingerprint():
    """Changes with every file that git knows."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=HOME, capture_output=True, check=True).stdout.split(b"\0")
    found = hashlib.sha256()
    for name in filter(None, files):
        path = HOME / name.decode()
        found.update(name + (path.read_bytes() if path.is_file() else b""))
    return found.hexdigest()


def recall():
    """The results that were kept of this very code."""
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    return kept["results"] if kept.get("code") == fingerprint() else {}


def keep(results):
    """Write the results down."""
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps({"code": fingerprint(), "results": results}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
