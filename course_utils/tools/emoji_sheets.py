"""`make emoji`: the files of `datasets.emoji` from the npm packages emoji-datasource-google and -twitter.

The packages have one sheet per artist and what Unicode says about each emoji. Of these, we keep the emoji of seven
classes by what the picture shows, put them on white, and decide which of them have to stay on the same side of a
split: those that are the same but for gender or direction, and those that look the same.

The packages have sheets of Apple's and Facebook's emoji, too. Those aren't free; never use them.
"""

import csv
import io
import json
import pathlib
import sys
import tarfile

import numpy as np
from PIL import Image
from scipy.sparse.csgraph import connected_components

from course_utils.datasets import drawings, packaged

CLASSES = {   # by how the subcategory begins
    "animals": ("animal",), "faces": ("face", "cat-face", "monkey-face"), "food": ("food", "drink"), "hands": ("hand",),
    "people": ("person", "family"), "vehicles": ("transport-ground", "transport-water", "transport-air")}
JOINERS, GENDERS, RIGHT = {"200D", "FE0F"}, {"2640", "2642"}, "27A1"
ADULTS = {"1F468", "1F469", "1F9D1"}   # man, woman, person
ALONE = {"2640": "2640", "2642": "2640", RIGHT: "2B05"}   # signs of gender, and the arrow like the one to the left
# Men, women, and children that have codes of their own, and adults who are together.
SAME = [{"1F466", "1F467", "1F9D2"}, {"1F474", "1F475", "1F9D3"}, {"1F934", "1F478", "1FAC5"}, {"1F57A", "1F483"},
        {"1F385", "1F936", "1F9D1-1F384"}, {"1F930", "1FAC3", "1FAC4"}, {"1F6B9", "1F6BA"},
        {"1F46B", "1F46C", "1F46D", "1F9D1-1F91D-1F9D1"}, {"1F48F", "1F9D1-2764-1F48B-1F9D1"},
        {"1F491", "1F9D1-2764-1F9D1"}]
ALIKE = 0.03   # root mean square difference of pixels from 0 to 1: below are copies, mirrored, or turned; above, others


def main(folder):
    table, sheets = read(pathlib.Path(folder))
    emoji = sorted((row for row in table if row["has_img_google"] and row["has_img_twitter"] and kind(row)),
                   key=lambda row: row["sort_order"])
    images = {artist: np.stack([cut(sheet, row) for row in emoji]) for artist, sheet in sheets.items()}
    classes, codes = np.array([kind(row) for row in emoji]), [row["unified"] for row in emoji]
    concepts = np.array([concept(row) for row in emoji])
    groups = joined(concepts, [small(pixels) for pixels in images.values()])
    first = {}   # the one with the shortest code stands for its concept: the person, not the woman or the man
    for at in sorted(range(len(emoji)), key=lambda at: codes[at].count("-")):
        first.setdefault(concepts[at], at)
    kept = np.array(list(first.values()))
    tested = drawings.draw(classes[kept], groups[kept], drawings.TEST, np.random.default_rng(0))
    parts = np.full(len(emoji), "near-duplicate")
    parts[kept] = np.where(tested, "test", "rest")

    packaged.FILES.mkdir(exist_ok=True)
    with (packaged.FILES / "emoji.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["code", "name", "class", "group", "part"])
        rows.writerows(zip(codes, [row["name"] for row in emoji], classes, groups, parts, strict=True))
    for artist, pixels in images.items():
        path = packaged.FILES / f"emoji_{artist}.webp"
        sheet(pixels).save(path, lossless=True, quality=100, method=6)
        print(f"{path.stat().st_size / 1e6:.1f} MB  {path.name}")
    print(f"{len(kept)} concepts, {len(set(groups[kept]))} groups, {len(emoji)} emoji")


def read(folder):
    """What the packages say about all emoji, and dict artist → sheet (height, width, 3) of bytes, on white."""
    sheets = {}
    for artist in drawings.ARTISTS:
        [path] = folder.glob(f"emoji-datasource-{artist}-*.tgz")
        with tarfile.open(path) as package:
            table = json.load(package.extractfile("package/emoji.json"))
            picture = package.extractfile(f"package/img/{artist}/sheets/{drawings.SIDE}.png").read()
        drawn = Image.open(io.BytesIO(picture)).convert("RGBA")
        white = Image.new("RGBA", drawn.size, "white")
        sheets[artist] = np.asarray(Image.alpha_composite(white, drawn).convert("RGB"))
    return table, sheets


def cut(sheet, row):
    """The drawing of an emoji; each has a border of one pixel."""
    top, left = (row[axis] * (drawings.SIDE + 2) + 1 for axis in ("sheet_y", "sheet_x"))
    return sheet[top:top + drawings.SIDE, left:left + drawings.SIDE]


def kind(row):
    """The class of an emoji by what it shows; None if it has none of the seven."""
    if row["category"] == "Symbols":
        return "signs"
    return next((name for name, starts in CLASSES.items() if row["subcategory"].startswith(starts)), None)


def concept(row):
    """What an emoji shows, whatever its gender and direction: a code without these, and one for all families."""
    if row["name"].startswith("FAMILY"):
        return "family"
    codes = [code for code in row["unified"].split("-") if code not in JOINERS]
    if len(codes) == 1:
        return ALONE.get(codes[0], "1F9D1" if codes[0] in ADULTS else codes[0])
    return "-".join("1F9D1" if code in ADULTS else code for code in codes if code not in GENDERS | {RIGHT})


def joined(concepts, artists):
    """The name of each emoji's group: one concept, `SAME` concepts, or drawings that look alike in either style.

    Parameters
    ----------
    concepts : array of str (emoji,)
    artists : list of float arrays (emoji, side, side, 3) in [0, 1]
    """
    links = concepts[:, None] == concepts
    for codes in SAME:
        links |= np.isin(concepts, list(codes))[:, None] & np.isin(concepts, list(codes))
    for images in artists:
        links |= distances(images) < ALIKE
    numbers = connected_components(links, directed=False)[1]
    return concepts[np.unique(numbers, return_index=True)[1]][numbers]


def distances(images):
    """Root mean square difference of every two images, over all eight ways to turn and mirror one of them."""
    flat = images.reshape(len(images), -1)
    squares = (flat**2).sum(1)
    best = np.inf
    for turned in (np.rot90(images, turns, (1, 2)) for turns in range(4)):
        for other in (turned, turned[:, :, ::-1]):
            products = flat @ other.reshape(flat.shape).T
            best = np.minimum(best, squares[:, None] + squares - 2 * products)
    return np.sqrt(np.maximum(best, 0) / flat.shape[1])


def small(pixels, side=16):
    """Averages of blocks of pixels, in [0, 1]: float array (images, side, side, 3)."""
    block = pixels.shape[1] // side
    return pixels.reshape(len(pixels), side, block, side, block, 3).mean((2, 4), dtype="float32") / 255


def sheet(pixels):
    """All drawings in one picture, `drawings.COLUMNS` in a row, as `drawings.emoji_images` reads them."""
    rows = -(-len(pixels) // drawings.COLUMNS)
    cells = np.full((rows * drawings.COLUMNS, *pixels.shape[1:]), 255, "uint8")
    cells[:len(pixels)] = pixels
    cells = cells.reshape(rows, drawings.COLUMNS, drawings.SIDE, drawings.SIDE, 3).swapaxes(1, 2)
    return Image.fromarray(cells.reshape(rows * drawings.SIDE, -1, 3))


if __name__ == "__main__":
    main(*sys.argv[1:])
