"""Answers to exercise 05."""

import numpy as np
import pandas as pd
import xarray as xr

from course_utils import stats
from course_utils.checks import data_augmentation as au
from tests.checks.answers import blank, spread

# 5.1


def shift(images, most, rng):
    _, height, width = images.shape
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    corners = rng.integers(0, 2 * most + 1, (len(images), 2))
    return np.stack([image[top:top + height, left:left + width]
                     for image, (top, left) in zip(padded, corners, strict=True)])


def shift_by_index(images, most, rng):
    """Where does each pixel come from? Without a loop."""
    n, height, width = images.shape
    moves = np.arange(-most, most + 1)
    down, right = rng.choice(moves, (n, 1, 1)), rng.choice(moves, (n, 1, 1))
    rows, columns = np.arange(height)[:, None] - down, np.arange(width) - right
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside, images[np.arange(n)[:, None, None], rows % height, columns % width],
                    0).astype(images.dtype)


def shift_by_rolling(images, most, rng):
    out = np.zeros_like(images)
    for n, image in enumerate(images):
        down, right = (int(np.floor(rng.random() * (2 * most + 1))) - most for _ in range(2))
        moved = np.roll(image, (down, right), axis=(0, 1))
        if down > 0:
            moved[:down] = 0
        if down < 0:
            moved[down:] = 0
        if right > 0:
            moved[:, :right] = 0
        if right < 0:
            moved[:, right:] = 0
        out[n] = moved
    return out


def shift_by_scipy(images, most, rng):
    from scipy.ndimage import shift as move

    return np.array([move(image, rng.integers(-most, most, 2, endpoint=True), order=0, cval=0) for image in images])


def _each(most, rng, n):
    return rng.integers(-most, most + 1, (n, 2))


def wrong_shift(drawn=_each, move=au._moved):
    """A shift with one mistake."""
    def answer(images, most, rng):
        return np.array([move(image, down, right) for image, (down, right) in zip(
            images, drawn(most, rng, len(images)), strict=True)], images.dtype)

    return answer


def _clipped(image, down, right):
    """The edge is repeated."""
    rows, columns = (np.clip(np.arange(size) - by, 0, size - 1) for size, by in zip(image.shape, (down, right),
                                                                                    strict=True))
    return image[np.ix_(rows, columns)]


def _row_by_row(image, down, right):
    return np.stack([au._moved(row[None], 0, right if n % 2 else 0)[0] for n, row in enumerate(image)])


def shift_in_place(images, most, rng):
    images[:] = shift(images, most, rng)
    return images


def shift_by_padding(images, most, rng):
    """Pads the axis of the images, too."""
    padded, (_, height, width) = np.pad(images, most), images.shape
    return np.array([padded[n, down:down + height, right:right + width] for n, (down, right) in enumerate(
        rng.integers(0, 2 * most + 1, (len(images), 2)))])


