"""Checks of exercise 03: dropout, in NumPy and in Keras, what it tells you, and when it helps."""

import functools
import itertools

import numpy as np

from course_utils import models
from course_utils.checks import Violated, array, arrays, call, check, close, expect, expect_close, expect_none_of
from course_utils.checks.shared import classifier, dimensions, intervals, objections

DRAWS = 200     # masks of 20 × 30 units: their counts have a variance that is known to a tenth
PASSES = 150    # of a network whose every mask can be listed


@check("3.1", "dropout drops units independently, keeps the expected value, and does nothing at inference")
def forward(dropout, rng):
    generator = np.random.default_rng(1)   # goes on from call to call

    def out(rate, training=True, generator=generator):
        value = call(dropout, {"x": x, "rate": rate, "rng": generator, "training": training}, changes=["rng"],
                     hint="write the result into a new array")
        return arrays(value, {"out": x.shape, "mask": x.shape})

    x, rate = rng.normal(0, 2, (20, 30)), 0.231   # 0.24 if you draw integers below 100
    x[:, 0] = 0
    alive = x != 0
    y, mask = out(rate)
    expect(not close(mask, 1), "nothing is dropped", "draw a random number for each unit and compare it with rate")
    expect(np.isin(mask, (0, 1)).all(), "the mask contains values other than 0 and 1",
           "the mask only says which units are kept; do not include the scale")
    expect(not np.array_equal(mask[alive] == 0, y[alive] != 0), "mask is 1 where a unit was dropped",
           "it should be 1 where a unit is kept")
    expect(np.array_equal(mask[alive] == 0, y[alive] == 0), "out and mask are not 0 in the same places",
           "multiply x by the mask that you draw")
    first, second = (out(0.5, generator=np.random.default_rng(7))[1] for _ in range(2))
    expect(np.array_equal(first, second), "the same rng gives a different mask",
           "use the rng argument, not a global generator")
    masks = np.array([out(rate)[1] for _ in range(DRAWS)])
    expect(not (masks == masks[0]).all(), "every call has the same mask",
           "use the rng argument; a newly created generator always starts with the same numbers")
    expect(abs(masks[:, ~alive].mean() - masks[:, alive].mean()) < 0.1,
           "a unit whose value is 0 always counts as dropped", "return the mask that you drew, not where out is 0")
    _share(masks, rate)
    _independence(masks, rate)
    _scale(*((y / x)[(mask == 1) & alive] for y, mask in ((y, mask), out(rate))), rate)
    at_half, mask = out(0.5)
    expect_close(at_half, 2 * x * mask, "with rate = 0.5, the kept units are not doubled", "use the argument rate")
    for given, name in ((out(0.0), "rate 0"), (out(rate, training=False), "training=False")):
        expect(not close(given[0], (1 - rate) * x), f"with {name}, the output is scaled down",
               "training already scales up the kept units, so inference has nothing left to do")
        expect(close(given[0], x), f"with {name}, the output is not x", "nothing should be dropped or scaled")
        expect(close(given[1], 1), f"with {name}, the mask is not 1 everywhere", "every unit is kept")


def _share(masks, rate):
    dropped = 1 - masks.mean()
    expect(abs(dropped - (1 - rate)) > 0.02, "rate is treated as the share that is kept",
           "as in Keras, it is the share that is dropped: keep a unit if its random number is at least rate")
    expect(abs(dropped - rate) < 0.006, f"with rate = {rate}, a share of {dropped:.3f} is dropped",
           "compare uniform random numbers between 0 and 1 with rate")


def _independence(masks, rate):
    """Judge the variances of counts over units: if the units are independent, the counts are binomial."""
    _, n, d = masks.shape
    unit = rate * (1 - rate)   # variance of a single unit
    over_samples, over_units = masks.sum(1).var() / (n * unit), masks.sum(2).var() / (d * unit)
    expect(over_samples < n / 2, "all samples of a batch lose the same units",
           "each sample has its own mask, so draw an array of shape x.shape")
    expect(over_units < d / 2, "a sample is dropped as a whole",
           "each unit is kept or dropped by itself, so draw an array of shape x.shape")
    ratios = (over_samples, over_units, masks.sum((1, 2)).var() / (n * d * unit))
    expect(min(ratios) > 0.5, "the same number of units is dropped every time",
           "drop each unit with probability rate, independently of the others")
    expect(max(ratios) < 2, "units are not dropped independently",
           "draw one random number for each unit of each sample")


