"""Checks of exercise 01: learning curves, eight training runs, intervals, seeds, and a training function."""

import itertools

import numpy as np

from course_utils import stats
from course_utils.checks import (
    Unanswered,
    array,
    arrays,
    call,
    call_recorded,
    check,
    close,
    expect,
    expect_close,
    expect_none_of,
)
from course_utils.checks.shared import objections

SIZES = [20, 50, 80]
DRAWS = 300   # of subsets: how often two samples are drawn together is known to 0.03
MORE_SIZES = np.array([32.0, 48, 64, 96, 128, 192, 256])


@check("1.1", "the subsets are nested and drawn at random, and the validation set stays untouched")
def by_hand(learning_curve, rng):
    def curve(seed):
        spies = []

        def make_model():
            spies.append(Spy())
            return spies[-1]

        value = call(learning_curve, {
            "make_model": make_model, "x_train": x[:100], "y_train": labels(x[:100]), "x_val": x[100:],
            "y_val": labels(x[100:]), "sizes": list(SIZES), "rng": np.random.default_rng(seed)})
        used = sorted((spy for spy in spies if spy.fitted), key=lambda spy: len(spy.fitted[0]))
        expect(used, "no model is trained", "create a model for each size with make_model()")
        return array(value, (len(SIZES), 2)), used

    x = np.stack([np.arange(130.0), rng.normal(size=130)], axis=1)   # sorted, like many files
    scores, spies = curve(1)
    fitted = [spy.fitted for spy in spies]
    expect(len(fitted) == len(SIZES) and all(len(fits) == 1 for fits in fitted),
           "a model is trained on more than one subset", "make a new one for each size, or it remembers the last")
    subsets = [set(fits[0]) for fits in fitted]
    expect(not any(subset & set(range(100, 130)) for subset in subsets), "a model is trained on validation samples",
           "take the subsets from x_train only")
    expect(all(len(subset) == len(fits[0]) for subset, fits in zip(subsets, fitted, strict=True)),
           "a subset contains some samples twice", "draw without replacement, with rng.permutation")
    expect([len(subset) for subset in subsets] == SIZES, "the subsets do not have the requested sizes",
           f"in this check, sizes was {SIZES}")
    expect(all(spy.matched for spy in spies), "samples and labels do not match",
           "use the same indices for x_train and y_train")
    expect(subsets[0] <= subsets[1] <= subsets[2], "the subsets are not nested",
           "draw one order for all sizes, and take its first n entries")
    expect(subsets[0] != set(range(20)), "the subset consists of the first rows of the data",
           "the rows may be sorted, so draw a random order with rng")
    again, other = curve(1)[1], curve(2)[1]
    expect(set(again[0].fitted[0]) == subsets[0], "the same rng gives a different subset",
           "use the rng argument, not a global generator")
    expect(set(other[0].fitted[0]) != subsets[0], "a different rng gives the same subset",
           "use the rng argument")
    _at_random(np.array([[np.isin(range(100), spy.fitted[0]) for spy in curve(seed)[1]] for seed in range(DRAWS)]))
    right = np.array([Spy._right(size) for size in SIZES])
    expect(not close(scores, right[:, ::-1]), "the columns are swapped", "training score first, then validation score")
    expect(not close(scores[:, 0], Spy.whole), "the training score is computed on all of x_train",
           "score the model on the samples it was trained on")
    expect(close(scores[:, 0], right[:, 0]), "the training score is not computed on the subset",
           "use the samples and labels of the subset")
    expect(close(scores[:, 1], right[:, 1]), "the validation score is not computed on the validation set",
           "score on all of x_val and y_val at every size")


def _at_random(drawn):
    """Judge subsets (draws, sizes, samples) by how often each sample, and each two samples, are in them."""
    draws, _, n = drawn.shape
    for subsets in drawn.swapaxes(0, 1).astype(float):
        size, together = subsets[0].sum(), subsets.T @ subsets / draws
        expect(np.abs(together.diagonal() - size / n).max() < 0.16, "some training samples are drawn more often than "
               "others", "draw from all of x_train; which n do you pass to rng.permutation(n)?")
        pairs = together[np.triu_indices(n, 1)]
        expect(np.abs(pairs - size * (size - 1) / n / (n - 1)).max() < 0.16, "some training samples are always drawn "
               "together", "neighboring rows may be alike, so draw individual samples, not blocks of rows")


def labels(x):
    """A label that tells which sample it belongs to."""
    return (7 * x[:, 0]).astype(int) % 1000


