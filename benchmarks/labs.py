"""From a control to the final figure, for every lab and numeric control: `make bench-labs`, into costs.json.

    .venv/bin/python -m benchmarks.labs            # all labs
    .venv/bin/python -m benchmarks.labs dropout    # only these; the others keep their results

The labs run in this process, without a browser; at the end, the same is measured in JupyterLab for one of them.
"""

import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import ipywidgets as widgets
import numpy as np

from course_utils import labs
from course_utils.tools import measured, pages
from tests.helpers import jupyterlab

CHANGES = 10  # of each control, evenly spaced over its range, ends included
WATCH = """() => {
    const picture = document.querySelector('.lab img.widget-image');
    window.pictures = [];
    new MutationObserver(() => window.pictures.push(performance.now())).observe(picture, {attributes: true});
}"""
PRESSED = "() => { window.pictures.length = 0; window.pressed = performance.now(); }"
WAITED = "() => window.pictures.map(at => (at - window.pressed) / 1000)"
FINAL = """rate => {
    const status = document.querySelector('.lab [role=status]').textContent;
    return status.startsWith('Validation accuracy') && status.includes(`learning rate ${rate},`);
}"""


def main(names):
    found = {name: seconds(getattr(labs, name)) for name in names or labs.__all__}
    if not names:
        found["in JupyterLab"] = in_jupyterlab(labs.batch_norm)
    measured.keep(measured.COSTS, {"labs": measured.costs().get("labs", {}) | found})
    pages.update()


def seconds(cls):
    """The 95th percentile of the time until the first and the final figure, for the slowest control of a lab."""
    lab = cls()
    lab.wait()
    slowest = {"first": 0.0, "final": 0.0}
    for name, control in cls.controls.items():
        values = settings(lab._widgets[name])
        if values and not control.structural:
            times = [times for value in values if (times := change(lab, name, value))]
            lab.show()
            lab.wait()
            first, final = np.percentile(times, 95, axis=0)
            print(f"{cls.name:16} {name:16} first {first:5.2f} s, final {final:5.2f} s", flush=True)
            slowest = {"first": max(slowest["first"], first), "final": max(slowest["final"], final)}
    return {kind: float(f"{value:.2g}") for kind, value in slowest.items()}


def settings(widget):
    """Values of a numeric control; none for other controls."""
    if isinstance(widget, widgets.FloatLogSlider):
        return list(np.logspace(widget.min, widget.max, CHANGES))
    if isinstance(widget, widgets.FloatSlider | widgets.IntSlider):
        return [type(widget.value)(value) for value in np.linspace(widget.min, widget.max, CHANGES)]
    numbers = [value for value in getattr(widget, "options", ()) if isinstance(value, int)]
    return (numbers * CHANGES)[:CHANGES] if len(numbers) > 1 else []


def change(lab, name, value):
    """Seconds from a change of a control to the first new figure and to the final one; None if nothing changed."""
    drawn = []

    def note(_):
        drawn.append(time.perf_counter())

    lab._image.observe(note, "value")
    started = time.perf_counter()
    lab._widgets[name].value = value
    lab.wait()
    lab._image.unobserve(note, "value")
    return (drawn[0] - started, drawn[-1] - started) if drawn else None


def in_jupyterlab(cls):
    """The same for the learning rate of one lab, from a key to the picture in the browser."""
    times = []
    with tempfile.TemporaryDirectory() as folder, jupyterlab.page(pathlib.Path(folder)) as page:
        jupyterlab.load(page, f"# %%\nfrom course_utils import labs\n\nlabs.{cls.name}(learning_rate=0.01)\n")
        page.evaluate(jupyterlab.RUN_ALL)
        page.wait_for_function(FINAL, arg="0.01", timeout=120_000)
        page.evaluate(WATCH)
        slider = page.locator(".lab .widget-slider:has(label:text-is('learning rate'))")
        for number in range(2 * CHANGES):
            slider.locator("[role=slider]").focus()
            page.evaluate(PRESSED)
            page.keyboard.press("ArrowRight" if number < CHANGES else "ArrowLeft")
            page.wait_for_function(
                FINAL, arg=f"{float(slider.locator('.widget-readout').inner_text()):.3g}", timeout=60_000
            )
            page.wait_for_timeout(100)
            pictures = page.evaluate(WAITED)
            times.append((pictures[0], pictures[-1]))
    first, final = np.percentile(times, 95, axis=0)
    print(f"{cls.name:16} in JupyterLab    first {first:5.2f} s, final {final:5.2f} s")
    return {"first": float(f"{first:.2g}"), "final": float(f"{final:.2g}")}


if __name__ == "__main__":
    main(sys.argv[1:])