def _scale(scale, of_another_mask, rate):
    right = 1 / (1 - rate)
    expect(close(of_another_mask, scale[0]), "the scale depends on the share that happens to be kept",
           "divide by 1 − rate, which is the same for every unit and every call")
    expect_none_of(scale, (
        (1, "the kept units are not scaled, so the expected value drops",
         "divide them by 1 − rate, which is why the method is called inverted dropout"),
        (1 - rate, "the kept units are multiplied by 1 − rate", "divide instead, to preserve the expected value"),
        (1 / rate, "the kept units are divided by rate", "the share that is kept is 1 − rate")))
    expect_close(scale, right, "a unit that is kept is not x / (1 − rate)",
                 "multiply by the mask and divide by 1 − rate, and do nothing else")


@check("3.2", "the gradient passes where the signal passed, with the same scale")
def backward(dropout_backward, rng):
    def gradient(rate):
        return array(call(dropout_backward, {"dout": dout, "mask": mask, "rate": rate}), dout.shape)

    dout, rate = rng.normal(0, 2, (8, 5)), 0.2
    mask = rng.random(dout.shape) >= 0.4   # its share is not rate: a scale by that share shows
    first, second = gradient(rate), gradient(rate)
    expect(close(first, second), "the gradient changes from call to call",
           "use the mask of the forward pass, not a new one")
    expect(not np.array_equal(first != 0, ~mask), "the gradient passes where a unit was dropped",
           "the mask is True where a unit was kept")
    expect((first[~mask] == 0).all(), "the gradient of a dropped unit is not 0",
           "its output was 0 for any x, so multiply by the mask you are given")
    expect((first[mask] != 0).all(), "the gradient of a kept unit is 0",
           "use only the mask you are given")
    scale = first[mask] / dout[mask]
    expect_none_of(scale, (
        (1, "the scale is missing", "the forward pass divides by 1 − rate, and so does its derivative"),
        (1 - rate, "the gradient is multiplied by 1 − rate", "divide by it, as the forward pass does"),
        (1 / rate, "the gradient is divided by rate", "the share that is kept is 1 − rate"),
        ((1 - rate)**-2, "the scale is applied twice", "the forward pass divides by 1 − rate only once"),
        (1 / mask.mean(), "the scale uses the share of kept units in the mask",
         "the forward pass divides by 1 − rate")))
    expect_close(first, numerical_gradient(dout, mask, rate), "the gradient is not the numerical gradient",
                 "what is the derivative of out = mask · x / (1 − rate) with respect to x?")
    expect_close(gradient(0.75), numerical_gradient(dout, mask, 0.75),
                 "with rate = 0.75, the gradient is not the numerical gradient", "use the argument rate")


def numerical_gradient(dout, mask, rate, step=1e-4):
    """Central differences of ``sum(dout * out)`` by each unit, out being dropout with this mask."""
    def out(x):
        return np.where(mask, x, 0) / (1 - rate)

    x = np.ones(dout.shape)
    return dout * (out(x + step) - out(x - step)) / (2 * step)   # a unit acts on its own output alone


