"""Small images, drawn or taken from scikit-learn, on which augmentation helps or harms."""

import numpy as np

from course_utils.datasets.split import stratified
from course_utils.datasets.vectors import digits

SIDE = 12   # of glyphs and textures, in pixels

# A glyph is a letter on a square from -1 to 1, x to the right and y down. Each stroke is a list of points.
# d, p, and q are mirror images of b, and n is one of u.
_TURN = np.linspace(0, 2 * np.pi, 9)
_BOWL = np.stack([0.6 * np.sin(_TURN), 0.4 + 0.6 * np.cos(_TURN)], 1)
_B = [np.array([[-0.6, -1.0], [-0.6, 1.0]]), _BOWL]
_HALF = _TURN[2:7]
_U = [np.concatenate([[[0.65, -0.8]], np.stack([0.65 * np.sin(_HALF), 0.25 - 0.65 * np.cos(_HALF)], 1),
                      [[-0.65, -0.8]]])]


def _mirrored(strokes, *, x=1, y=1):
    return [stroke * (x, y) for stroke in strokes]


_STROKES = {
    "b": _B, "d": _mirrored(_B, x=-1), "p": _mirrored(_B, y=-1), "q": _mirrored(_B, x=-1, y=-1),
    "u": _U, "n": _mirrored(_U, y=-1),
    "v": [np.array([[-0.7, -0.8], [0.0, 0.9], [0.7, -0.8]])],
    "o": [_BOWL * (1.25, 1.25) - (0, 0.5)],
    "x": [np.array([[-0.7, -0.8], [0.7, 0.8]]), np.array([[0.7, -0.8], [-0.7, 0.8]])],
    "l": [np.array([[0.0, -1.0], [0.0, 1.0]])],
}
GLYPHS = tuple(_STROKES)   # the name of each class
TEXTURES = ("coarse noise", "medium noise", "fine noise", "stripes", "fine stripes", "checks")


def canvas_digits(seed=0, *, size=12, placement="random"):
    """The handwritten digits on a black canvas of `size`×`size` pixels, flattened, in [0, 1]; ten classes.

    The images and the split are those of `digits` with the same seed.

    Parameters
    ----------
    seed : int
        Decides the split and where each digit is.
    size : int, at least 8
        Side of the canvas, in pixels.
    placement : {"random", "center"}
        "random": each image is at one fixed place where no stroke is cut off. "center": the 8×8
        image is in the middle.

    Raises
    ------
    ValueError
        The canvas is smaller than an image, or there is no such placement.

    Source: as `digits`.
    """
    if not (isinstance(size, int | np.integer) and size >= 8):
        raise ValueError(f"size is {size!r}; expected a whole number of pixels from 8 up, the side of a digit.")
    if placement not in ("random", "center"):
        raise ValueError(f"placement is {placement!r}; write 'random' or 'center'.")
    split = digits(seed)
    rng = np.random.default_rng(seed)
    x_train, x_val, x_test = (_on_canvas(x, size, rng if placement == "random" else None)
                              for x in (split.x_train, split.x_val, split.test[0]))
    return split.replace(name=f"canvas_digits(seed={seed})", x_train=x_train, x_val=x_val,
                         test=(x_test, split.test[1]))


def glyphs(seed=0, *, samples=1800, noise=0.15):
    """Letters drawn with a shaky pen: gray images of 12×12 pixels, flattened, in [0, 1]; ten classes.

    `GLYPHS` names the classes. Mirrored left to right, b turns into d and p into q; top to bottom,
    b into p, d into q, and u into n. A mirrored b is a draw from the distribution of d, and so on.
    o, x, and l look the same in both mirrors; v only in the first, and upside down it isn't a letter.

    Parameters
    ----------
    seed : int
        Draws the samples and the split.
    samples : int
        Divided as in `digits`.
    noise : float
        Standard deviation of the noise on every pixel, before clipping to [0, 1].
    """
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % len(GLYPHS)
    x = np.empty((samples, SIDE, SIDE))
    for label, strokes in enumerate(_STROKES.values()):
        x[y == label] = drawn(strokes, **shaky(np.count_nonzero(y == label), rng))
    x = np.clip(x + rng.normal(0, noise, x.shape), 0, 1).reshape(samples, -1)
    return stratified(f"glyphs(seed={seed})", x.astype("float32"), y.astype("int32"), seed)


def shaky(count, rng):
    """Random variations of a letter: linear maps (count, 2, 2), centers (count, 2), and pen widths (count,)."""
    turn, slant = rng.uniform(-0.15, 0.15, count), rng.uniform(-0.25, 0.25, count)
    across, down = rng.uniform(3.1, 4.2, (2, count))   # half the width and height, in pixels
    turned = np.moveaxis(np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]), -1, 0)
    zero = np.zeros(count)
    slanted = np.moveaxis(np.array([[across, slant * down], [zero, down]]), -1, 0)
    return {"maps": turned @ slanted, "centers": rng.uniform(-1.2, 1.2, (count, 2)),
            "widths": rng.uniform(0.7, 1.5, count)}


