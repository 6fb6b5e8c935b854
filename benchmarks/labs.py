"""From the slider to the final picture, in a real JupyterLab: `make bench-labs`."""

import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.engine import by_keras
from course_utils import datasets
from tests.helpers import jupyterlab

LAB = "# %%\nfrom course_utils import labs\n\nlabs.batch_norm(learning_rate=0.01)\n"
CHANGES = 24
WATCH = """() => {
    const picture = document.querySelector('.lab img.widget-image');
    window.pictures = [];
    new MutationObserver(() => window.pictures.push(performance.now())).observe(picture, {attributes: true});
}"""
FINAL = """rate => {
    const status = document.querySelector('.lab [role=status]').textContent;
    return status.startsWith('Validation accuracy') && status.includes(`learning rate ${rate},`);
}"""


def main():
    with tempfile.TemporaryDirectory() as folder, jupyterlab.page(pathlib.Path(folder)) as page:
        jupyterlab.load(page, LAB)
        start = time.perf_counter()
        page.evaluate(jupyterlab.RUN_ALL)
        page.wait_for_selector(".lab img.widget-image", timeout=120_000)
        page.wait_for_function(FINAL, arg="0.01", timeout=120_000)
        opening = time.perf_counter() - start
        page.evaluate(WATCH)
        handle = page.locator(".lab .widget-slider:has(label:text-is('learning rate')) [role=slider]")
        readout = page.locator(".lab .widget-slider:has(label:text-is('learning rate')) .widget-readout")
        handle.focus()
        first_picture, final_picture = [], []
        for change in range(CHANGES):
            page.evaluate("() => { window.pictures.length = 0; window.pressed = performance.now(); }")
            handle.press("ArrowRight" if change < CHANGES / 2 else "ArrowLeft")
            page.wait_for_function(FINAL, arg=f"{float(readout.inner_text()):.3g}", timeout=60_000)
            page.wait_for_timeout(100)
            waited = page.evaluate("() => window.pictures.map(at => at - window.pressed)")
            first_picture.append(waited[0] / 1000)
            final_picture.append(waited[-1] / 1000)
    digits = datasets.digits()
    by_keras(digits, True, 1)
    one_by_one = 10 * (by_keras(digits, True, 10) + by_keras(digits, False, 10))
    later = sorted(final_picture[1:])
    print(f"opening the lab, with imports and compiling   {opening:6.1f} s")
    print(f"first partial picture, median                 {statistics.median(first_picture):6.2f} s")
    print(f"final picture, first change                   {final_picture[0]:6.2f} s")
    print(f"final picture, later changes, median          {statistics.median(later):6.2f} s")
    print(f"final picture, later changes, 95th percentile {later[int(0.95 * len(later))]:6.2f} s")
    print(f"the same 20 trainings by model.fit            {one_by_one:6.1f} s")


if __name__ == "__main__":
    main()