SHIFTS = [shift, shift_by_index, shift_by_rolling, shift_by_scipy]
NOT_SHIFTS = {
    "np.roll": (wrong_shift(move=au._rolled), "return at the opposite one: np.roll wraps around"),
    "edge repeated": (wrong_shift(move=_clipped), "the pixels that come in are not 0"),
    "images padded": (shift_by_padding, "np.pad also adds images"),
    "rows apart": (wrong_shift(move=_row_by_row), "not moved as a whole"),
    "one for all": (wrong_shift(lambda most, rng, n: np.tile(_each(most, rng, 1), (n, 1))),
                    "all images of a batch move in the same way"),
    "upper end left out": (wrong_shift(lambda most, rng, n: rng.integers(-most, most, (n, 2)) if most else
                                       np.zeros((n, 2), int)), "no shift by 2 down ever occurs: rng.integers"),
    "never back": (wrong_shift(lambda most, rng, n: rng.integers(0, most + 1, (n, 2))),
                   "no shift by 2 up ever occurs"),
    "never still": (wrong_shift(lambda most, rng, n: rng.choice([-1, 1], (n, 2)) * rng.integers(min(most, 1), most + 1,
                                                                                                (n, 2))),
                    "no shift by 0 ever occurs"),
    "rounded": (wrong_shift(lambda most, rng, n: np.round(rng.uniform(-most, most, (n, 2))).astype(int)),
                "rounding real numbers gives both ends only half of their share"),
    "sign and size": (wrong_shift(lambda most, rng, n: rng.choice([-1, 1], (n, 2)) * rng.integers(0, most + 1, (n, 2))),
                      "is more frequent than one by"),
    "normal": (wrong_shift(lambda most, rng, n: np.clip(np.round(rng.normal(0, most / 3, (n, 2))), -most, most).astype(
        int)), "the largest shifts are rarer"),
    "diagonal": (wrong_shift(lambda most, rng, n: np.repeat(_each(most, rng, n)[:, :1], 2, axis=1)),
                 "how far an image moves down depends on how far it moves right"),
    "rows only": (wrong_shift(lambda most, rng, n: _each(most, rng, n) * (1, 0)), "no image moves left or right"),
    "columns only": (wrong_shift(lambda most, rng, n: _each(most, rng, n) * (0, 1)), "no image moves up or down"),
    "twice as far": (wrong_shift(lambda most, rng, n: _each(2 * most, rng, n)), "an image moves by 4 pixels"),
    "a number of its own": (wrong_shift(lambda most, rng, n: _each(2 if most else 0, rng, n)),
                            "with most = 4, no image moves by 4"),
    "most = 0 forgotten": (wrong_shift(lambda most, rng, n: _each(most or 2, rng, n)),
                           "with most = 0, the images change"),
    "a generator of its own": (wrong_shift(lambda most, rng, n: _each(most, np.random.default_rng(0), n)),
                               "every call gives the same shifts"),
    "the global generator": (wrong_shift(lambda most, rng, n: np.random.randint(-most, most + 1, (n, 2))),
                             "the same rng gives different shifts"),
    "float64": (lambda *given: shift(*given).astype(float), "float32 images come back as float64"),
    "padded": (lambda images, most, rng: np.pad(images, ((0, 0), (most, most), (most, most))),
               "it should be (100, 7, 9)"),
    "nothing": (lambda images, most, rng: images.copy(), "no image moves"),
    "in place": (shift_in_place, "changes its argument images"),
}

# 5.2


def mix(images, labels, alpha, rng):
    partner = rng.permutation(len(images))
    share = rng.beta(alpha, alpha, len(images))
    return (share[:, None, None] * images + (1 - share)[:, None, None] * images[partner],
            share[:, None] * labels + (1 - share)[:, None] * labels[partner])


def mix_in_loops(images, labels, alpha, rng):
    order = list(range(len(images)))
    rng.shuffle(order)
    mixed, of_both = np.empty(images.shape), np.empty(labels.shape)
    for n, other in enumerate(order):
        share = rng.beta(alpha, alpha)
        mixed[n] = images[other] + share * (images[n] - images[other])
        of_both[n] = labels[other] + share * (labels[n] - labels[other])
    return [mixed, of_both]


def mix_as_a_matrix(images, labels, alpha, rng):
    """The partner stands a random number of places further on; shares from two gammas."""
    n = len(images)
    first, second = rng.gamma(alpha, size=(2, n))
    share = np.diag(first / (first + second))
    weights = share + (np.eye(n) - share) @ np.roll(np.eye(n), rng.integers(1, n), axis=0)
    return np.tensordot(weights, images, 1), weights @ labels


def mix_by_keras(images, labels, alpha, rng):
    from keras import ops

    partner = rng.permutation(len(images))
    images, labels, share = (ops.convert_to_tensor(value, "float32") for value in (
        images, labels, rng.beta(alpha, alpha, (len(images), 1))))
    mixed = labels * share + (1 - share) * ops.take(labels, partner, axis=0)
    share = ops.expand_dims(share, 2)
    return share * images + (1 - share) * ops.take(images, partner, axis=0), mixed


def mix_in_float32(images, labels, alpha, rng):
    return tuple(one.astype("float32") for one in mix(images, labels, alpha, rng))