class Spy:
    """A model that notes what it is given; its scores say which samples they were taken on."""

    whole = 0.123

    def __init__(self):
        self.fitted, self.matched = [], True

    def fit(self, x, y):
        self.matched &= np.array_equal(labels(np.asarray(x)), np.asarray(y))
        self.fitted.append([int(index) for index in np.asarray(x)[:, 0]])
        return self

    def score(self, x, y):
        expect(self.fitted, "the model is scored before it is trained", "call model.fit(…) before model.score(…)")
        x = np.asarray(x)
        self.matched &= np.array_equal(labels(x), np.asarray(y))
        given, known = {int(index) for index in x[:, 0]}, set(self.fitted[-1])
        if given == known:
            return self._right(len(known))[0]
        if given == set(range(100, 130)):
            return self._right(len(known))[1]
        return self.whole if given == set(range(100)) else 0.321

    @staticmethod
    def _right(size):
        return 1 - size / 1000, 0.5 + size / 1000


DIAGNOSES = {
    "A": ("noise in training", "its validation accuracy is above its training accuracy, so which layer makes the task "
          "harder only during training?"),
    "B": ("not shuffled", "in the first epochs, training accuracy is far above chance while validation accuracy is at "
          "chance, so what does each batch look like?"),
    "C": ("rate too low", "its three curves are close together and nearly straight, so what would happen if you "
          "trained for longer?"),
    "D": ("running averages lag", "training accuracy is soon near 100%, but validation accuracy takes much longer, so "
          "what changes slowly and is used only in validation?"),
    "E": ("too small", "its three curves level off together far below 100%, so would longer training help?"),
    "F": ("leak", "compare its validation accuracy with its accuracy on new images"),
    "G": ("rate too high", "its curves jump up and down and differ from seed to seed, so how large are its steps?"),
    "H": ("memorizes label noise", "validation accuracy rises and then falls while training accuracy keeps rising, so "
          "what does the network learn in the later epochs?"),
}
DISTRACTORS = {"dead units", "healthy"}
EARLIER = {"cold statistics": "running averages lag", "learns wrong labels": "memorizes label noise"}   # old names


@check("1.2", "all eight diagnoses are right")
def diagnoses(diagnosis, rng):
    expect(isinstance(diagnosis, dict), "diagnosis is not a dictionary", 'write it like {"A": "leak", …}')
    given = {str(network).upper(): _plain(name) for network, name in diagnosis.items() if name is not ...}
    given = {network: EARLIER.get(name, name) for network, name in given.items()}
    if not given:
        raise Unanswered
    known = {name for name, _ in DIAGNOSES.values()} | DISTRACTORS
    for network, name in given.items():
        expect(network in DIAGNOSES, f"there is no network {network}", "the networks are A to H")
        expect(name in known, f"“{name}” for network {network} is not in the list", "copy a name from the table above")
    missing = [network for network in DIAGNOSES if network not in given]
    wrong = [network for network, name in given.items() if name != DIAGNOSES[network][0]]
    if wrong:
        expect(False, f"network {wrong[0]} has a different diagnosis ({len(given) - len(wrong)} of 8 are right)",
               DIAGNOSES[wrong[0]][1])
    expect(not missing, f"there is no diagnosis for network {', '.join(missing)}", "every letter needs one")


def _plain(name):
    return " ".join(str(name).strip().lower().split())


