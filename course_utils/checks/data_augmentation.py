"""Checks of exercise 05: random shifts, MixUp, layers that augment, what may change, a leak, another split."""

import itertools
import pathlib
import tempfile

import numpy as np

from course_utils import moved
from course_utils.checks import Violated, arrays, call, check, close, expect, expect_close
from course_utils.checks.shared import entries, intervals, label_of, objections
from course_utils.formatting import minus
from course_utils.remote.codec import identity

__getattr__ = moved.old_names(__name__)

FLOAT32 = 1e-5   # tolerance for what may be computed in float32
CALLS = 30   # of a function that draws, on a hundred images: a share of 1/5 is then known to 4% of itself


@check("5.1", "every image moves as a whole, zeros come in, and all shifts are equally likely")
def shift(random_shift, rng):
    generator = np.random.default_rng(1)   # goes on from call to call

    def moved(x, most, generator=generator):
        value = call(random_shift, {"images": x, "most": most, "rng": generator}, changes=["rng"],
                     hint="write the result into a new array")
        result, = arrays([value], {"the result": x.shape})
        expect(np.asarray(value).dtype == x.dtype, f"{x.dtype} images come back as {np.asarray(value).dtype}",
               "create the new array with np.zeros_like, or with images.dtype")
        return result

    x, most = rng.uniform(0.5, 1, (100, 7, 9)).astype("float32"), 2
    expect(close(moved(x, 0), x), "with most = 0, the images change", "then only a shift of 0 is possible")
    expect(np.array_equal(moved(x, most, np.random.default_rng(7)), moved(x, most, np.random.default_rng(7))),
           "the same rng gives different shifts", "use the rng argument, not a global generator")
    several = [moved(x, most) for _ in range(6)]
    first = next((images for images in several if not close(images, x)), None)
    expect(first is not None, "no image moves", "draw a shift down and a shift to the right for each image")
    expect(any(not np.array_equal(images, first) for images in several), "every call gives the same shifts",
           "use the rng argument; a newly created generator always starts with the same numbers")
    displacements = _displacements(x, first)
    if None in displacements:
        expect(None in _displacements(x, first, _rolled), "pixels that leave at one edge return at the opposite one",
               "np.roll wraps around, but zeros should come in")
        expect(first[:most].any() or not first[most:].any(), "the first images of the batch are empty",
               "np.pad also adds images: with most = 2, the padding is ((0, 0), (2, 2), (2, 2))")
        expect((first == 0).any(), "the pixels that come in are not 0",
               "start with zeros, and copy the part that stays inside")
        expect(False, "an image is not moved as a whole",
               "move all its pixels by the same number of rows and columns, and fill in zeros")
    displacements = np.array(displacements)
    expect(np.unique(displacements, axis=0).shape[0] > 1, "all images of a batch move in the same way",
           "draw two numbers for each image, not two for all")
    furthest = np.abs(displacements).max()
    expect(furthest <= most, f"with most = {most}, an image moves by {furthest} pixels",
           "the shifts go from -most to most")
    for axis, missing in ((0, "up or down"), (1, "left or right")):
        expect(displacements[:, axis].any(), f"no image moves {missing}",
               "draw one number for the rows and one for the columns of each image")
    _equally_likely([pair for _ in range(CALLS) for pair in _displacements(x, moved(x, most))], most)
    high = rng.integers(1, 256, (60, 9, 6)).astype("uint8")
    displacements = _displacements(high, moved(high, 4))
    expect(None not in displacements, "with most = 4, an image is not moved as a whole",
           "use the argument most and the actual shape of the images, which need not be square")
    expect(np.abs(displacements).max() == 4, "with most = 4, no image moves by 4", "use the argument most")


