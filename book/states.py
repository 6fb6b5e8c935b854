"""The states of the labs that the book shows: computed here once, looked up in the page.

``python -m book.states`` computes those of all labs, or of the labs it is given, into
``build/book-labs``, and leaves alone what is up to date. A file of a lab holds its `controls`, the
`pieces` of which its pictures are made, each once, and its `states`: sentence, call, pieces.
"""

import base64
import hashlib
import io
import itertools
import json
import math
import re
import sys
import time
import tomllib
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "book-labs"
TABLE = tomllib.loads((ROOT / "book" / "labs.toml").read_text("utf-8"))
# What a picture may depend on. Any change to the package computes all states anew: that takes a few minutes.
MADE_OF = [
    "book/states.py",
    "requirements.lock",
    "course_utils/**/*.py",
    "course_utils/**/*.npz",
    "course_utils/*.mplstyle",
]
MOST = 500_000  # bytes of a lab: its page carries them
DOTS, COLORS = 150, 64  # a line of more dots becomes a picture, for it is lighter; colors of a picture
# The same picture gives the same text: words stay words, and names depend on nothing but what they name.
SVG = {"svg.fonttype": "none", "svg.hashsalt": "book"}


def update(name, folder=FOLDER, values=None):
    """Compute the states of a lab, unless they are there and up to date.

    Parameters
    ----------
    name : str
        Of the lab.
    folder : Path
        Where its file is, or will be.
    values : dict, optional
        Control → list of values; those in ``labs.toml`` otherwise.

    Returns
    -------
    bool
        Whether there was anything to compute.

    Raises
    ------
    ValueError
        More than `MOST` bytes.
    """
    values, path = values or TABLE[name], folder / f"{name}.json"
    made_of = fingerprint(name, values)
    if path.exists() and json.loads(path.read_text("utf-8"))["made_of"] == made_of:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"made_of": made_of} | export(name, values), ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > MOST:
        raise ValueError(
            f"The states of labs.{name} take {len(text.encode()) / 1000:.0f} kB; expected at most "
            f"{MOST // 1000}. Give its controls fewer values in book/labs.toml."
        )
    path.write_text(text, "utf-8")
    return True


def fingerprint(name, values):
    """Changes whenever the states of a lab may change."""
    files = sorted(path for pattern in MADE_OF for path in ROOT.glob(pattern))
    told = [json.dumps([opened(name), values]).encode(), *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in told)).hexdigest()


def opened(name):
    """The values with which the lecture opens its lab."""
    from course_utils.labs import stored

    for lab, given in stored.calls():
        if lab == name:
            return given
    raise ValueError(f"No lecture opens labs.{name}.")


def export(name, values):
    """What the page of a lab needs.

    Parameters
    ----------
    name : str
    values : dict
        Control → list of values.

    Returns
    -------
    dict
        ``controls``: name, label and values of each, and the place of the value it starts with.
        ``others``: labels of the controls that the book leaves out. ``size``: of the picture, in
        points. ``pieces``: elements of SVG. ``states``, in the order of `itertools.product`:
        sentence, call, and the places of the pieces in the order of drawing.
    """
    from course_utils import labs

    lab = object.__new__(getattr(labs, name))  # its pure functions, without widgets and thread
    start = lab.checked(opened(name))
    controls = [
        {
            "name": control,
            "label": lab.controls[control].label,
            "values": choices,
            "start": choices.index(start[control]),
        }
        for control, choices in values.items()
    ]
    wanted = [start | dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]
    places, states = {}, {}
    # States with the same program in a row, so that each is compiled once.
    for at in sorted(
        range(len(wanted)),
        key=lambda at: [str(wanted[at][control]) for control in lab.controls if lab.controls[control].structural],
    ):
        state = lab.checked(wanted[at])
        figure, sentence = lab.figure(state, lab.compute(state, lambda partial: False))
        pieces = [places.setdefault(piece, len(places)) for piece in drawn(figure)]
        states[at] = [sentence, lab.call(state), *pieces]
    return {
        "controls": controls,
        "others": [lab.controls[key].label for key in lab.controls if key not in values],
        "size": [round(72 * inches, 1) for inches in figure.get_size_inches()],
        "pieces": list(places),
        "states": [states[at] for at in range(len(wanted))],
    }


def drawn(figure):
    """A figure as SVG: its elements, in the order of drawing; what many figures share is the same text in all."""
    import matplotlib
    from matplotlib.contour import ContourSet
    from matplotlib.lines import Line2D

    for artist in figure.findobj(ContourSet):
        artist.set_rasterized(artist.filled)  # as paths, regions are ten times as heavy
    for artist in figure.findobj(Line2D):
        artist.set_rasterized(artist.get_marker() not in ("", "None") and len(artist.get_xdata()) > DOTS)
    file = io.StringIO()
    with matplotlib.rc_context(SVG):
        figure.savefig(file, format="svg", dpi=100, metadata=dict.fromkeys(["Date", "Creator", "Format", "Type"]))
    return list(pieces(re.sub(r"(?<=data:image/png;base64,)[^\"]+", few_colors, file.getvalue())))


def few_colors(png):
    """An embedded picture, in `COLORS` colors."""
    from PIL import Image

    picture, file = Image.open(io.BytesIO(base64.b64decode(png[0]))), io.BytesIO()
    picture.convert("RGBA").quantize(COLORS, Image.Quantize.FASTOCTREE).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def pieces(svg):
    """The elements of matplotlib's SVG without the groups that only name them, as short as they look the same."""
    root = xml.fromstring(re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href"))
    for element in root.iter():
        # Words stay; of line breaks and indentation nothing does.
        for place in ("text", "tail"):
            setattr(element, place, (getattr(element, place) or "").strip() or None)
        for name, value in element.attrib.items():
            element.set(name, shorter(name, value, decimals=2 if element.get("id", "").startswith("m") else 1))
    for part in root.findall("g"):
        yield from leaves(part)
    for clips in root.findall("defs"):
        yield from (xml.tostring(clip, "unicode") for clip in clips if clip.tag != "style")


def leaves(group):
    """What stands in groups that have nothing but a name."""
    for part in group:
        if part.tag == "g" and set(part.attrib) <= {"id"}:
            yield from leaves(part)
        else:
            yield xml.tostring(part, "unicode")


def shorter(name, value, *, decimals):
    """An attribute of SVG with fewer digits, and in the font of the page."""
    if name in ("d", "x", "y", "points") or value.startswith("rotate"):
        value = re.sub(r"-?\d+\.\d+", lambda number: f"{round(float(number[0]), decimals) + 0.0:g}", value)
        return re.sub(r"\s*([A-Za-z])\s*", r"\1", value) if name == "d" else value
    if name == "style":
        return re.sub(r"([:;]) ", r"\1", re.sub(r"font-family: [^;]*;? ?", "", value))
    return value


def main(names):
    """Bring the states of labs up to date; say how long that took."""
    for name in names or TABLE:
        begin = time.monotonic()
        if update(name):
            states = math.prod(map(len, TABLE[name].values()))
            size = (FOLDER / f"{name}.json").stat().st_size
            print(f"labs.{name}: {states} states, {size / 1000:.0f} kB, {time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