@check("1.3", "the interval is computed from paired differences with Student's t")
def interval(paired_interval, rng):
    from scipy.stats import norm, t, ttest_rel

    for n, level, shift in ((6, 0.9, 30), (40, 0.8, -1)):
        shared = rng.normal(0, 50, n)
        first, second = shared + rng.normal(0, 10, n), shared + rng.normal(shift, 10, n)
        value = call(paired_interval, {"first": first, "second": second, "level": level})
        mean, low, high = given = np.array(arrays(value, {"mean": (), "low": (), "high": ()}))
        difference = second - first
        right = np.array([difference.mean(), *ttest_rel(second, first).confidence_interval(level)])
        expect(not close(mean, -right[0]), "the difference has the wrong sign",
               "compute second minus first, which may be negative")
        expect(close(mean, right[0]) or not close(np.sort(given), np.sort(right)),
               "the numbers are in the wrong order", "return mean, low, high")
        expect_close(mean, right[0], "the mean is not the mean of the differences", "average second − first")
        expect(low <= high, "low is above high", "return mean, low, high")
        expect(not close([low, high], np.quantile(difference, [(1 - level) / 2, (1 + level) / 2])),
               "the interval is for a single run", "the mean of n runs varies √n times less; build the interval from "
               "Student's t, not from quantiles of the differences")
        expect_close((low + high) / 2, mean, "the interval is not symmetric about the mean",
                     "go equally far up and down; both ends may be negative")
        half, sd, upper, root = (high - low) / 2, difference.std(ddof=1), (1 + level) / 2, np.sqrt(n)
        expect_none_of(half, (
            (t.ppf(upper, n - 1) * sd, "the interval is for a single run",
             "the mean of n runs varies √n times less"),
            (t.ppf(upper, n - 1) * sd**2 / root, "you used the variance instead of the standard deviation",
             "take its square root, or use std instead of var"),
            *((quantile * sd / root, "the interval uses a normal distribution",
               "the standard deviation is estimated, so use Student's t with n − 1 degrees of freedom, "
               "even for many runs")
              for quantile in (norm.ppf(upper), 1.96)),
            (t.ppf(upper, n - 1) * difference.std() / root, "the standard deviation divides by N",
             f"{n} runs have {n - 1} degrees of freedom: ddof=1"),
            (t.ppf(level, n - 1) * sd / root, f"the interval leaves out {1 - level:.0%} on each side",
             "a 95% interval leaves out 2.5% on each side, so take the quantile (1 + level)/2"),
            (t.ppf(0.975, n - 1) * sd / root, f"at level {level}, it is still the 95% interval",
             "use the argument level"),
            (t.ppf(upper, n) * sd / root, "Student's t has too many degrees of freedom", "n runs have n − 1")))
        unpaired = t.ppf(upper, 2 * (n - 1)) * np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / n)
        expect(half < 0.8 * unpaired, "the interval treats the samples as unpaired",
               "take the differences first, then their standard deviation")
        expect_close(given, right, "the interval has the wrong width",
                     "half of it is t quantile × standard deviation / √n")


@check("1.4", "this number of seeds detects the effect four times in five")
def seeds(seeds_for, rng):
    for effect, mean, sd, count in ((0.005, 0.005, 0.02, 8), (0.005, -0.01, 0.006, 12), (0.02, 0.02, 0.03, 15)):
        pilot = rng.normal(mean, sd, count)
        needed = float(array(call(seeds_for, {"effect": effect, "pilot": pilot}), ()))
        sd = pilot.std(ddof=1)
        right = stats.seeds_needed(effect, sd)
        near = abs(needed - right) <= max(1, 0.04 * right)
        for message, hint, wrong in (
                ("the standard deviation of the pilot divides by N",
                 "that underestimates the spread when there are few runs, so use ddof=1",
                 stats.seeds_needed(effect, pilot.std())),
                ("the number is for unpaired runs", "the pilot contains paired differences, so use paired=True",
                 stats.seeds_needed(effect, sd, paired=False)),
                ("you used the standard error instead of the standard deviation",
                 "how much does a *single* difference vary?", stats.seeds_needed(effect, sd / np.sqrt(count))),
                ("the formula is only an approximation",
                 "with few seeds, Student's t requires a few more: use stats.seeds_needed",
                 (2.8 * sd / effect)**2),
                ("with this many seeds, you detect the effect only half of the time",
                 "your formula only makes the interval as wide as the effect; use a power of 0.8",
                 (1.96 * sd / effect)**2),
                ("you used the variance instead of the standard deviation", "take its square root",
                 stats.seeds_needed(effect, pilot.var(ddof=1))),
                ("you used the effect found in the pilot", "use the argument effect; the pilot only tells you the "
                 "spread", stats.seeds_needed(abs(pilot.mean()), sd))):
            expect(near or abs(needed - wrong) > 1, message, hint)
        expect(near, "the number of seeds is wrong",
               "use a power of 0.8 at a level of 0.95; pass the effect first, then the spread of the differences")
        expect(needed == int(needed), "the number of seeds is not an integer", "round up")