def _equally_likely(displacements, most):
    """Judge displacements (images, 2) that should be equally likely; None stands for another change of an image."""
    expect(None not in displacements, "an image is not moved as a whole",
           "move all its pixels by the same number of rows and columns, and fill in zeros")
    displacements = np.array(displacements)
    for axis, (less, more) in enumerate((("up", "down"), ("left", "right"))):
        shares = {place: (displacements[:, axis] == place).mean() for place in range(-most, most + 1)}
        for place in shares:
            where = f"{abs(place)} {more if place > 0 else less}" if place else "0"
            expect(shares[place], f"no shift by {where} ever occurs",
                   "rng.integers leaves out its upper end unless you pass endpoint=True" if place == most else
                   f"all integers from -{most} to {most} should occur")
        expect(min(shares[-most], shares[most]) > 0.8 / len(shares) or shares[0] < 1.1 / len(shares),
               "the largest shifts are rarer than the others",
               "draw integers, because rounding real numbers gives both ends only half of their share")
        rare, frequent = min(shares, key=shares.get), max(shares, key=shares.get)
        expect(shares[rare] > 0.8 / len(shares) and shares[frequent] < 1.2 / len(shares),
               f"a shift by {frequent} is more frequent than one by {rare}",
               "all integers from -most to most should be equally likely")
    pairs = [(displacements == pair).all(1).mean() for pair in itertools.product(range(-most, most + 1), repeat=2)]
    expect(min(pairs) > 0.4 / len(pairs), "how far an image moves down depends on how far it moves right",
           "draw the two numbers independently")


def _moved(image, down, right):
    """An image moved by whole pixels; 0 comes in."""
    height, width = image.shape
    out = np.zeros_like(image)
    out[max(0, down):height + down, max(0, right):width + right] = (
        image[max(0, -down):height - down, max(0, -right):width - right])
    return out


def _rolled(image, down, right):
    return np.roll(image, (down, right), axis=(0, 1))


def _displacements(images, moved, move=_moved):
    """Of each image, by how many rows and columns it was moved; None if it was changed otherwise."""
    return [_displacement(before, after, move) for before, after in zip(images, moved, strict=True)]


def _displacement(before, after, move):
    height, width = before.shape
    for down, right in itertools.product(range(1 - height, height), range(1 - width, width)):
        # One pixel first: comparing all of them for every pair takes long.
        row, column = (max(0, down) + min(height, height + down)) // 2, (max(0, right) + min(width, width + right)) // 2
        if after[row, column] == before[row - down, column - right] and close(after, move(before, down, right), 1e-6):
            return down, right
    return None