@check("3.3", "dropout acts after each hidden layer, nowhere else, and only in training")
def network(build_model, rng):
    from scipy.special import softmax

    x, rate = rng.uniform(0, 1, (100, 64)).astype("float32"), 0.25
    model, plain = call(build_model, {"dropout": rate}), call(build_model, {"dropout": 0.0})
    classifier(model, x)
    classifier(plain, x)
    expect(close(model(x), model(x, training=False), 1e-6), "the answers at inference are random",
           "let Keras set the mode, and do not pass training=True to a Dropout layer")
    (dense, quiet, _), (_, seen, answers) = (_inside(model, x, training) for training in (False, True))
    widths = [layer.units for layer in dense[:-1]]
    expect(len(widths) == 2, f"the number of hidden Dense layers is {len(widths)}", "the question asks for two")
    expect(widths == [64, 64], f"the hidden layers have {widths[0]} and {widths[1]} units",
           "the question asks for 64 in each")
    expect_close(seen[0], x, "pixels are dropped", "here, use dropout only after the hidden layers")
    expect_close(answers, softmax(_linear(dense[-1], seen[-1]), axis=1), "dropout acts after the last Dense layer",
                 "dropping outputs of the softmax only damages them, so remove it there", tolerance=1e-3)
    for place in range(1, len(dense)):
        before = dense[place - 1]
        expect_close(quiet[place], _relu(before, quiet[place - 1]),
                     f"hidden layer {place} is not a Dense layer with ReLU",
                     "give every hidden layer activation=\"relu\"", tolerance=1e-3)
        _dropped(seen[place], _relu(before, seen[place - 1]), rate, place)
    expect(close(plain(x, training=True), plain(x, training=False)), "with dropout=0, the network still drops units",
           "use the argument dropout as the rate of every Dropout layer")


def _inside(model, x, training):
    """The Dense layers in the order in which one call of a network reaches them, what they get, and its answers."""
    from keras import layers

    def noting(layer, layer_call, inputs, **options):
        seen.append((layer, np.array(inputs)))
        return layer_call(inputs, **options)

    seen, dense = [], [layer for layer in models.all_layers(model) if isinstance(layer, layers.Dense)]
    for layer in dense:
        layer.call = functools.partial(noting, layer, layer.call)
    try:
        answers = model(x, training=training)
    finally:
        for layer in dense:
            del layer.call
    return [layer for layer, _ in seen], [inputs for _, inputs in seen], np.array(answers)


def _linear(dense, x):
    return x @ dense.kernel.numpy() + (dense.bias.numpy() if dense.use_bias else 0)


def _relu(dense, x):
    return np.maximum(_linear(dense, x), 0)


def _dropped(seen, whole, rate, place):
    """Judge what became of the activations of a hidden layer on their way to the next."""
    where = f"after hidden layer {place}"
    kept = (seen != 0) & (whole > 0.01)   # of smaller numbers rounding leaves no exact ratio
    scale = seen[kept] / whole[kept]
    expect(not close(seen, whole, 1e-3), f"nothing is dropped {where}", "each hidden layer needs a Dropout layer")
    if close(scale, scale.mean(), 1e-3):
        expect_none_of(scale, (
            ((1 - rate)**-2, f"units are dropped twice {where}", "one Dropout layer is enough"),
            (1 / rate, f"{where}, the argument dropout is the share that is kept",
             "the rate of keras.layers.Dropout is the share that is dropped")), 1e-3)
        expect_close(scale, 1 / (1 - rate), f"units are dropped {where}, but at the wrong rate",
                     "pass the argument dropout on to keras.layers.Dropout", tolerance=1e-3)
    expect_close(scale, 1 / (1 - rate), f"something other than dropout acts {where}",
                 "use keras.layers.Dropout, which drops a unit or divides it by 1 − rate", tolerance=1e-3)
    alive = whole > 0.01
    surplus, spread = alive * ((seen == 0) - rate), alive.sum() * rate * (1 - rate)
    # Squared sums for each unit and for each image: if units are independent, about the sum of their variances.
    same, together = (surplus.sum(0)**2).sum(), (surplus.sum(1)**2).sum()
    expect(max(same, together) < 3 * spread, f"all images of a batch lose the same units {where}" if same > together
           else f"an image is dropped as a whole {where}",
           "each unit of each image is dropped independently, so leave out noise_shape")


@check("3.4", "the uncertainty comes from many passes, and the AUROC has an interval")
def monte_carlo(mc_dropout, rotation_auroc, rng):
    _passes(mc_dropout, rng)
    _rotation(rotation_auroc, rng)