# Retired, but older notebooks still contain it.
@check("1.5", "the fit recovers the power law, including its floor")
def law(fit_power_law, rng):
    def fit(errors):
        value = call(fit_power_law, {"sizes": MORE_SIZES[-len(errors):], "errors": errors})
        return np.array(arrays(value, {"a": (), "b": (), "c": ()}))

    for count, a, b, c in ((7, 3.0, 0.7, 0.0), (7, 2.0, 0.5, 0.1), (6, 4.0, 0.9, 0.3), (4, 0.5, 0.4, 0.02)):
        sizes, right = MORE_SIZES[-count:], np.array([a, b, c])
        errors = _law(sizes, a, b, c)
        fitted = fit(errors)
        expect(not close(fitted, right * [1, -1, 1], 0.05), "the rate b is negative",
               "the error is a·n^(−b) + c, so a falling error has a positive b")
        expect(not close(fitted[[2, 1, 0]], right, 0.05) and not close(fitted[[0, 2, 1]], right, 0.05),
               "the numbers are in the wrong order", "return a, b, c")
        straight = np.polyfit(np.log(sizes), np.log(errors), 1)
        expect(c == 0 or not close(fitted[1], -straight[0], 0.01), "you fitted a straight line to the logarithms",
               "a straight line has no floor; fit a, b, and c with scipy.optimize.curve_fit")
        expect(np.abs(_law(sizes, *fitted) - errors).max() < 0.003,
               "the law does not fit errors that follow a power law exactly",
               "give curve_fit an initial guess p0 and bounds, and note that a is often far above 1")
        expect(abs(_law(1024, *fitted) - _law(1024, a, b, c)) < 0.003, "the law extrapolates poorly",
               "check the floor: does it change from its initial value during the fit?")
    noisy = _law(MORE_SIZES, 3, 0.7, 0.0) * np.exp(0.1 * np.array([0.3, -0.5, 0.4, 0.2, -0.1, -0.6, -1.5]))
    expect(fit(noisy)[2] >= 0, "the floor is negative", "an error cannot be negative, so use bounds=([0, 0, 0], …)")


def _law(sizes, a, b, c):
    return a * np.asarray(sizes, float)**-b + c


WORDS = {"buy", "do not buy", "cannot tell"}


@check("1.6", "the decision trusts a law only after a back-test")
def decision(decide, rng):
    def answer(errors, sizes=MORE_SIZES):
        value = call(decide, {"sizes": sizes, "errors": errors})
        expect(isinstance(value, str), "the function does not return text", "return one of the three answers in quotes")
        expect(_plain(value) in WORDS, f"“{value}” is not one of the three answers",
               "return buy, do not buy, or cannot tell")
        return _plain(value)

    cliff = _law(MORE_SIZES, 0.9, 0.1, 0) - np.array([0, 0, 0, 0, 0, 0.05, 0.2])
    wall = np.append(_law(MORE_SIZES[:-1], 5, 0.9, 0), 0.12)
    for errors, right, violated, hint in (
            (_law(MORE_SIZES, 5, 0.8, 0), "buy", "you do not buy when the curve is still falling",
             "what does the law say about the error at 512 compared with 256?"),
            (_law(MORE_SIZES, 0, 1, 0.4), "do not buy", "you buy data for a flat curve",
             "how much does the law predict you would gain?"),
            (_law(MORE_SIZES, 5, 1.0, 0.3), "do not buy", "you buy data for a curve that has reached its floor",
             "what counts is the gain from 256 to 512, not the gains before that"),
            (cliff, "cannot tell", "you trust a law that misses the largest size",
             "hide the largest size, fit the others, and see how well the law predicts the hidden error"),
            (wall, "cannot tell", "you trust a law that was too optimistic",
             "a miss counts in both directions, so divide its absolute value by the measured error")):
        expect(answer(errors) == right, violated, hint)
    # A law fitted to *all* sizes bends toward the last one, which would hide its miss.
    for a, b, c in ((2, 0.5, 0.3), (5, 0.9, 0.01)):   # a large error, and a small one
        *others, last = _law(MORE_SIZES, a, b, c)
        for percent in (-13, 13, -11, 11):
            tells = answer(np.array([*others, last / (1 + percent / 100)])) != "cannot tell"
            expect(tells == (abs(percent) < 12), f"a miss of {abs(percent)}% is {'accepted' if tells else 'rejected'}",
                   "fit all sizes but the last; the miss is relative to the error measured there")
    for bend, last, hit in ((1.3, 1, False), (0.7, 0.77, True)):   # the last but one misleads the law, or leads it
        tells = answer(_law(MORE_SIZES, 5, 0.9, 0.05) * [1, 1, 1, 1, 1, bend, last]) != "cannot tell"
        expect(tells == hit, "the back-test does not use all sizes but the largest", "hide only the last one")
    sizes = 1.5 * MORE_SIZES[1:]
    for worth, right in ((0.016, "buy"), (0.014, "do not buy")):
        a = worth / (sizes[-1]**-0.7 - (2 * sizes[-1])**-0.7)
        given = answer(_law(sizes, a, 0.7, 0.05), sizes)
        expect(given == right, f"if doubling the data gains {100 * worth:.1f} points, your answer is “{given}”",
               "buy if the gain from sizes[-1] to twice that size is at least 1.5 points")