@check("5.2", "images and labels are mixed in the same way, with shares from Beta(alpha, alpha)")
def mix(mixup, rng):
    generator = np.random.default_rng(1)   # goes on from call to call

    def mixed(x, y, alpha, generator=generator):
        value = call(mixup, {"images": x, "labels": y, "alpha": alpha, "rng": generator}, changes=["rng"],
                     hint="write the result into a new array")
        return arrays(value, {"images": x.shape, "labels": y.shape})

    # Each image has pixels of its own, in several rows and columns, so that the shares can be read off.
    own = np.arange(45).reshape(5, 9) % 12 == np.arange(12)[:, None, None]
    x, y = np.where(own, rng.normal(0, 1, own.shape), 0), np.eye(13)[rng.permutation(13)[:12]]
    images, labels = mixed(x, y, 1.0)
    shares, parts = _shares(images, x), labels @ y.T
    expect(not close(images, x), "no image is mixed", "take a share of each image and the rest from its partner")
    expect_close(np.einsum("nm,mhw->nhw", shares, x), images, "an image is not a mixture of images of the batch",
                 "all pixels of an image have the same share, so give it the shape (N, 1, 1)")
    expect_close(shares.sum(1), 1, "the shares of image and partner do not add up to 1",
                 "the partner gets the rest, 1 − share")
    expect(shares.min() > -FLOAT32, "a share is negative", "draw it with rng.beta(alpha, alpha)")
    expect(((shares > 1e-7).sum(1) <= 2).all(), "three images are mixed into one", "mix each image with one partner")
    expect(not close(labels, y), "no label is mixed", "label a mixture of two digits with both")
    expect_close(labels.sum(1), 1, "the labels of an image do not add up to 1",
                 "mix them with share and 1 − share, like the images")
    mixtures = _partners(shares).any(1)   # all but an image that is its own partner
    if not close(parts, shares, FLOAT32):
        expect(not close(np.diag(parts)[mixtures], 1 - np.diag(shares)[mixtures], FLOAT32),
               "the label has the share of the partner",
               "use share for the image and its own label, and 1 − share for its partner and the partner's label")
        expect(not np.isin(parts, (0, 1)).all(), "a mixture has the label of a single class",
               "do not round the labels: a mixture of two digits is labeled with both")
        expect(not any(close(parts, shares.round(digits), 1e-7) for digits in (1, 2, 3, 4)), "the labels are rounded",
               "use the shares without rounding")
        expect(not (parts > 1e-7)[shares <= 1e-7].any(), "the label comes from a different partner than the image",
               "draw the partners once, and use them for both")
        expect(False, "image and label have different shares", "draw the shares once, and use them for both")
    _, again = mixed(x, y, 1.0)
    expect(not np.array_equal(labels, again), "every call gives the same mixtures",
           "use the rng argument; a newly created generator always starts with the same numbers")
    first, second = (mixed(x, y, 1.0, np.random.default_rng(7)) for _ in range(2))
    expect(all(map(np.array_equal, first, second)), "the same rng gives different mixtures",
           "use the rng argument, not a global generator")
    expect(np.ptp(np.diag(shares)[mixtures]) > 1e-6, "all images have the same share", "draw one share for each image")
    drawn = {alpha: np.array([_shares(mixed(x.astype(dtype), y, alpha)[0], x) for _ in range(2 * CALLS)])
             for alpha, dtype in ((1.0, "float64"), (0.3, "float64"), (6.0, "float32"))}
    partners = _partners(np.concatenate(list(drawn.values())))   # (calls, images, partners)
    expect(partners.any(0).sum(1).max() > 1, "an image has the same partner in every call",
           "draw the partners at random, too, with rng.permutation(len(images))")
    expect(partners.sum(1).max() <= 1, "an image is the partner of several others",
           "let each image be a partner once, with rng.permutation(len(images))")
    expect(partners.any(2).mean() > 0.8, "many images are not mixed",
           "every image has a partner, which is only occasionally the image itself")
    expect((partners.any(0) | np.eye(12, dtype=bool)).all(), "some images never become partners",
           "all other images in the batch should be equally likely, as with rng.permutation(len(images))")
    for alpha, found in drawn.items():
        _beta(np.einsum("cnn->cn", found)[_partners(found).any(2)], alpha)   # of images with a partner
    three = np.eye(3)[np.arange(12) % 3]
    images, labels = mixed(x, three, 1.0)
    expect_close(labels, _shares(images, x) @ three, "with three classes, the labels do not match the mixtures",
                 "mix the labels as you mix the images, for any number of classes", FLOAT32)


def _shares(images, x):
    """Of each image (row) how much of each image of the batch (column) it holds; no two images of `x` share a pixel."""
    return np.einsum("nhw,mhw->nm", images, x) / (x**2).sum((1, 2))


def _partners(shares):
    """Which images of the batch (last axis) an image holds besides itself."""
    return np.where(np.eye(shares.shape[-1]), 0, shares) > 1e-7


def _beta(shares, alpha):
    """Judge shares that should be drawn from Beta(alpha, alpha)."""
    case, variance = f"with alpha = {alpha:g}", 1 / (4 * (2 * alpha + 1))
    expect(shares.std() > 1e-6, f"{case}, all shares are the same", "draw them with rng.beta(alpha, alpha)")
    expect(shares.min() < 0.49 or alpha > 1, f"{case}, an image always keeps the larger share",
           "here, shares go from 0 to 1, so use the values of rng.beta(alpha, alpha) unchanged")
    expect(abs(shares.mean() - 0.5) < 0.06, f"{case}, the mean share is {shares.mean():.1f}",
           "both arguments of rng.beta should be alpha, so that the mean is ½")
    expect(shares.var() < 1.3 * variance, f"{case}, the shares scatter too much",
           "draw them from Beta(alpha, alpha), where a large alpha keeps them near ½")
    expect(shares.var() > 0.75 * variance, f"{case}, the shares scatter too little",
           "draw them from Beta(alpha, alpha), where a small alpha pushes them toward 0 and 1")


