"""The pictures of the README: `make picture` takes them anew; `make picture ARGS=claim` only this one.

``lab.webp`` is a lab as it moves, taken in a real JupyterLab; ``lab.png`` is its last frame, for print and for
those who dislike motion; ``claim.png`` is the figure of the first famous claim, as the welcome page draws it.
"""

import io
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from PIL import Image

from course_utils import claims, plots
from course_utils.tools import pages
from tests.helpers import jupyterlab

LAB = "# %%\nfrom course_utils import labs\n\nlabs.batch_norm()\n"
SLIDER = ".lab .widget-slider:has(label:text-is('learning rate'))"
RATES = 4  # stops of the slider: from a rate at which both networks learn to one where only batch norm does
SHORT, LONG = 900, 3000  # milliseconds a frame stays
# A browser without a screen shows no pointer.
POINTER = """([x, y]) => {
    const pointer = document.querySelector('#pointer') || document.body.appendChild(document.createElement('div'));
    pointer.id = 'pointer';
    pointer.innerHTML = '<svg width="22" height="28"><path d="M2 2v20l5-5 4 9 4-2-4-8h7z" stroke="white"/></svg>';
    pointer.style.cssText = `position:fixed;z-index:9999;left:${x}px;top:${y}px`;
}"""
SETTLED = """rate => {
    const status = document.querySelector('.lab [role=status]').textContent;
    return status.startsWith('Validation accuracy') && status.includes(`learning rate ${rate},`);
}"""


def main(names):
    pages.PICTURES.mkdir(exist_ok=True)
    for name in names or DRAWN:
        DRAWN[name]()
    for path in sorted(pages.PICTURES.iterdir()):
        print(f"{path.stat().st_size / 1000:4.0f} kB  {path.name}")


def claim():
    """Draw the claim of the first page; the words beside the picture tell whether it is up to date."""
    figure = claims.forest(claims.FIRST).figure
    figure.savefig(pages.PICTURES / "claim.png", metadata={"Description": plots.alt_text(figure)})


def lab():
    """Film a lab, and keep its last frame."""
    pictures, durations = zip(*film(), strict=True)
    pictures[0].save(
        pages.PICTURES / "lab.webp",
        save_all=True,
        append_images=pictures[1:],
        duration=list(durations),
        loop=0,
        quality=80,
        method=6,
    )
    pictures[-1].quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        pages.PICTURES / "lab.png", optimize=True
    )


def film():
    """Frames and how long each of them stays: the rate goes up, and the network without batch norm fails."""
    frames = []
    with tempfile.TemporaryDirectory() as folder, jupyterlab.page(pathlib.Path(folder), 1160, 900) as page:
        jupyterlab.start(page, LAB)
        page.wait_for_selector(".lab img.widget-image", timeout=300_000)
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        handle, readout = page.locator(f"{SLIDER} [role=slider]"), page.locator(f"{SLIDER} .widget-readout")

        def frame(stays):
            rate = f"{float(readout.inner_text()):.3g}"
            page.wait_for_function(SETTLED, arg=rate, timeout=300_000)
            at = handle.bounding_box()
            page.evaluate(POINTER, [at["x"] + at["width"] / 2, at["y"] + at["height"] / 2])
            page.wait_for_timeout(500)  # the picture has to be drawn, too
            shot = Image.open(io.BytesIO(page.locator(".lab").screenshot()))
            frames.append((shot.convert("RGB"), stays))

        page.locator(".lab [role=status]").click()  # the cell is active in all frames
        handle.focus()
        frame(LONG)
        for left in reversed(range(RATES)):
            handle.press("ArrowRight")
            handle.press("ArrowRight")
            frame(SHORT if left else LONG)
    heights = {shot.height for shot, _ in frames}  # the sentence above the figure can take a line more
    return [(_padded(shot, max(heights)), stays) for shot, stays in frames]


def _padded(shot, height):
    padded = Image.new("RGB", (shot.width, height), "white")
    padded.paste(shot)
    return padded


DRAWN = {"claim": claim, "lab": lab}

if __name__ == "__main__":
    main(sys.argv[1:])