# Letters of question 1.7: hints for the flaws, and for the objections that are not valid.
MISSING = {
    "a": "how tall would the bars be if everything were run again?",
    "c": "the best of five was chosen: how often would chance alone produce a difference like this?",
    "d": "which data chose the number of epochs, and on which data is the accuracy shown?",
    "f": "how much of each bar do you see, and how large does that make 0.4 points look?",
}
SOUND = {
    "b": "all arms saw the same split, which makes a comparison more precise",
    "e": "the reader wants to know the difference in accuracy, and another metric would not fix its flaws",
    "g": "more epochs for all would be another experiment, not a flaw in this one",
}


@check("1.7", "you found every flaw and raised no invalid objection")
def referee(flaws, rng):
    objections(flaws, MISSING, SOUND)


@check("1.8", "the network learns until the last epoch and is validated on x_val")
def repaired(train, rng):
    import keras

    model, epochs, centers = _logits(), 12, rng.normal(0, 1, (10, 12))
    y_train, y_val = np.repeat(np.arange(10), 31), rng.permutation(np.arange(160) % 10)
    x_train, x_val = ((2 * (centers[y] + rng.normal(0, 0.5, (len(y), 12)))).astype("float32") for y in (y_train, y_val))
    given = {"model": model, "x_train": x_train, "y_train": y_train, "x_val": x_val, "y_val": y_val, "epochs": epochs}
    curves, calls = call_recorded(train, given, "model", changes=["model"])
    seen = [{row.tobytes() for row in x} for x, _ in calls]
    moved = [place for place, ((_, old), (_, new)) in enumerate(itertools.pairwise(calls))
             if not np.array_equal(old, new)]
    training, validation = ({row.tobytes() for row in x} for x in (x_train, x_val))
    expect(moved, "the model is not trained", "call fit on the model that your function gets")
    expect(not any(seen[place] & validation for place in moved), "the model is trained on validation samples",
           "use x_val and y_val for validation only")
    expect(validation <= set().union(*seen), "the model is not validated on x_val",
           "give fit validation_data=(x_val, y_val), because validation_split takes samples of x_train")
    expect(training <= set().union(*seen), "the model is not trained on all of x_train",
           "don't set training samples aside, because x_val is there for validation")
    batches = [place for place, rows in enumerate(seen) if rows & training]
    expect(sum(place <= moved[-1] for place in batches) > 0.85 * len(batches),
           f"the weights stop changing after {len(moved)} of {len(batches)} batches",
           "a schedule counts batches, not epochs, so decay_steps is the number of batches in all epochs together")
    expect(isinstance(curves, dict) and "val_loss" in curves, "the function does not return curves with val_loss",
           "end it with return history.history")
    outputs = np.array(given["model"](x_val, training=False), float)
    losses, right = np.asarray(curves["val_loss"], float), _crossentropy(outputs, y_val)
    taken = float(keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y_val, outputs)))   # for probabilities
    expect(close(taken, right, 0.01) or not close(losses[-1], taken, 0.01), "the loss takes the outputs for "
           "probabilities", "build_model ends without a softmax, so use a loss with from_logits=True")
    expect((abs(losses / right - 1) < 0.01).any(), "val_loss is not the cross-entropy on x_val and y_val",
           "use a cross-entropy that fits the last layer, and pass y_val together with x_val")
    share = (outputs.argmax(1) == y_val).mean()
    expect(share >= 0.7, f"only {share:.0%} of the validation samples are classified correctly",
           "train for all epochs with a learning rate that is neither too low nor too high")


def _logits():
    """A network like that of question 1.8, but smaller."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((12,)), layers.Dense(32, activation="relu"), layers.Dense(10)])


def _crossentropy(outputs, labels):
    """Mean cross-entropy of probabilities, or of logits."""
    if not ((outputs >= 0).all() and close(outputs.sum(1), 1)):
        outputs = np.exp(outputs - outputs.max(1, keepdims=True))
    chosen = outputs[range(len(labels)), labels] / outputs.sum(1)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())