@check("5.3", "training shifts every image, and inference uses the network alone")
def model(augmenting_model, rng):
    import keras
    from keras import layers

    def built(network, pixels=2):
        given = {"network": network, "pixels": pixels}
        return call(augmenting_model, given, changes=["network"]), given["network"]

    x = rng.uniform(0, 1, (50, 8, 12, 1)).astype("float32")
    network = keras.Sequential([keras.Input((8, 12, 1)), layers.Flatten(), layers.Dense(5, activation="softmax")])
    # Its answer is the image that reaches it.
    lens = keras.Sequential([keras.Input((8, 12, 1)), layers.Flatten()])
    (augmenting, inside), (seen, _) = built(network), built(lens)
    for answer in (augmenting, seen):
        expect(isinstance(answer, keras.Model), "the function does not return a Keras model",
               "return a keras.Sequential")
    expect(augmenting.built and augmenting.input_shape == (None, 8, 12, 1),
           "the model does not take the same images as its network", "start with keras.Input(network.input_shape[1:])")
    expect(augmenting.output_shape == (None, 5), "the model's output does not have the shape of its network's output",
           "end with network")
    # Random image layers of Keras default to training, so a plain call would not show anything here.
    quiet = augmenting(x, training=False)
    for output, how in ((quiet, "training=False"), (augmenting.predict(x, verbose=0), "predict")):
        expect_close(output, network(x), f"with {how}, the model's answers differ from those of the network alone",
                     "add only random layers before the network, because they do nothing at inference", 1e-5)
    expect(set(map(identity, inside.weights)) == set(map(identity, augmenting.trainable_weights)),
           "the model does not train exactly the weights of the network",
           "put the network itself after the random layers")
    _moves(seen)
    still, _ = built(lens, pixels=0)
    expect_close(still(x, training=True), lens(x), "with pixels = 0, the images change", "use the argument pixels",
                 1e-5)
    blobs = _blobs()
    for pixels in (1.25, 1.75):
        _range(_centers(_arriving(built(lens, pixels=pixels)[0], blobs)) - _centers(blobs[..., 0]), pixels)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        try:
            augmenting.save(path)
            loaded = keras.models.load_model(path)
            same = (close(loaded(x, training=False), network(x), 1e-5)
                    and not close(loaded(x, training=True), network(x), 1e-5))
        except Exception:   # whatever cannot be written or read, for any reason
            same = False
        expect(same, "the model changes when it is saved and loaded", "use Keras's own layers, but not Lambda")


def _arriving(seen, x):
    """The images (N, rows, columns) that reach the network in training; `seen` returns them flattened."""
    return np.array(seen(x, training=True)).reshape(x.shape[:3])


def _moves(seen):
    """Judge how images are moved before they reach the network in training."""
    blobs = _blobs()
    arrived, moved = _arriving(seen, np.ones_like(blobs)), _arriving(seen, blobs)
    expect(not close(moved, blobs[..., 0]), "in training, nothing moves",
           "put keras.layers.RandomTranslation before the network")
    expect(arrived.std(), "the pixels that come in are not 0",
           "RandomTranslation mirrors the image at its edges unless you pass fill_mode=\"constant\"")
    lost = (moved.sum((1, 2)) < 3.9).any() and moved.min() > -1e-6
    expect(not lost, "images are moved out of the frame",
           "RandomTranslation takes fractions of the height and of the width, not pixels")
    expect(close(moved.sum((1, 2)), 4, 1e-2), "the images are not only shifted",
           "the question asks only for shifts")
    displacements = _centers(moved) - _centers(blobs[..., 0])
    expect(np.ptp(displacements, axis=0).max() > 1e-3, "all images of a batch move in the same way",
           "RandomTranslation moves each image separately, so do not shift the batch as a whole")
    for axis, missing in ((0, "up or down"), (1, "left or right")):
        expect(np.abs(displacements[:, axis]).max() > 1e-2, f"no image moves {missing}",
               "RandomTranslation takes two factors, one for the height and one for the width")
    right = np.array([_between(image, *by) for image, by in zip(blobs[..., 0], displacements, strict=True)])
    expect_close(moved, right, "the images are not only shifted", "the question asks only for shifts", 2e-2)
    _range(displacements, 2)


