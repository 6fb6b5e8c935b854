"""How many learners one machine holds: `make bench-load`, into load.json and the table in INSTRUCTORS.md.

One Jupyter server; each learner has a kernel, opens a lab at the same moment as all others, and then
turns the learning rate, looks, turns it again. At the largest number two kernels end badly while the
others go on. ARGS="1 4" tries other numbers of learners and writes nothing.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import statistics
import sys
import tempfile
import threading
import time

import psutil

from tests.helpers import jupyterlab
from tests.helpers.learner import Kernel, hide_from_learners, started

LEARNERS = (1, 4, 12, 36)  # 36 fill the 24 GB of the machine that load.json is of
CHANGES = 8  # of the learning rate, by each learner
LOOKING = (4.0, 10.0)  # seconds for which a learner looks at the picture
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
RESULTS = pathlib.Path(__file__).with_name("load.json")
PAGE = pathlib.Path(__file__).parents[1] / "INSTRUCTORS.md"
BEFORE = "from course_utils.training import program\nprogram.give_back_memory = lambda: None\n"
OPEN = "from course_utils import labs\nlab = labs.batch_norm(learning_rate=0.03)\nlab"


class Learner:
    """One learner: a kernel and the times waited for it, in seconds."""

    def __init__(self, address, number):
        self.kernel, self.opening, self.waited, self.rate = Kernel(address), None, [], None
        self.chance = random.Random(number)

    def open(self, prepare=""):
        """Open the lab; from the first cell to the first final picture."""
        start = time.perf_counter()
        self.kernel.run(prepare + OPEN)
        self.opening = time.perf_counter() - start
        return self

    def work(self, changes):
        """Change the learning rate and look, `changes` times."""
        for _ in range(changes):
            time.sleep(self.chance.uniform(*LOOKING))
            self.rate = self.chance.choice([one for one in RATES if one != self.rate])  # the same would change nothing
            start = time.perf_counter()
            self.kernel.move("learning rate", self.rate)
            self.kernel.wait_for(
                lambda text: "Validation accuracy after" in text and f"learning rate {self.rate:.3g}," in text
            )
            self.waited.append(time.perf_counter() - start)
        return self


def kernels():
    """The processes of all kernels that this process has started through its server."""
    return started("ipykernel_launcher")


def together(learners, act):
    """Let all learners act at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(learners)) as pool:
        return list(pool.map(act, learners))


@contextlib.contextmanager
def classroom():
    """A server whose kernels see what a learner has installed, no more; yields its address."""
    with tempfile.TemporaryDirectory() as folder:
        hidden, root = (pathlib.Path(folder, name) for name in ("hidden", "root"))
        hidden.mkdir()
        root.mkdir()
        hide_from_learners(hidden)
        os.environ["PYTHONPATH"] = str(hidden)
        with jupyterlab.server(root, pathlib.Path(folder, "state")) as address:
            yield address


def measure(number, prepare="", crash=False):
    """One row: what `number` learners take and how long they wait.

    Parameters
    ----------
    number : int
        Of learners.
    prepare : str
        Code that their kernels run first.
    crash : bool
        Whether two kernels then end badly, while the others change the learning rate twice more.

    Returns
    -------
    dict with seconds (``opening``, ``median``, ``p95``), megabytes for each learner (``pss``, ``rss``,
    ``peak``), and how many kernels were ``killed``
    """
    with classroom() as address:
        learners = together(range(number), lambda one: Learner(address, one))
        started = set(kernels())
        assert len(started) == number
        together(learners, lambda learner: learner.open(prepare))
        together(learners, lambda learner: learner.work(CHANGES))
        there = kernels()
        memory = [process.memory_full_info() for process in there.values()]
        waited = sorted(second for learner in learners for second in learner.waited)
        row = {
            "learners": number,
            "changes": len(waited),
            "opening": max(learner.opening for learner in learners),
            "median": statistics.median(waited),
            "p95": waited[-max(1, round(0.05 * len(waited)))],
            "pss": statistics.mean(one.pss for one in memory) / 1e6,
            "rss": statistics.mean(one.rss for one in memory) / 1e6,
            "peak": max(map(peak, there)),
            "killed": len(started - set(there)),
        }
        if crash:
            row["crash"] = after_a_crash(learners, there)
        for learner in learners:
            learner.kernel.close()
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}


def peak(pid):
    """The most megabytes that a process has ever held."""
    return int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024 / 1e6


def after_a_crash(learners, there):
    """End two kernels, one by itself and one by SIGKILL; how the others fare meanwhile."""
    fallen, others = learners[:2], learners[2:]
    pids = [int(learner.kernel.run("import os; os.getpid()")) for learner in fallen]
    for learner in others:
        learner.waited.clear()

    def end():
        os.kill(pids[1], signal.SIGKILL)
        fallen[0].kernel.begin("import os; os._exit(1)")  # there will be no answer

    ending = threading.Timer(sum(LOOKING) / 2, end)
    ending.start()
    together(others, lambda learner: learner.work(2))
    ending.join()
    alive = set(kernels())
    return {
        "fallen": len(set(pids) - alive),
        "others": len(others),
        "alive": len((set(there) - set(pids)) & alive),
        "changes": sum(len(learner.waited) for learner in others),
        "median": round(statistics.median(second for learner in others for second in learner.waited), 2),
    }


def table(found):
    """What was measured, as a Markdown table with a sentence on each side of it.

    Parameters
    ----------
    found : dict
        ``rows``, of `measure`; ``before``, one learner without what saves memory; ``cores``.
    """
    rows, before = found["rows"], found["before"]
    lines = [
        "| learners at the same time | memory for each (PSS) | as `top` shows it (RSS) | opening the lab, the "
        "slowest | from the slider to the final picture, median | 95 % of all within |",
        f"|{'---:|' * 6}",
        *(
            f"| {row['learners']} | {row['pss']:.0f} MB | {row['rss']:.0f} MB | {row['opening']:.0f} s "
            f"| {row['median']:.1f} s | {row['p95']:.1f} s |"
            for row in rows
        ),
    ]
    last = rows[-1]
    killed = sum(row["killed"] for row in rows)
    told = (
        f"Measured on {found['cores']} cores. Kernels that were killed: {killed}. A kernel alone takes "
        f"{rows[0]['rss']:.0f} MB in all; it took {before['rss']:.0f} MB before it returned to the system what its "
        "compiler had freed."
    )
    if "crash" in last:
        crash = last["crash"]
        told += (
            f" Then two of the {last['learners']} kernels ended badly, one by itself and one killed: of the "
            f"{crash['others']} others, {crash['alive']} went on, and their {crash['changes']} next changes took "
            f"{crash['median']:.1f} s in the median."
        )
    return "\n".join([*lines, "", told])


def quote(text):
    """The text of a page with the table of what was measured last."""
    block = (
        table(json.loads(RESULTS.read_text(encoding="utf-8")))
        if RESULTS.exists()
        else "Not measured yet: run `make bench-load`."
    )
    return re.sub(
        r"(<!-- load: [^\n]*-->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{block}\n\n{found[2]}",
        text,
        flags=re.DOTALL,
    )


def main(numbers):
    before = measure(1, BEFORE)
    rows = []
    for number in numbers:
        rows.append(measure(number, crash=number >= 3 and number == max(numbers)))
        print(rows[-1], flush=True)
    found = {"cores": len(psutil.Process().cpu_affinity()), "rows": rows, "before": before}
    print(table(found))
    if numbers == list(LEARNERS):
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(quote(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(list(map(int, sys.argv[1:])) or list(LEARNERS))
