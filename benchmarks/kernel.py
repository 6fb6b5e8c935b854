"""Seconds to import the package, memory of a kernel with a lab open: `make bench-kernel`, into costs.json."""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import psutil
from jupyter_client.manager import start_new_kernel

from course_utils.tools import build, measured, pages
from tests.helpers.learner import hide_from_learners

IMPORTS = {"package": "import course_utils", "labs": "from course_utils import labs"}
OPEN = "from course_utils import labs\n\nlabs.batch_norm()"  # as lecture 07 does; returns with the first picture


def main():
    found = {
        "cores": os.cpu_count(),
        "import": {name: import_seconds(code) for name, code in IMPORTS.items()},
        "megabytes": kernel_megabytes(),
    }
    measured.keep(measured.COSTS, found)
    pages.update()
    print(f"seconds to import: {found['import']}; megabytes of a lab's kernel: {found['megabytes']}")


def import_seconds(code):
    """Median of five fresh processes."""
    timed = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
    took = [
        float(subprocess.run([sys.executable, "-c", timed], capture_output=True, check=True, text=True).stdout)
        for _ in range(5)
    ]
    return float(f"{statistics.median(took):.2g}")


def kernel_megabytes():
    """Memory that is the kernel's own, and the files mapped into it, which all kernels share."""
    with tempfile.TemporaryDirectory() as hidden:
        hide_from_learners(pathlib.Path(hidden))
        manager, client = start_new_kernel(kernel_name="python3", env=os.environ | build.QUIET | {"PYTHONPATH": hidden})
        try:
            reply = client.execute_interactive(OPEN, timeout=600, output_hook=lambda message: None)
            if reply["content"]["status"] != "ok":
                raise RuntimeError(f"The lab did not open: {reply['content']['evalue']}.")
            memory = psutil.Process(manager.provisioner.pid).memory_info()
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    return {"own": round((memory.rss - memory.shared) / 1e6), "shared": round(memory.shared / 1e6)}


if __name__ == "__main__":
    main()