def _passes(mc_dropout, rng):
    model = noisy_network(rng)

    def predicted(x, passes):
        value = call(mc_dropout, {"model": model, "x": x, "passes": passes}, changes=["model"])
        return arrays(value, {"mean": (len(x), 3), "entropy": (len(x),)})

    x = rng.normal(0, 1, (6, 4)).astype("float32")
    answers = every_pass(model, x)   # (masks, N, classes): all are equally likely
    mean, returned = predicted(x, PASSES)
    expect_close(mean.sum(1), 1, "the means of an image are not probabilities",
                 "average over the passes, not over images or classes")
    expect(not close(mean, model(x, training=False)), "no unit is dropped in the passes",
           "call the model with training=True; predict and a plain call turn dropout off")
    expect(np.abs(mean - answers.mean(0)).max() < 0.12, "the mean is not the mean of the answers in training mode",
           "average the probabilities of all passes")

    # Each row has masks of its own, so that equal rows are many trials of one image.
    for passes in (1, 2, 8):
        trials = predicted(np.repeat(x[:1], 500, axis=0), passes)[0]
        ratio = passes * trials.var(0).sum() / answers[:, 0].var(0).sum()   # 1 if they are that many
        expect(ratio > 0.75, f"with passes = {passes}, you average more passes, or some without dropout",
               "make exactly that many passes, all with training=True")
        expect(ratio < 1.35, f"with passes = {passes}, you average fewer passes",
               "make exactly that many passes, each with its own masks, and average all of them")

    exact = entropy(mean)
    expect(not close(returned, -exact, 1e-3), "the entropy is negative",
           "the logarithm of a probability is negative, so add a minus sign")
    expect(not close(returned, exact / np.log(2), 1e-3), "the entropy is in bits", "use the natural logarithm, np.log")
    single = entropy(answers).mean(0)
    expect(close(returned, exact, 1e-3) or np.abs(returned - single).max() > 0.08,
           "the entropy is the mean of the entropies of single passes",
           "first average the probabilities, then take the entropy, so that disagreement between passes counts")
    expect(close(returned, exact, 1e-3) or np.abs(returned - (exact - single)).max() > 0.08,
           "you return the entropy of the mean minus that of single passes",
           "that is a valid measure, but the question asks for the entropy of the mean")
    _, sure = predicted(1e5 * x, 3)
    expect(np.isfinite(sure).all(), "a probability of 0 gives nan",
           "0 · log 0 counts as 0, so add 1e-12 inside the logarithm")
    expect_close(returned, exact, "the entropy is not the entropy of the mean",
                 "compute −Σ p log p over the classes, where p is the mean", tolerance=1e-3)


def noisy_network(rng):
    """Four inputs, half of which are dropped, and a softmax: there are only sixteen masks."""
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5, seed=0), layers.Dense(3, activation="softmax")])
    model.layers[-1].kernel.assign(1.5 * rng.normal(0, 1, (4, 3)))
    return model


def every_pass(model, x):
    """The answers of a `noisy_network` under each of its masks."""
    masks = np.array(list(itertools.product([0.0, 2.0], repeat=4)), "float32")
    return np.array([model(x * mask, training=False).numpy() for mask in masks])


def entropy(p):
    """−Σ p log p over the last axis."""
    from scipy.special import entr

    return entr(p).sum(-1)