def _range(displacements, pixels):
    """Judge how far images were moved: (images, 2), in pixels; an interpolation may round to whole ones."""
    violated, (least, most) = f"with pixels = {pixels}, images move", sorted((pixels, round(pixels)))
    for axis, (less, more, side) in enumerate((("up", "down", "height"), ("to the left", "to the right", "width"))):
        low, high = displacements[:, axis].min(), displacements[:, axis].max()
        hint = f"as a fraction of the {side}, use pixels / {side}, because height and width differ"
        far, near = (more, less) if high > -low else (less, more)
        expect(max(-low, high) < most + 0.05, f"{violated} by more than that {far}", hint)
        expect(max(-low, high) > 0.85 * least, f"{violated} at most {max(-low, high):.1f} {less} or {more}", hint)
        expect(min(-low, high) > 0.85 * least, f"{violated} {far}, but not as far {near}",
               "a single number as the factor means both directions")


def _blobs():
    """Images (300, 8, 12, 1) of two points, so far from the edges that a shift by 2 loses nothing."""
    images = np.zeros((300, 8, 12, 1), "float32")
    images[:, 3, 5], images[:, 4, 7] = 1, 3
    return images


def _centers(images):
    """Centers of mass (images, 2): row and column."""
    rows, columns = np.mgrid[:images.shape[1], :images.shape[2]]
    return np.stack([(images * place).sum((1, 2)) / images.sum((1, 2)) for place in (rows, columns)], axis=1)


def _between(image, down, right):
    """An image moved by parts of a pixel, by bilinear interpolation."""
    rows, columns = int(np.floor(down)), int(np.floor(right))
    part_down, part_right = down - rows, right - columns
    return sum(weight * _moved(image, rows + more_rows, columns + more_columns) for more_rows, more_columns, weight in (
        (0, 0, (1 - part_down) * (1 - part_right)), (0, 1, (1 - part_down) * part_right),
        (1, 0, part_down * (1 - part_right)), (1, 1, part_down * part_right)))


GAIN = 0.05   # on shifted images, as the question says; shifts gain 19 to 66 points, flips of textures 6 to 15
DATA_SETS = ("digits", "glyphs", "textures")
# Classes that turn into another one, and a hint about them.
SWAPPED = {
    "glyphs left-right": ("bdpq", "hold each glyph up to a mirror: which of the other nine do you see?"),
    "glyphs top-bottom": ("bdpqun", "flip each glyph upside down: which of the other nine do you see?"),
    "digits half turn": ("69", "turn the page upside down: which digits become a different digit?"),
    "textures": ("", "what distinguishes two textures, and does a mirror or a shift change that?"),
}


@check("5.4", "your transformations keep every label and help on images that nobody has trained on")
def defended(choices, swapped, scores, rng):
    _choices(choices)
    _swapped(swapped)
    for name in DATA_SETS:
        _pays(name, choices[name], scores)


def _choices(choices):
    from course_utils.training.knobs import AUGMENTATION

    knobs = [knob for knob in AUGMENTATION if knob != "augment_probability"]
    entries(choices, DATA_SETS, "choices does not have the three keys")
    for name, chosen in choices.items():
        expect(isinstance(chosen, dict), f"the choice for {name} is not a dict", "write it like {\"shift\": 1}")
        unknown = [knob for knob in chosen if knob not in knobs]
        expect(not unknown, f"there is no transformation {' or '.join(map(str, unknown))}",
               f"choose from {', '.join(knobs)}")
        expect(all(np.ndim(strength) == 0 for strength in chosen.values()), f"a strength for {name} is not a number",
               "give one number for each transformation, not a list of values to try")
        expect(any(chosen.values()), f"nothing changes in {name}", "a strength of 0 has no effect")
        if name == "textures":
            continue
        for knob in ("horizontal_flip", "vertical_flip"):
            expect(not chosen.get(knob), f"{knob} changes labels of {name}", {
                "glyphs": "a mirrored b looks like a d or a p, but would be labeled b",
                "digits": "nobody writes a mirrored 2 or 7"}[name])
        expect(chosen.get("rotation", 0) <= 45, f"a rotation by up to {chosen.get('rotation')}° changes labels of "
               f"{name}", {"glyphs": "half a turn changes a b into a q, so stay well below that",
                           "digits": "half a turn changes a 6 into a 9, so stay well below that"}[name])