def wrong_mix(share=lambda alpha, rng, n: rng.beta(alpha, alpha, n), partner=lambda rng, n: rng.permutation(n),
              label=lambda share, partner, rng: (share, partner), rest=lambda share: 1 - share):
    """MixUp with one mistake."""
    def answer(images, labels, alpha, rng):
        n = len(images)
        shares, partners = share(alpha, rng, n), partner(rng, n)
        of_label, theirs = label(shares, partners, rng)
        shares = shares if np.ndim(shares) > 1 else np.reshape(shares, (-1, 1, 1))
        of_label = np.reshape(of_label, (len(np.ravel(of_label)) // (n if np.ndim(of_label) > 1 else 1), -1))
        of_label = of_label.reshape(-1, 1) if of_label.size in (1, n) else of_label[:, :1]
        return (shares * images + rest(shares) * images[partners],
                of_label * labels + rest(of_label) * labels[theirs])

    return answer


def mix_parts(shape):
    """A share for each part of an image, such as a pixel or a row."""
    def answer(images, labels, alpha, rng):
        partner, share = rng.permutation(len(images)), rng.beta(alpha, alpha, shape(images))
        of_label = share.mean((1, 2))[:, None]
        return (share * images + (1 - share) * images[partner], of_label * labels + (1 - of_label) * labels[partner])

    return answer


def mix_three(images, labels, alpha, rng):
    return mix(*mix(images, labels, alpha, rng), alpha, rng)


def mix_hard(images, labels, alpha, rng):
    mixed, of_both = mix(images, labels, alpha, rng)
    return mixed, np.eye(labels.shape[1])[of_both.argmax(1)]


def mix_rounded(digits):
    def answer(*given):
        mixed, of_both = mix(*given)
        return mixed, of_both.round(digits)

    return answer


def mix_half(images, labels, alpha, rng):
    """The first half of the batch stays as it is."""
    half = len(images) // 2
    return tuple(np.concatenate([before[:half], after]) for before, after in zip(
        (images, labels), mix(images[half:], labels[half:], alpha, rng), strict=True))


def mix_in_place(images, labels, alpha, rng):
    images[:], of_both = mix(images, labels, alpha, rng)
    return images, of_both


MIXES = [mix, mix_in_loops, mix_as_a_matrix, mix_by_keras, mix_in_float32]
NOT_MIXES = {
    "one share": (wrong_mix(lambda alpha, rng, n: rng.beta(alpha, alpha)), "all images have the same share"),
    "always half": (wrong_mix(lambda alpha, rng, n: np.full(n, 0.5)), "all images have the same share"),
    "pixel by pixel": (mix_parts(np.shape), "not a mixture of images of the batch"),
    "labels as they are": (lambda images, labels, *rest: (mix(images, labels, *rest)[0], labels), "no label is mixed"),
    "images as they are": (lambda images, labels, *rest: (images, mix(images, labels, *rest)[1]), "no image is mixed"),
    "hard labels": (mix_hard, "a mixture has the label of a single class"),
    "share of the partner": (wrong_mix(label=lambda share, partner, rng: (1 - share, partner)),
                             "the label has the share of the partner"),
    "shares drawn twice": (wrong_mix(label=lambda share, partner, rng: (rng.beta(1, 1, len(share)), partner)),
                           "image and label have different shares"),
    "partners drawn twice": (wrong_mix(label=lambda share, partner, rng: (share, rng.permutation(len(partner)))),
                             "the label comes from a different partner"),
    "added": (wrong_mix(rest=lambda share: 1), "do not add up to 1"),
    "both their share": (wrong_mix(rest=lambda share: share), "do not add up to 1"),
    "with replacement": (wrong_mix(partner=lambda rng, n: rng.integers(0, n, n)), "the partner of several others"),
    "backwards": (wrong_mix(partner=lambda rng, n: np.arange(n)[::-1]), "the same partner in every call"),
    "the next": (wrong_mix(partner=lambda rng, n: np.roll(np.arange(n), 1)), "the same partner in every call"),
    "neighbors": (wrong_mix(partner=lambda rng, n: np.roll(np.arange(n), rng.choice([-1, 1]))),
                  "some images never become partners"),
    "half of the batch": (mix_half, "many images are not mixed"),
    "at random": (wrong_mix(lambda alpha, rng, n: np.where(rng.random(n) < 0.5, rng.beta(alpha, alpha, n), 1)),
                  "many images are not mixed"),
    **{f"rounded to {digits}": (mix_rounded(digits), "the labels are rounded") for digits in (1, 2, 3)},
    "rows apart": (mix_parts(lambda images: (*images.shape[:2], 1)), "not a mixture of images"),
    "columns apart": (mix_parts(lambda images: (len(images), 1, images.shape[2])), "not a mixture of images"),
    "the larger share": (wrong_mix(lambda alpha, rng, n: np.maximum(*rng.beta(alpha, alpha, n) * np.array(
        [[1], [-1]]) + np.array([[0], [1]]))), "an image always keeps the larger share"),
    "uniform": (wrong_mix(lambda alpha, rng, n: rng.random(n)), "with alpha = 0.3, the shares scatter too little"),
    "one argument": (wrong_mix(lambda alpha, rng, n: rng.beta(alpha, 1, n)), "with alpha = 0.3, the mean share is 0.2"),
    "alpha of its own": (wrong_mix(lambda alpha, rng, n: rng.beta(0.3, 0.3, n)),
                         "with alpha = 1, the shares scatter too much"),
    "three in one": (mix_three, "three images are mixed into one"),
    "a generator of its own": (lambda images, labels, alpha, rng: mix(images, labels, alpha, np.random.default_rng(0)),
                               "every call gives the same mixtures"),
    "the global generator": (lambda images, labels, alpha, rng: mix(images, labels, alpha, np.random),
                             "the same rng gives different mixtures"),
    "images only": (lambda *given: mix(*given)[0], "return images, labels, in this order"),
    "in place": (mix_in_place, "changes its argument images"),
}

# 5.3


def model(network, pixels):
    import keras
    from keras import layers

    _, height, width, _ = network.input_shape
    inputs = keras.Input((height, width, 1))
    moved = layers.RandomTranslation(pixels / height, pixels / width, fill_mode="constant", fill_value=0.0)(inputs)
    return keras.Model(inputs, network(moved))


def model_in_two_layers(network, pixels):
    import keras
    from keras import layers

    shape = network.input_shape[1:]
    one = keras.Sequential([keras.Input(shape)])
    one.add(layers.RandomTranslation((-pixels / shape[0], pixels / shape[0]), 0.0, "constant", "nearest"))
    one.add(layers.RandomTranslation(0.0, (-pixels / shape[1], pixels / shape[1]), "constant"))
    one.add(network)
    return one


def model_in_a_pipeline(network, pixels):
    import keras
    from keras import layers

    shape = network.input_shape[1:]
    change = keras.Sequential([layers.RandomTranslation(pixels / shape[0], pixels / shape[1], fill_mode="constant")])
    return keras.Sequential([keras.Input(shape), change, network])


def wrong_model(*more, factors=lambda pixels, height, width: (pixels / height, pixels / width), network=None,
                fill="constant", shift=True):
    """A model with one mistake; `more` are makers of further layers."""
    def answer(inner, pixels):
        import keras
        from keras import layers

        _, height, width, _ = inner.input_shape
        x = inputs = keras.Input((height, width, 1))
        if shift:
            x = layers.RandomTranslation(*factors(pixels, height, width), fill_mode=fill)(x)
        for make in more:
            x = make(layers)(x)
        return keras.Model(inputs, (network(inner) if network else inner)(x))

    return answer


def _copied(inner):
    import keras

    copy = keras.models.clone_model(inner)
    copy.set_weights(inner.get_weights())
    return copy


def _of_ones_own(network, pixels):
    """A model with a layer that Keras cannot load."""
    import keras
    from keras import layers

    class Moved(layers.Layer):
        def __init__(self):
            super().__init__()
            _, height, width, _ = network.input_shape
            self.move = layers.RandomTranslation(pixels / height, pixels / width, fill_mode="constant")

        def call(self, x, training=False):
            return self.move(x, training=training)

    return keras.Sequential([keras.Input(network.input_shape[1:]), Moved(), network])


MODELS = [model, model_in_two_layers, model_in_a_pipeline]
NOT_MODELS = {
    "mirrored edges": (wrong_model(fill="reflect"), "mirrors the image at its edges unless"),
    "repeated edges": (wrong_model(fill="nearest"), "the pixels that come in are not 0"),
    "pixels as factors": (wrong_model(factors=lambda pixels, *_: (pixels, pixels)), "in the range [-1.0, 1.0]"),
    "halves": (wrong_model(factors=lambda pixels, *_: (pixels / 4, pixels / 4)), "images are moved out of the frame"),
    "height for both": (wrong_model(factors=lambda pixels, height, width: (pixels / height,) * 2),
                        "by more than that"),
    "width for both": (wrong_model(factors=lambda pixels, height, width: (pixels / width,) * 2), "images move at most"),
    "swapped": (wrong_model(factors=lambda pixels, height, width: (pixels / width, pixels / height)),
                "images move at most 1.3 up or down"),
    "a factor of its own": (wrong_model(factors=lambda pixels, *_: (0.2 * (pixels > 0), 0.1 * (pixels > 0))),
                            "images move"),
    "down only": (wrong_model(factors=lambda pixels, height, width: ((0, pixels / height), pixels / width)),
                  "images move down, but not as far up"),
    "rows only": (wrong_model(factors=lambda pixels, height, width: (pixels / height, 0.0)),
                  "no image moves left or right"),
    "a copy": (wrong_model(network=_copied), "does not train exactly the weights of the network"),
    "the network": (lambda network, pixels: network, "in training, nothing moves"),
    "rotation": (wrong_model(lambda layers: layers.RandomRotation(0.05, fill_mode="constant")),
                 "the images are not only shifted"),
    "noise": (wrong_model(lambda layers: layers.GaussianNoise(0.1)), "the images are not only shifted"),
    "brighter": (wrong_model(lambda layers: layers.Rescaling(2.0)), "with training=False, the model's answers differ"),
    "no shift": (wrong_model(lambda layers: layers.GaussianNoise(0.0), shift=False), "in training, nothing moves"),
    "a layer of one's own": (_of_ones_own, "can't be saved and loaded"),
    "layers only": (lambda network, pixels: [network], "does not return a Keras model"),
    "whole pixels": (wrong_model(factors=lambda pixels, height, width: (int(pixels) / height, int(pixels) / width)),
                     "with pixels = 1.75, images move at most 1.0 up or down"),
    "rounded up": (wrong_model(factors=lambda pixels, height, width: (np.ceil(pixels) / height, np.ceil(pixels) / width)
                               ), "with pixels = 1.25, images move by more than that"),
    "untouched pixels": (wrong_model(factors=lambda pixels, height, width: (2 / height, 2 / width)),
                         "with pixels = 0, the images change"),
}

# 5.4

SETS = ("digits", "glyphs", "textures")
FITTING = {"digits": {"shift": 2}, "glyphs": {"shift": 2}, "textures": {"shift": 2, "horizontal_flip": 0.5}}
SWAPPED = {"glyphs left-right": {"b", "d", "p", "q"}, "glyphs top-bottom": {"b", "d", "p", "q", "u", "n"},
           "digits half turn": {"6", "9"}, "textures": set()}


def trained(choices, gained=(0.5, 0.4, 0.3), scatter=0.01, knobs=None):
    """What the cell that trains might have found."""
    rng = np.random.default_rng(2)
    found = {}
    for name, gain in zip(SETS, gained, strict=True):
        scores = 0.3 + rng.normal(0, scatter, (2, 2, 10))
        scores[1, 1] += gain
        found[name] = xr.DataArray(scores, {
            "images": ["clean", "shifted"], "augment_probability": [0.0, 1.0], "seed": range(10),
            **(knobs or choices[name])}, ("images", "augment_probability", "seed"))
    return found


def choose(swapped=SWAPPED, gained=(0.5, 0.4, 0.3), knobs=None, scatter=0.01, **choices):
    choices = FITTING | choices
    return choices, swapped, trained(choices, gained, scatter, knobs)


CHOICES = [choose(), choose(SWAPPED | {"digits half turn": [6, 9], "glyphs left-right": "bdpq", "textures": []},
                            digits={"placement": 1.0}, glyphs={"shift": 1, "rotation": 10.0, "mixup": 0.2},
                            textures={"rotation": 180.0}),
           choose(digits={"shift": 3, "cutout": 3}, textures={"shift": 2, "horizontal_flip": 0.5, "vertical_flip": 0.5},
                  gained=(0.3, 0.07, 0.08))]
NOT_CHOICES = {
    "glyphs mirrored": (choose(glyphs={"shift": 2, "horizontal_flip": 0.5}), "a mirrored b looks like a d"),
    "glyphs upside down": (choose(glyphs={"shift": 2, "vertical_flip": 0.2}), "vertical_flip changes labels of glyphs"),
    "digits mirrored": (choose(digits={"shift": 2, "horizontal_flip": 0.5}), "nobody writes a mirrored"),
    "digits turned": (choose(digits={"shift": 2, "rotation": 180.0}), "half a turn changes a 6 into a 9"),
    "glyphs turned": (choose(glyphs={"shift": 2, "rotation": 90.0}), "half a turn changes a b into a q"),
    "no gain": (choose(digits={"rotation": 15.0}, gained=(0.02, 0.4, 0.3)), "on shifted digits, your choice gains 2"),
    "a loss": (choose(textures={"cutout": 6}, gained=(0.5, 0.4, -0.1)), "on shifted textures, your choice gains −10"),
    "not shown": (choose(glyphs={"mixup": 0.4}, gained=(0.5, 0.06, 0.3), scatter=0.3),
                  "on shifted glyphs, the interval of the gain contains 0"),
    "placed": (choose(glyphs={"placement": 1.0}, gained=(0.5, 0.0, 0.3)), "here noise extends to the edges"),
    "nothing": (choose(digits={}), "nothing changes in digits"),
    "nothing, in words": (choose(digits={"shift": 0}), "nothing changes in digits"),
    "unknown": (choose(digits={"blur": 2}), "there is no transformation blur"),
    "two data sets": (({"digits": {"shift": 2}}, SWAPPED, trained(FITTING)), "choices does not have the three keys"),
    "a list": (choose(digits=["shift"], knobs={"shift": 2}), "the choice for digits is not a dict"),
    "several strengths": (choose(digits={"shift": [1, 2]}, knobs={"shift": 2}), "strength for digits is not a number"),
    "other scores": (choose(digits={"shift": 1}, knobs={"shift": 2}), "belong to other choices"),
    "u and n forgotten": (choose(SWAPPED | {"glyphs top-bottom": set("bdpq")}),
                          "glyphs top-bottom: a class is missing"),
    "v upside down": (choose(SWAPPED | {"glyphs top-bottom": set("bdpqunv")}), "v does not become another class"),
    "u and n left-right": (choose(SWAPPED | {"glyphs left-right": set("bdpqun")}),
                           "glyphs left-right: n does not become another class"),
    "2 and 5": (choose(SWAPPED | {"digits half turn": {2, 5, 6, 9}}), "half turn: 2 does not become another class"),
    "checks": (choose(SWAPPED | {"textures": {"checks"}}), "textures: checks does not become another class"),
    "three keys": (choose({key: SWAPPED[key] for key in list(SWAPPED)[:3]}), "swapped does not have the four keys"),
    "a number": (choose(SWAPPED | {"digits half turn": 69}), "digits half turn is not a set of classes"),
}

# 5.5


def split(x, y, copies, augment, rng):
    order = rng.permutation(len(x))
    val, train = np.split(order, [len(x) // 5])
    parts = [x[train]] + [augment(x[train], rng) for _ in range(copies)]
    return np.concatenate(parts), np.concatenate([y[train]] * (copies + 1)), x[val], y[val]


def split_by_sklearn(x, y, copies, augment, rng):
    from sklearn.model_selection import train_test_split

    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=int(rng.integers(1000)))
    changed = augment(np.tile(x_train, (copies, 1)), rng)
    return [np.concatenate([changed, x_train]), np.tile(y_train, copies + 1), x_val, y_val]


def split_by_classes(x, y, copies, augment, rng):
    from sklearn.model_selection import train_test_split

    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, stratify=y,
                                                      random_state=int(rng.integers(1000)))
    return (np.concatenate([x_train, *(augment(x_train, rng) for _ in range(copies))]),
            np.tile(y_train, copies + 1), x_val, y_val)


def split_image_by_image(x, y, copies, augment, rng):
    chosen = set(rng.choice(len(x), len(x) // 5, replace=False).tolist())
    x_train, y_train = [], []
    for n in range(len(x)):
        if n not in chosen:
            x_train += [x[n], *(augment(x[n:n + 1], rng)[0] for _ in range(copies))]
            y_train += [y[n]] * (copies + 1)
    val = sorted(chosen)
    return np.array(x_train), np.array(y_train), x[val], y[val]


def wrong_split(order=lambda rng, n: rng.permutation(n), held_out=0.2, changed_val=False, originals=True, once=False,
                labels=np.tile, swap=False, val_copies=False, twice=False):
    """A split with one mistake."""
    def answer(x, y, copies, augment, rng):
        numbers = order(rng, len(x))
        val, train = np.split(numbers, [round(held_out * len(x))])
        if twice:
            val = np.concatenate([val[:4], val[:4]])
        parts = [x[train]] * originals
        one = augment(x[train], rng)
        parts += [one if once else augment(x[train], rng) for _ in range(copies)]
        x_val = augment(x[val], rng) if changed_val else x[val]
        found = [np.concatenate(parts), labels(y[train], len(parts)), x_val, y[val]]
        if val_copies:
            found[2:] = np.concatenate([x[val], augment(x[val], rng)]), np.tile(y[val], 2)
        return found[2:] + found[:2] if swap else found

    return answer


def leaky(x, y, copies, augment, rng):
    x = np.concatenate([x, *(augment(x, rng) for _ in range(copies))])
    y = np.tile(y, 1 + copies)
    order = rng.permutation(len(x))
    val, train = order[:len(x) // 5], order[len(x) // 5:]
    return x[train], y[train], x[val], y[val]


def leaky_but_clean(x, y, copies, augment, rng):
    """Validation images are as they are, but their copies were made before."""
    everything = np.concatenate([x, *(augment(x, rng) for _ in range(copies))])
    order = rng.permutation(len(x))
    val = order[:len(x) // 5]
    train = np.setdiff1d(np.arange(len(everything)), val)
    return everything[train], np.tile(y, 1 + copies)[train], x[val], y[val]


def measured(seed=0):
    rng = np.random.default_rng(seed)
    network = rng.normal(0, 0.02, (2, 1, 10))
    scores = 0.9 + network + rng.normal(0, 0.004, (2, 2, 10))
    scores[0, 0] += 0.07
    scores[1, 0] -= 0.01
    return xr.DataArray(scores, {"split": ["leaky", "repaired"], "images": ["validation", "fresh"], "seed": range(10)},
                        ("split", "images", "seed"))


SCORES = measured()
TOO_HIGH = stats.paired_difference(SCORES, "images", between=("fresh", "validation"))


def by_hand(scores=SCORES):
    from scipy.stats import ttest_1samp

    difference = (scores.sel(images="validation") - scores.sel(images="fresh")).transpose("split", "seed").values
    interval = ttest_1samp(difference, 0, axis=1).confidence_interval()
    return difference.mean(1), interval.low, interval.high


LEAKS = [(split, SCORES, TOO_HIGH), (split_by_sklearn, SCORES, by_hand()),
         (split_by_classes, SCORES, np.float32(by_hand())),
         (split_image_by_image, SCORES, {name: TOO_HIGH[name] for name in ("mean", "low", "high")})]
NOT_LEAKS = {
    **{name: ((answer, SCORES, TOO_HIGH), message) for name, (answer, message) in {
        "as it was": (leaky, "the leak is still there"),
        "only the images": (leaky_but_clean, "or copies of them, are trained on"),
        "validation changed": (wrong_split(changed_val=True), "validation images are changed"),
        "validation copied": (wrong_split(val_copies=True), "validation images are changed"),
        "copies alone": (wrong_split(originals=False), "some unchanged training images are missing"),
        "one copy for all": (wrong_split(once=True), "the copies of an image are all the same"),
        "not shuffled": (wrong_split(lambda rng, n: np.arange(n)), "every split is the same"),
        "a block": (wrong_split(lambda rng, n: np.roll(np.arange(n), rng.integers(n))), "images are held out together"),
        "from the end": (wrong_split(lambda rng, n: np.append(n // 2 + rng.permutation(n - n // 2), np.arange(n // 2))),
                         "some images never are"),
        "a generator of its own": (wrong_split(lambda rng, n: np.random.default_rng(0).permutation(n)),
                                   "every split is the same"),
        "the global generator": (wrong_split(lambda rng, n: np.random.permutation(n)), "rng gives a different split"),
        "a half": (wrong_split(held_out=0.5), "28 of 57 images are held out"),
        "parts swapped": (wrong_split(swap=True), "validation images are changed"),
        "labels repeated": (wrong_split(labels=np.repeat), "belongs to another image"),
        "with replacement": (wrong_split(lambda rng, n: rng.integers(0, n, n)), "or copies of them, are trained on"),
        "twice": (wrong_split(twice=True), "a validation image appears twice"),
        "two things": (lambda *given: split(*given)[::2], "does not return four arrays"),
        "one copy too many": (lambda x, y, copies, augment, rng: split(x, y, copies + 1, augment, rng),
                              "with copies = 3, a training image has 4 to 4 changed copies"),
    }.items()},
    **{name: ((split, SCORES, answer), message) for name, (answer, message) in {
        "wrong sign": (stats.paired_difference(SCORES, "images", between=("validation", "fresh")), "the wrong sign"),
        "unpaired": (stats.unpaired_difference(SCORES, "images", between=("fresh", "validation")),
                     "treats the runs as unpaired"),
        "the other arms": (stats.paired_difference(SCORES, "split", between=("repaired", "leaky")),
                           "the mean difference is wrong"),
        "swapped": (TOO_HIGH.isel(split=[1, 0]), "the two splits are swapped"),
        "leaky alone": (TOO_HIGH.sel(split="leaky"), "mean has shape ()"),
        "the mean only": (TOO_HIGH["mean"], "return mean, low, high"),
        "lacks the ends": ({"mean": TOO_HIGH["mean"]}, "the difference lacks low and high"),
        "half the width": (0.5 * np.array(by_hand()) + 0.5 * by_hand()[0], "not computed from paired"),
    }.items()},
}

# 5.6


def rerun(seed=1):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 0.01, (2, 2, 10)) + np.array([0.83, 0.93])[:, None, None]
    return xr.concat([xr.DataArray(one, {"augment_probability": [0.0, 1.0], "seed": range(10)},
                                   ("augment_probability", "seed")) for one in scores],
                     pd.Index(["without", "with"], name="split"))


RERUN = rerun()
SAME = stats.paired_difference(RERUN, "augment_probability", between=(0.0, 1.0))
THEIRS = RERUN[1, 1] - RERUN[0, 0]


FLAWS = [({"a", "d", "e", "g"}, SAME, RERUN), ("adeg", [SAME["mean"], SAME.low.values, SAME["high"]], RERUN),
         (["G", "E", "D", "A"], {name: SAME[name] for name in ("mean", "low", "high")}, RERUN)]
NOT_FLAWS = {
    **{name: ((flaws, SAME, RERUN), message) for name, (flaws, message) in {
        "all": (set("abcdefgh"), "gray levels in both"),
        "copies": (set("acdeg"), "look for an image that is in both x_train and x_val"),
        "training accuracy": (set("adefg"), "training accuracy is measured on rotated images"),
        "steps": (set("adegh"), "both arms take the same number of steps"),
        "split let pass": (set("deg"), "compare x_train between the two arms"),
        "runs let pass": (set("aeg"), "what varies between the ten runs"),
        "rate let pass": (set("adg"), "for which of the two networks"),
        "title let pass": (set("ade"), "more than the figure shows"),
        "unknown": ({"x"}, "there is no objection x"),
    }.items()},
    **{name: ((set("adeg"), answer, RERUN), message) for name, (answer, message) in {
        "the manuscript's": (stats.interval(THEIRS), "you give the manuscript's difference"),
        "the manuscript's twice": ([[float(THEIRS.mean())] * 2] * 3, "you give the manuscript's difference"),
        "wrong sign": (stats.paired_difference(RERUN, "augment_probability", between=(1.0, 0.0)), "the wrong sign"),
        "between the splits": (stats.paired_difference(RERUN, "split", between=("without", "with")),
                               "the mean difference is wrong"),
        "one split": (SAME.isel(split=0), "mean has shape ()"),
        "unpaired": (stats.unpaired_difference(RERUN, "augment_probability", between=(0.0, 1.0)),
                     "not computed from paired differences"),
    }.items()},
}

ALL = [("5.1", au.shift, SHIFTS, NOT_SHIFTS), ("5.2", au.mix, MIXES, NOT_MIXES), ("5.3", au.model, MODELS, NOT_MODELS),
       ("5.4", spread(au.defended), CHOICES, NOT_CHOICES), ("5.5", spread(au.leak), LEAKS, NOT_LEAKS),
       ("5.6", spread(au.referee), FLAWS, NOT_FLAWS)]
# Those that ask for more than one function, or for none.
UNANSWERED = {"5.4": [(..., ..., ...), (FITTING | {"glyphs": ...}, SWAPPED, trained(FITTING)),
                      (FITTING, SWAPPED | {"textures": ...}, trained(FITTING))],
              "5.5": [(blank, ..., ...), (blank, SCORES, TOO_HIGH), (split, SCORES, ...)],
              "5.6": [(..., ..., RERUN), (set(), SAME, RERUN), (set("adeg"), ..., RERUN)]}