def _rotation(rotation_auroc, rng):
    def result(upright, rotated, seed):
        x = rng.random((len(upright), 64)).astype("float32")
        uncertainty = Uncertainty(x, upright, rotated)
        value = call(rotation_auroc, {"uncertainty": uncertainty, "x": x, "rng": np.random.default_rng(seed)},
                     changes=["rng"])
        numbers = [float(number) for number in arrays(value, {"auroc": (), "low": (), "high": ()})]
        expect(uncertainty.rotations & {1, 3}, "uncertainty is never called on turned images",
               "turn each image with np.rot90, and call uncertainty on all of them")
        return numbers

    widths, ends = [], []
    made_up = [(rng.normal(0, 1, 40).round(1), rng.normal(shift, 1, 40).round(1)) for shift in (-0.7, 0.7)]   # some tie
    for seed, (upright, rotated) in enumerate([*made_up, made_up[-1]]):
        wins = _wins(upright, rotated)
        auroc, low, high = result(upright, rotated, seed)
        right = wins.mean()
        expect(abs(auroc - (1 - right)) > 0.01, "the AUROC treats upright images as the positive class",
               "the turned images are class 1")
        for share in ((rotated[:, None] > upright).mean(), (rotated[:, None] >= upright).mean()):
            expect(not close(auroc, share), "ties do not count as half",
                   "if both are equally uncertain, count half a win")
        expect_close(auroc, right, "the AUROC is wrong",
                     "how often is the turned image more uncertain? roc_auc_score takes labels, then scores")
        expect(low <= high, "low is above high", "return auroc, low, high")
        expect(high - low > 1e-6, "the interval has no width", "draw as many images as there are, with replacement")
        expect(high > right or right > 0.5, "both ends of the interval are below the AUROC",
               "np.percentile takes percentages: pass 2.5 and 97.5, not fractions")
        expect(low < right < high, "the AUROC does not lie in its interval",
               "resample the images, not the labels, so that each image keeps its uncertainty")
        widths.append([high - low, _width(wins, rng)])
        ends.append((low, high))
    expect(close(result(upright, rotated, seed)[1:], ends[-1]), "the same rng gives a different interval",
           "use the rng argument, not a global generator")
    expect(not close(ends[-1], ends[-2]), "a different rng gives the same interval",
           "use the rng argument")
    ratio = np.divide(*np.mean(widths, 0))
    for least, violated, hint in (
            (0.3, "the interval is far too narrow",
             "take percentiles of the resampled AUROCs, not the standard error of their mean"),
            (0.7, "the interval leaves out a third of the resampled AUROCs",
             "one standard deviation is not enough; take the 2.5 and 97.5 percentiles"),
            (0.9, "the interval leaves out more than 5% of the resampled AUROCs",
             "take the 2.5 and 97.5 percentiles of at least 500 resamples")):
        expect(ratio > least, violated, hint)
    expect(ratio < 1.15, "the interval is too wide", "draw as many images as there are, and take the 2.5 and 97.5 "
           "percentiles")

    ends = result(np.array([0.0, 1.0]), np.array([1.0, 0.0]), 8)[1:]   # of two images, half of the draws are twice one
    expect(close(ends, [0, 1]), "some images are never drawn twice, or never drawn at all",
           "draw len(x) indices from 0 to len(x) − 1, with replacement")

    # Of five images, the last is drawn four times in 1 of 150 resamples, but if it is drawn twice as often, in 1 of 22.
    low = result(np.array([0.0, 0, 0, 0, 2]), np.array([1.0, 1, 1, 1, -1]), 10)[1]
    expect(low > 0.1, "the last image is drawn more often than the others",
           "rng.integers(0, len(x), len(x)) draws all of them equally often")

    upright = rng.normal(0, 1, 40)   # some images are hard, upright and rotated
    rotated = upright + rng.normal(0.5, 0.3, 40)
    _, low, high = result(upright, rotated, 9)
    expect(high - low < 1.4 * _width(_wins(upright, rotated), rng),
           "an image and its turned twin are drawn separately",
           "draw the image indices once for each resample, and use them for both images of a pair")


class Uncertainty:
    """Stands for a network that knows only the images `x` (N, 64): it answers `upright` (N,), `rotated` if turned."""

    def __init__(self, x, upright, rotated):
        self.rotations, self.known = set(), {}
        for turns in (2, 0, 1, 3):
            turned = np.rot90(x.reshape(-1, 8, 8), turns, axes=(1, 2)).reshape(-1, 64)
            for image, value in zip(turned, rotated if turns % 2 else upright, strict=True):
                self.known[image.tobytes()] = (turns, value)

    def __deepcopy__(self, memo):
        return self   # it records what it is asked

    def __call__(self, images):
        images = np.asarray(images, "float32")
        expect(images.ndim == 2 and images.shape[1] == 64, f"uncertainty gets an array of shape {images.shape}",
               "a network takes images as rows, so use reshape(-1, 64)")
        answers = [self.known.get(image.tobytes()) for image in images]
        expect(None not in answers, "uncertainty gets images that are neither upright nor turned",
               "reshape x to (-1, 8, 8), and rotate in the plane axes=(1, 2)")
        self.rotations |= {turns for turns, _ in answers}
        expect(2 not in self.rotations, "images are turned by 180°",
               "np.rot90 turns by 90° by default")
        return np.array([value for _, value in answers])


