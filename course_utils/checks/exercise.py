"""What an exercise offers besides its checks: the progress so far, and a button that judges the notebook."""

import html
import json
import os
import pathlib
import threading
import time

from course_utils import accessible, checks
from course_utils.checks import progress as progress_file
from course_utils.checks.hints import hint  # what exercises import from here  # noqa: F401

SAVING = 5   # seconds in which JupyterLab should have begun to save a notebook
WRITING = 60   # seconds in which all of it should be in the file


def titles():
    """What each check is about: dict exercise → dict number → title."""
    exercises = {}
    for path in sorted(checks.KEYS.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = ["".join(cell["outputs"][0]["text"]).strip() for cell in cells]
        exercises[path.stem] = {line.split()[1]: line.split(maxsplit=2)[2] for line in lines}
    return exercises


def progress():
    """Your progress in all exercises, as a `Progress`; in JupyterLab, with a button that judges this notebook again."""
    return Progress()


class Progress:
    """A table of all exercises and, in a notebook of JupyterLab, the button **Check my work**."""

    def __init__(self):
        self.notebook = _this_notebook()
        self.thread = self.judge = None

    def __repr__(self):
        """One line an exercise, the same on every machine where nobody works."""
        if not progress_file.file():
            return "Open this notebook in JupyterLab to see your progress."
        noted = progress_file.recall()
        return "\n".join(f"{name}: {_done(marks, numbers)} of {len(numbers)} done"
                         for name, numbers, marks in _marks(noted))

    def table(self):
        """The progress as HTML."""
        noted, mine = progress_file.recall(), self.notebook and _exercise_of(self.notebook)
        rows = []
        for name, numbers, marks in _marks(noted):
            rows.append(f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
                        f"<td>{' '.join(f'{mark}&nbsp;{number}' for number, mark in marks.items())}</td>"
                        f"<td>{_done(marks, numbers)} of {len(numbers)}</td></tr>")
            if name == mine:
                rows += [f"<tr><td></td><td colspan='2' style='text-align:left'>{html.escape(_line(noted, number))}"
                         "</td></tr>" for number in numbers if marks[number] == "✗"]
        return ("<table aria-label='Progress'><thead><tr><th scope='col'>exercise</th><th scope='col'>checks</th>"
                f"<th scope='col'>done</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
                "<p>✓ done · ✗ not yet right · the dot: not answered yet</p>")

    def _ipython_display_(self):
        from IPython.display import display

        if not progress_file.file():
            print(self)
            return
        if not (self.notebook and _exercise_of(self.notebook)):
            display({"text/html": self.table(), "text/plain": repr(self)}, raw=True)
            return
        from course_utils.labs.base import STYLE

        accessible.enable()
        display(self._widget())
        display({"text/html": STYLE, "text/plain": ""}, raw=True)   # hides what remains of it without a kernel

    def _widget(self):
        import ipylab
        import ipywidgets as widgets

        self._lab = ipylab.JupyterFrontEnd()
        self._button = widgets.Button(description="Check my work", button_style="primary",
                                      tooltip="Save this notebook and judge every answer; what hasn't changed isn't "
                                              "run again")
        self._bar = widgets.FloatProgress(min=0, max=1, layout={"visibility": "hidden"})
        self._status = widgets.HTML()
        self._status.add_class("lab-status")
        self._table = widgets.HTML(self.table())
        progress_file.watch(lambda: setattr(self._table, "value", self.table()))
        self._button.on_click(lambda _: self.check())
        box = widgets.VBox([widgets.HBox([self._button, self._bar]), self._status, self._table])
        box.add_class("lab")
        box.add_class("course-progress")
        return box

    def check(self):
        """Save, judge in the background, and show the result; the kernel stays free."""
        if self.thread and self.thread.is_alive():
            return
        self._button.disabled = True
        self._bar.value, self._bar.layout.visibility = 0, "visible"
        self._say("Saving …")
        before = self.notebook.stat().st_mtime_ns
        self._lab.commands.execute("docmanager:save")
        self.thread = threading.Thread(target=self._judge, args=(before,), daemon=True, name="check my work")
        self.thread.start()

    def _judge(self, before):
        try:
            saved = _wait_until(lambda: self.notebook.stat().st_mtime_ns != before, SAVING)
            if not _is_whole(self.notebook):
                self._say("Waiting for JupyterLab to finish saving …")
                if not _wait_until(lambda: _is_whole(self.notebook), WRITING):
                    raise ValueError("JupyterLab has not finished saving it; press Ctrl+S (Cmd+S on a Mac), "
                                     "and then click the button again.")
            self._say("Running your notebook …")
            from course_utils.tools import judging  # not before: it takes a second, and most notebooks only print hints

            if not self.judge:
                self.judge = judging.Judge()
            _, notebook, key = judging.read(self.notebook)
            verdicts = []
            for verdict in self.judge.verdicts(notebook, key, lambda share: setattr(self._bar, "value", share)):
                if verdict and verdict.is_check:
                    progress_file.remember({verdict.line.split()[1]: verdict.line})
                verdicts += [verdict] if verdict else []
            judged = [verdict.passed for verdict in verdicts if verdict.is_check]
            self._say("\n".join([
                f"{sum(judged)} of {len(judged)} checks passed."
                + ("" if saved else " (JupyterLab did not save it again, so this is the last saved version.)"),
                *(verdict.line for verdict in verdicts if not verdict.is_check)]))
        except Exception as error:   # a button should not show a traceback
            self._say(f"This notebook could not be judged: {error}")
        if self.judge and self.judge.process.poll() is not None:
            self.judge.close()
            self.judge = None   # the next click starts another one
        self._bar.value, self._button.disabled = 1, False

    def _say(self, text):
        lines = "<br>".join(html.escape(line) for line in text.splitlines())
        self._status.value = f"<p>{lines}</p>"


def _this_notebook():
    """Path of the notebook that this kernel belongs to, if Jupyter says so and it is there."""
    path = pathlib.Path(os.environ.get(progress_file.SESSION) or "nowhere")
    return path if path.suffix == ".ipynb" and path.is_file() else None


def _exercise_of(path):
    """Name of the exercise that a notebook holds, or None."""
    from course_utils.tools import judging

    try:
        return judging.read(path)[0]
    except ValueError:   # no notebook, whatever it is called
        return None


def _is_whole(path):
    """Whether a file holds a whole notebook: while Jupyter writes it, only the beginning is there."""
    try:
        content = path.read_bytes()
        json.loads(content)
        time.sleep(0.05)
        return path.read_bytes() == content
    except (OSError, ValueError):
        return False


def _marks(noted):
    """Name, numbers, and marks of each exercise; questions that are no longer asked have a mark only if it is ✓."""
    for name, numbers in titles().items():
        marks = {number: _line(noted, number)[:1] for number in [*numbers, *checks.RETIRED.get(name, {})]}
        yield name, numbers, {number: mark for number, mark in marks.items() if number in numbers or mark == "✓"}


def _done(marks, numbers):
    """How many questions are done; one that is no longer asked makes up for another one."""
    return min(list(marks.values()).count("✓"), len(numbers))


def _line(noted, number):
    return noted.get(number, {}).get("line", f"· {number} not answered yet")


def _wait_until(holds, seconds):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