def drawn(strokes, maps, centers, widths):
    """Draw strokes with an anti-aliased pen.

    Parameters
    ----------
    strokes : list of float arrays (points, 2)
        Lines from point to point: x to the right, y down, from -1 to 1.
    maps : float array (images, 2, 2)
        From these coordinates to pixels from the center of the letter.
    centers : float array (images, 2)
        Of the letter, in pixels from the center of the image.
    widths : float array (images,)
        Of the pen, in pixels.

    Returns
    -------
    float array (images, 12, 12) in [0, 1]
    """
    middle = np.arange(SIDE) - (SIDE - 1) / 2
    pixels = np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
    nearest = np.full((len(maps), len(pixels)), np.inf)
    for stroke in strokes:
        points = stroke @ maps.swapaxes(1, 2) + centers[:, None]
        for start, along in zip(points.swapaxes(0, 1), np.diff(points, axis=1).swapaxes(0, 1), strict=False):
            away = pixels - start[:, None]
            share = np.einsum("ipk,ik->ip", away, along) / (along**2).sum(1)[:, None]
            gap = away - np.clip(share, 0, 1)[..., None] * along[:, None]
            nearest = np.minimum(nearest, np.hypot(gap[..., 0], gap[..., 1]))
    return np.clip(0.5 + widths[:, None] / 2 - nearest, 0, 1).reshape(-1, SIDE, SIDE)


def textures(seed=0, *, samples=1800, noise=0.3):
    """Patches of six textures: images of 12×12 numbers with mean 0, flattened; six classes.

    `TEXTURES` names the classes. Each is a sum of waves that fit into the patch, with random phases:
    all waves of a band of lengths, long, medium, or short (noise); a single one in any direction
    (stripes); or two at right angles (checks). A patch that is mirrored, turned by 90°, or moved
    around its edges is another draw of the same class. The texture has standard deviation 1; the
    arguments are those of `glyphs`, but nothing is clipped.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(samples) % len(TEXTURES)
    waves = np.fft.fft2(rng.normal(size=(samples, SIDE, SIDE)))   # all waves, all phases
    kept = np.stack([_kept(TEXTURES[label], rng) for label in y])
    pattern = np.fft.ifft2(waves / np.abs(waves) * kept).real
    pattern /= pattern.std((1, 2), keepdims=True)
    x = pattern + rng.normal(0, noise, pattern.shape)
    x = (x - x.mean((1, 2), keepdims=True)).reshape(samples, -1)
    return stratified(f"textures(seed={seed})", x.astype("float32"), y.astype("int32"), seed)


def photographs():
    """Two color photographs to look at: dict name → float array (427, 640, 3) in [0, 1].

    Source: `sklearn.datasets.load_sample_images` ("china", a temple, and "flower").
    """
    from pathlib import Path

    from sklearn.datasets import load_sample_images

    loaded = load_sample_images()
    return {Path(name).stem: image.astype("float32") / 255
            for name, image in zip(loaded.filenames, loaded.images, strict=True)}


def _on_canvas(x, size, rng):
    """Images (samples, 64) on a larger canvas, (samples, size²): at random, or in the middle if `rng` is None."""
    images = x.reshape(-1, 8, 8)
    canvas = np.zeros((len(x), size, size), x.dtype)
    if rng is None:
        edge = (size - 8) // 2
        canvas[:, edge:edge + 8, edge:edge + 8] = images
    else:
        for image, place in zip(images, canvas, strict=True):
            rows, columns = (np.flatnonzero(image.any(axis)) for axis in (1, 0))
            stroke = image[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
            top, left = (rng.integers(0, size - side + 1) for side in stroke.shape)
            place[top:top + stroke.shape[0], left:left + stroke.shape[1]] = stroke
    return canvas.reshape(len(x), -1)


def _kept(texture, rng):
    """The waves that a texture consists of: bool array (12, 12) over how many fit down and across the patch."""
    number = np.fft.fftfreq(SIDE, 1 / SIDE)
    length = np.hypot(number[:, None], number)
    bands = {"coarse": (0.5, 2.1), "medium": (2.1, 3.7), "fine": (3.7, 5.2)}
    size, _, kind = texture.rpartition(" ")
    low, high = bands[size or "medium"]
    band = (length > low) & (length < high)
    if kind == "noise":
        return band
    wave = rng.choice(np.argwhere(band))
    waves = [wave, -wave] if kind == "stripes" else [wave, -wave, wave[::-1] * (1, -1), wave[::-1] * (-1, 1)]
    chosen = np.zeros_like(band)
    chosen[tuple(np.transpose(waves))] = True
    return chosen