def _wins(upright, rotated):
    """(N, N), 1 where a rotated image (row) is more uncertain than an upright one (column), 0.5 at ties."""
    return (rotated[:, None] > upright) + 0.5 * (rotated[:, None] == upright)


def _width(wins, rng, resamples=4000):
    """Width of the 95% interval of an AUROC, by resampling the pairs of `_wins`."""
    n = len(wins)
    drawn = rng.integers(0, n, (resamples, n))
    low, high = np.percentile(wins[drawn[:, :, None], drawn[:, None, :]].mean((1, 2)), [2.5, 97.5])
    return high - low


@check("3.5", "each arm has its own learning rate, and you know where dropout helps")
def gain(dropout_gain, runs, tuning, helps, rng):
    made_up, seeds = made_up_runs(rng)
    value = call(dropout_gain, {"runs": made_up, "tuning": seeds})
    given, right = intervals(value, (made_up.sizes["label_noise"],)), gains(made_up, seeds)
    expect(not close(given[0], -right[0], 1e-6), "the difference has the wrong sign",
           "compute with dropout minus without")
    expect(close(given, right, 1e-6) or not close(np.sort(given, 0), np.sort(right, 0), 1e-6),
           "the numbers are in the wrong order", "return mean, low, high")
    expect_none_of(given, ((gains(made_up, seeds, **slip), violated, hint) for slip, violated, hint in SLIPS), 1e-6)
    expect_close(given[0], right[0], "the mean gain is wrong for made-up runs",
                 "use the last epoch, choose the rate on the tuning seeds, and measure on the other seeds", 1e-6)
    expect_close(given, right, "the interval is not computed from paired differences",
                 "use stats.paired_difference(scores, \"dropout\", between=…)", 1e-6)
    _experiment(runs, tuning)
    _conclusion(runs, tuning, helps)


# Mistakes in reading the runs: arguments of `gains`, and what to print.
SLIPS = (
    ({"score": "best epoch"}, "you score the best epoch of each run",
     "take the last one, .isel(epoch=-1), because picking the best epoch biases the score"),
    *(({"choose": seeds}, "the measuring seeds influence the learning rates", "choose on the tuning seeds alone")
      for seeds in ("all", "others")),
    ({"choose": "each"}, "every run uses the rate that was best for its own seed",
     "first average over the tuning seeds, then take the best rate"),
    ({"choose": "mean"}, "the gain is averaged over the learning rates", "use the best rate for each arm"),
    ({"common": "dropout"}, "both arms have the same learning rate",
     "choose it separately for each dropout rate, or the comparison favors one arm"),
    ({"common": "label_noise"}, "an arm has the same learning rate at every label-noise level",
     "choose it separately at each level"),
    ({"measure": "all"}, "the tuning seeds are also used to measure", "leave them out of the difference"),
    ({"measure": "tuning"}, "the gain is measured on the tuning seeds",
     "use them to choose, and the others to measure"),
    ({"paired": False}, "the interval treats the runs as unpaired",
     "the arms share their seeds, so take differences first"),
)


def gains(runs, tuning, *, score="last epoch", choose="tuning", common=(), measure="others", paired=True):
    """Accuracy with dropout minus without: (mean, low, high) at each label noise, or what a slip makes of it."""
    from course_utils import stats

    scores = runs.val_accuracy
    scores = scores.max("epoch") if score == "best epoch" else scores.isel(epoch=-1, drop=True)
    others = [seed for seed in runs.seed.values if seed not in list(tuning)]
    sets = {"tuning": list(tuning), "others": others, "all": list(runs.seed.values)}
    measured = scores.sel(seed=sets[measure])
    if choose == "mean":
        chosen = measured.mean("learning_rate")
    elif choose == "each":
        chosen = measured.max("learning_rate")
    else:
        judged = scores.sel(seed=sets[choose]).mean("seed")
        best = (judged.mean(common) if common else judged).idxmax("learning_rate")
        chosen = measured.sel(learning_rate=best).drop_vars("learning_rate")
    without = float(runs.dropout.min())
    between = (without, next(float(rate) for rate in runs.dropout.values if rate != without))
    difference = stats.paired_difference if paired else stats.unpaired_difference
    gain = difference(chosen, "dropout", between=between)
    return np.array([gain[name].transpose("label_noise").values for name in ("mean", "low", "high")])