def _swapped(swapped):
    entries(swapped, SWAPPED, "swapped does not have the four keys")
    for key, (right, hint) in SWAPPED.items():
        try:
            named = {str(letter).strip() for letter in swapped[key]}
        except TypeError:
            raise Violated(f"the entry {key} is not a set of classes: write it like {{\"x\", \"y\"}}") from None
        for letter in sorted(named - set(right)):
            expect(letter != "v" or key != "glyphs top-bottom", f"{key}: v does not become another class",
                   "upside down, it is not a letter at all, which is a different reason against the flip")
            expect(False, f"{key}: {letter} does not become another class", hint)
        expect(named == set(right), f"{key}: a class is missing", hint)


def _pays(name, chosen, scores):
    from course_utils import stats

    expect(isinstance(scores, dict) and name in scores, f"there are no scores for {name}",
           "after making your choices, run the cell that trains")
    trained = {knob: scores[name].coords[knob].item() for knob in chosen if knob in scores[name].coords}
    expect(trained == chosen, f"the scores for {name} belong to other choices", "run the cell that trains again")
    gain = stats.paired_difference(scores[name].sel(images="shifted"), "augment_probability", between=(0.0, 1.0))
    points = minus(f"{100 * float(gain['mean']):.0f}")
    expect(gain["mean"] < GAIN or gain["low"] > 0, f"on shifted {name}, the interval of the gain contains 0",
           "a transformation that makes training images look like the judged images gains far more")
    expect(gain["mean"] >= GAIN, f"on shifted {name}, your choice gains {points} points",
           "placement moves what is not 0, but here noise extends to the edges; what else moves an image?"
           if "placement" in chosen and name != "digits" else
           "which transformation makes training images look like the judged images?")


# Names of the two ways of splitting in question 5.5.
LEAKY, REPAIRED = "leaky", "repaired"


@check("5.5", "no training image has a copy in validation, and you know how much the leak inflates accuracy")
def leak(honest_split, scores, too_high, rng):
    from course_utils import stats

    for copies in (3, 1):
        _split(honest_split, copies, rng)
    right = stats.paired_difference(scores, "images", between=("fresh", "validation")).sel(split=[LEAKY, REPAIRED])
    _differences(too_high, right, "validation minus fresh", stats.unpaired_difference(
        scores, "images", between=("fresh", "validation")).sel(split=[LEAKY, REPAIRED]))


def _split(honest_split, copies, rng):
    ids = np.arange(57)   # a fifth of which is 11 or 12, and not less than the number of classes
    originals = np.stack([ids, np.zeros(57), rng.random(57)], axis=1).astype("float32")
    labels = label_of(originals)

    def augment(images, generator):
        images = np.array(images)
        expect(images.ndim == 2 and images.shape[1] == 3, f"augment gets an array of shape {images.shape}",
               "it takes several images at once, in the same shape as x")
        expect(hasattr(generator, "random"), "augment does not get rng", "call it as augment(images, rng)")
        images[:, 1] = generator.uniform(1, 2, len(images))   # where an original has 0
        return images

    def parts(seed=0):
        value = call(honest_split, {"x": originals, "y": labels, "copies": copies, "augment": augment,
                                    "rng": np.random.default_rng(seed)}, changes=["augment", "rng"])
        if not isinstance(value, tuple | list) or len(value) != 4:
            raise Violated("the function does not return four arrays: return x_train, y_train, x_val, y_val")
        x_train, y_train, x_val, y_val = map(np.asarray, value)
        for x, y, part in ((x_train, y_train, "training"), (x_val, y_val, "validation")):
            expect(x.ndim == 2 and x.shape[1] == 3 and y.shape == (len(x),),
                   f"images and labels of {part} have shapes {x.shape} and {y.shape}",
                   "return x_train, y_train, x_val, y_val, in this order")
            expect((label_of(x) == y).all(), f"a label in {part} belongs to another image",
                   "use the same indices for images and labels, and repeat the labels in the order of the images")
        return x_train, y_train, x_val, y_val

    train, _, val, _ = first = parts()
    changed, judged = train[:, 1] > 0, val[:, 0]
    both = np.intersect1d(judged, train[:, 0])
    val_is_changed = (val[:, 1] > 0).any()
    expect(not val_is_changed or not len(both), "the leak is still there because validation images have copies in "
           "training", "split first, and then copy only the training images")
    expect(not len(both), f"{len(both)} of the validation images, or copies of them, are trained on",
           "split first, and then copy only the training images")
    expect(not val_is_changed, "validation images are changed",
           "they represent future images, which nobody augments")
    expect(len(np.unique(judged)) == len(judged), "a validation image appears twice", "include each image once")
    expect(set(ids) == set(judged) | set(train[:, 0]), "an image is lost",
           "put every image in either training or validation")
    expect(abs(5 * len(val) - len(ids)) < 5, f"{len(val)} of {len(ids)} images are held out",
           "hold out a fifth of the originals: len(x) // 5")
    trained = np.setdiff1d(ids, judged)
    expect(np.isin(trained, train[~changed, 0]).all(), "some unchanged training images are missing",
           "keep the originals together with their copies")
    expect((np.bincount(train[~changed, 0].astype(int)) <= 1).all(), "an unchanged training image appears twice",
           "keep the original once, and change its copies")
    counts = [(train[changed, 0] == original).sum() for original in trained]
    expect(set(counts) == {copies}, f"with copies = {copies}, a training image has {min(counts)} to {max(counts)} "
           "changed copies", "call augment on all training images, copies times")
    expect(len(np.unique(train[changed, 1])) == changed.sum(), "the copies of an image are all the same",
           "call augment once for each copy, because each call draws new numbers")
    expect(all(map(np.array_equal, first, parts())), "the same rng gives a different split",
           "use the rng argument")
    held = np.array([np.isin(ids, parts(seed)[2][:, 0]) for seed in range(100)])   # (splits, images)
    expect((held != held[0]).any(), "every split is the same",
           "draw the validation images at random, with rng.permutation(len(x))")
    expect(held.any(0).all() and (held[:, 1:] & held[:, :-1]).mean() < 0.1,
           "neighboring images are held out together, or some images never are",
           "draw the validation images at random, with rng.permutation(len(x))")


def _differences(value, right, order, unpaired=None):
    """Judge means and intervals of differences, one for each split; `order` says what is subtracted from what."""
    given = intervals(value, right["mean"].shape)
    wanted = np.array([right[name].values for name in ("mean", "low", "high")])
    if close(given, wanted, FLOAT32):
        return
    expect(not close(given[0], -wanted[0], FLOAT32), "the difference has the wrong sign", f"compute {order}")
    expect(not close(given, wanted[:, ::-1], FLOAT32), "the two splits are swapped", "keep the order of the scores")
    expect_close(given[0], wanted[0], "the mean difference is wrong", f"compute {order}, separately for each split",
                 FLOAT32)
    expect(unpaired is None or not close(given[1], unpaired["low"].values, FLOAT32),
           "the interval treats the runs as unpaired",
           "both scores belong to the same network, so take their difference first, seed by seed")
    expect(False, "the interval is not computed from paired differences",
           "use stats.paired_difference(scores, …, between=…)")


# Letters of question 5.6: hints for the flaws, and for the objections that are not valid.
MISSING = {
    "a": "compare x_train between the two arms, and x_val too",
    "d": "what varies between the ten runs of an arm, and what is the same in all of them?",
    "e": "for which of the two networks was the learning rate tuned?",
    "g": "does the title claim more than the figure shows?",
}
SOUND = {
    "b": "the gray levels in both x_val are multiples of 1/16, as in unchanged digits",
    "c": "look for an image that is in both x_train and x_val of one arm; there is none",
    "f": "training accuracy is measured on rotated images, which are harder",
    "h": "both arms take the same number of steps, and augmentation means that the images differ between steps",
}


@check("5.6", "you found every flaw and computed the difference on the same images")
def referee(flaws, same_split, scores, rng):
    from course_utils import stats

    objections(flaws, MISSING, SOUND)
    right = stats.paired_difference(scores, "augment_probability", between=(0.0, 1.0))
    theirs = scores.sel(augment_probability=1.0)[1] - scores.sel(augment_probability=0.0)[0]
    value = same_split["mean"] if hasattr(same_split, "data_vars") or isinstance(same_split, dict) else same_split
    expect(not close(np.ravel(value)[0], theirs.mean(), FLOAT32), "you give the manuscript's difference",
           "compare both networks on one split, and then on the other")
    _differences(same_split, right, "with augmentation minus without")