def made_up_runs(rng):
    """What `fit_many` would return, but of pure noise, in which every slip finds others best; and the tuning seeds."""
    import xarray as xr

    coordinates = {"learning_rate": [0.01, 0.02, 0.05, 0.1, 0.2, 0.5], "label_noise": [0.0, 0.1, 0.2, 0.3, 0.5],
                   "dropout": [0.0, 0.4], "seed": range(40, 53), "epoch": range(1, 5)}
    values = rng.random([len(values) for values in coordinates.values()])
    return xr.Dataset({"val_accuracy": (list(coordinates), values)}, coordinates), [42, 47, 51]


def _experiment(runs, tuning):
    dimensions(runs, {"learning_rate", "label_noise", "dropout", "seed", "epoch"})
    expect(runs.sizes["dropout"] == 2 and float(runs.dropout.min()) == 0, "the arms are not dropout 0 and another rate",
           "compare one rate with none, as in dropout=[0.0, 0.2]")
    noise = runs.label_noise.values
    expect(noise.min() == 0 and noise.max() >= 0.3, "the runs do not include both clean labels and strong label noise",
           "let label_noise go from 0 to 0.3 or more")
    expect(runs.sizes["learning_rate"] >= 3, "there are fewer than three learning rates",
           "an arm can choose only among the rates in the grid")
    expect(len(tuning) >= 2, "a single seed chooses the learning rates",
           "let several seeds choose, as in tuning = [90, 91, 92]")
    expect(set(tuning) <= set(runs.seed.values), "the runs do not include the tuning seeds",
           "add them to the grid, as in \"seed\": [*tuning, …]")
    expect(runs.sizes["seed"] - len(tuning) >= 10, "fewer than ten seeds are left to measure",
           "use ten or more in addition to the tuning seeds")
    expect(runs.sizes["epoch"] >= 10, "there are fewer than ten epochs", "train for about twenty")
    expect(float(runs.val_accuracy.isel(epoch=-1).max()) > 0.85, "none of these networks has learned the digits",
           "train for more epochs, and make sure that check 3.3 passes")


def _conclusion(runs, tuning, helps):
    try:
        named = {round(float(noise), 6) for noise in helps}
    except (TypeError, ValueError):
        raise Violated("helps is not a list of label-noise levels: write it like [0.0, 0.4]") from None
    levels = {round(float(noise), 6) for noise in runs.label_noise.values}
    expect(named <= levels, "helps contains a label-noise level that you did not try",
           "use the values of label_noise in your runs")
    _, low, high = gains(runs, tuning)
    for noise, below, above in zip(runs.label_noise.values, low, high, strict=True):
        is_named, what = round(float(noise), 6) in named, f"label noise {noise:g}"
        expect(not (is_named and above < 0), f"at {what}, dropout hurts", "the whole interval of the gain is below 0")
        expect(not (is_named and below <= 0), f"at {what}, the interval of the gain contains 0",
               "dropout may help or hurt, so you have not shown that it helps")
        expect(is_named or below <= 0, f"at {what}, dropout helps, but helps does not include it",
               "the whole interval of the gain is above 0")


# Letters of question 3.6: hints for the flaws, and for the objections that are not valid.
MISSING = {
    "a": "how would the curve look if every network were trained again?",
    "c": "besides the rate, what else changes from point to point on this curve?",
    "e": "for which of the six networks is this learning rate the best one?",
    "g": "where does the curve turn down again, which would mark an ideal rate?",
    "i": "does the title claim more than the curve shows?",
}
SOUND = {
    "b": "different seeds at different rates would only add scatter; what would more seeds at each rate do?",
    "d": "at inference, all units work together, and that is how the network will be used",
    "f": "which of the two accuracies is measured with units missing?",
    "h": "the kept units are divided by 1 − rate precisely to preserve the expected value",
}


@check("3.6", "you found every flaw and raised no invalid objection")
def referee(flaws, rng):
    objections(flaws, MISSING, SOUND)
