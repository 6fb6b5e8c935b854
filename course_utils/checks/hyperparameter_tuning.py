"""Checks of exercise 06: random search, halving, the edges of a space, isolation plots, luck, a report, a referee."""

import functools
import itertools
import math
import pathlib

import numpy as np

from course_utils import moved
from course_utils.checks import Unanswered, Violated, call, check, close, expect, expect_close, expect_none_of
from course_utils.checks.shared import choice, entries, intervals, objections
from course_utils.experiments import exercises
from course_utils.remote import answering

__getattr__ = moved.old_names(__name__)

DIFFERENCE = 1e-6   # tolerance of a mean difference and of its interval
MANY = 3000   # trials: a right search then fails by chance less than once in a hundred thousand


@check("6.1", "the search stays within its budget, draws on the right scales, and returns its best trial")
def search(random_search, rng):
    space = {"width": [8, 16, 32, 64], "learning_rate": ("log", 1e-4, 1.0), "l2": ("log", 1e-5, 0.1),
             "dropout": ("uniform", 0.0, 0.6), "activation": ["relu", "tanh"]}

    asked, scores, best, score = _searched(random_search, space, 30, 0, lambda trial: rng.random())
    _best(asked, scores, best, score)
    expect(any(params != asked[0] for params in asked), "all trials are the same", "create the generator once, before "
           "the loop, because a new one always starts with the same numbers")
    places = (4 * np.arange(9) + 1) % 9   # neither the first nor the last is the highest, the lowest or the largest
    for lowest, name in ((-20, "below 0"), (-8, "up to 0"), (-6, "of both signs"), (5, "above 1")):
        tried, scores, best, score = _searched(random_search, space, 9, 1, (lowest + places).__getitem__)
        expect(best is not None, f"with scores {name}, there is no best",
               "start with -math.inf, or with the first trial")
        expect(close(score, max(scores)), f"with scores {name}, you return {score}, but the best score is "
               f"{max(scores)}", "the highest score is the best, whatever its sign")
        _best(tried, scores, best, score)
    for nan in (0, 4, 8):
        tried, scores, best, score = _searched(random_search, space, 9, 2, np.where(
            np.arange(9) == nan, math.nan, places / 10).__getitem__)
        expect(best is not None and close(score, np.nanmax(scores)), "a trial that scored nan wins",
               "a network that diverged is never the best; no number is greater than nan, and np.argmax treats nan as "
               "the largest")
        _best(tried, np.nan_to_num(scores, nan=-1), best, score)
    for trials in (1, 7):
        _searched(random_search, space, trials, 3, float)
    asked_again, *_ = _searched(random_search, space, 30, 0, float)
    expect(asked_again == asked, "the same seed gives different trials",
           "draw everything from np.random.default_rng(seed)")
    reseeded, *_ = _searched(random_search, space, 30, 0, float, reseeds=True)
    expect(reseeded == asked, "the trials change if the objective sets the global seeds, as training may",
           "use your own generator, np.random.default_rng(seed)")
    other, *_ = _searched(random_search, space, 30, 1, float)
    expect(other != asked, "a different seed gives the same trials", "use the argument seed")
    _draws(_searched(random_search, space, MANY, 4, float)[0], space)
    narrow = {"momentum": ("uniform", 0.8, 0.9), "batch_size": [16, 64], "offset": ("uniform", -2.0, 1.0)}
    asked, *_ = _searched(random_search, narrow, 30, 0, float)
    _inside(asked, narrow)


def _searched(random_search, space, trials, seed, score, reseeds=False):
    """The trials of a search, their scores, and the two things it returned; `score` takes a trial's number.

    `reseeds` says whether the objective sets the global seeds, as training may.
    """
    asked, scores = [], []

    def objective(params):
        expect(isinstance(params, dict) and set(params) == set(space), "a trial is not a dict with one value for each "
               "name in the space", 'draw one value for each, like {"width": 32, "learning_rate": 0.1}')
        asked.append(dict(params))
        if reseeds:
            answering.reseed()
        expect(len(asked) <= 4 * trials, f"with n_trials = {trials}, the objective is called far more often",
               "call it exactly n_trials times")
        scores.append(float(score(len(scores))))
        return scores[-1]

    objective.reseeds = reseeds
    value = call(random_search, {"objective": objective, "space": space, "n_trials": trials, "seed": seed},
                 changes=["objective"])
    expect(value is not None, "the function returns nothing", "end it with return")
    expect(isinstance(value, tuple | list) and len(value) == 2, "the function does not return two values",
           "return the best configuration and its score")
    expect(len(asked) == trials, f"with n_trials = {trials}, the objective is called {len(asked)} times",
           "call it once for each trial, and keep the best score instead of computing it again")
    return asked, scores, *value


def _best(asked, scores, best, score):
    expect(not isinstance(best, float | int), "the first value you return is not a configuration",
           "return the configuration first, then its score")
    expect(score != scores[-1] or scores[-1] == max(scores), "you return the last trial", "keep the best one so far")
    expect(score != min(scores), "you return the lowest score", "higher scores are better")
    expect(close(score, max(scores)), "you do not return the highest score of the objective",
           "keep the highest score unchanged")
    wanted = asked[int(np.argmax(scores))]
    expect(best == wanted, "the configuration you return does not belong to the best score", "keep both together"
           if best != asked[-1] else "it belongs to the last trial, so create a new dict for each trial and do not "
           "change it later")


def _inside(asked, space):
    for name, axis in space.items():
        values = [params[name] for params in asked]
        if isinstance(axis, list):
            expect(all(value in axis for value in values), f"{name} is not one of the values in the list",
                   "choose one of them, and do not change it")
        else:
            expect(all(isinstance(value, float | np.floating | int) for value in values), f"{name} is not a number",
                   "draw one number between the two ends")
            _, low, high = axis
            expect(low - 1e-9 <= min(values) and max(values) <= high * (1 + 1e-9),
                   f"{name} is outside its range from {low:g} to {high:g}", "use both ends given in the space")


def _draws(asked, space):
    """Judge many configurations: each axis by itself, then any two of them."""
    _inside(asked, space)
    places = {}
    for name, axis in space.items():
        values = [params[name] for params in asked]
        if isinstance(axis, list):
            shares = [values.count(option) / len(values) for option in axis]
            expect(min(shares), f"{name} is never {axis[int(np.argmin(shares))]}", "all values of a list should occur")
            expect(max(shares) < 1.2 / len(axis), f"the values of {name} are not equally likely",
                   "draw the index with rng.integers(len(values))")
            places[name] = np.array([axis.index(value) for value in values])
            continue
        scale, low, high = axis
        values = np.array(values, float)
        straight, factors = (values - low) / (high - low), np.log(values / low) / np.log(high / low) if low else None
        places[name] = factors if scale == "log" else straight
        different = len(np.unique(values.round(12)))
        expect(different > len(values) / 2, f"you try only {different} different values of {name}",
               "draw a real number, not one of a few values")
        if scale == "log":
            expect(_uneven(straight) > 0.05, f"{name} is drawn evenly on a linear axis",
                   "“log” means that every factor of ten is equally likely, so draw the logarithm and take exp")
        expect(_uneven(places[name]) < 0.05, f"{name} is not drawn evenly on its {scale} axis",
               "use np.exp(rng.uniform(np.log(low), np.log(high)))" if scale == "log" else "use rng.uniform(low, high)")
    correlations = np.corrcoef(list(places.values()))
    for row, name in enumerate(places):
        for column, earlier in enumerate(itertools.islice(places, row)):
            expect(abs(correlations[row, column]) < 0.15, f"{earlier} and {name} go up and down together",
                   "draw a separate number for each of them")


def _uneven(places):
    """Largest distance between the distribution of some numbers and the uniform one on [0, 1] (Kolmogorov)."""
    places = np.sort(places)
    return np.abs(places - (np.arange(len(places)) + 0.5) / len(places)).max()


@check("6.2", "the best configurations advance, for more epochs each time, and every epoch is counted once")
def halving(successive_halving, rng):
    for count, least, most, factor in ((27, 1, 12, 3), (10, 2, 16, 2), (40, 3, 12, 2), (11, 1, 9, 3), (3, 1, 8, 4),
                                       (1, 2, 8, 2), (5, 4, 4, 2)):
        quality = rng.permutation(count)
        _halved(successive_halving, (least, most, factor), lambda k, epochs, q=quality: q[k] + 0.01 * epochs, count)
    # Leads that do not last: of configurations that are dropped, and of one that leads on every rung but the last.
    crossing = rng.permutation(16)
    _halved(successive_halving, (1, 8, 2), lambda k, epochs: crossing[k] if epochs < 4 else -crossing[k], 16)
    quality = rng.permutation(27)
    leader = int(np.argmax(quality))
    _halved(successive_halving, (1, 9, 3), lambda k, epochs: (
        quality[k] + (100 if epochs < 9 else -90) * (k == leader)), 27)
    _halved(successive_halving, (1, 12, 3), lambda k, epochs: 0.5, 27)   # all are tied
    _halved(successive_halving, (1, 12, 3), lambda k, epochs: -5 - quality[k], 27)
    last = int(quality[:16].argmax())
    for strange in (math.nan, math.inf):
        wrecked = f"a configuration whose score is {strange} advances before others"
        _halved(successive_halving, (1, 12, 3), lambda k, epochs, strange=strange: (
            strange if k % 3 == 0 else -5 - quality[k]), 27, wrecked)
        _halved(successive_halving, (2, 8, 2), lambda k, epochs, strange=strange: (
            strange if epochs == 8 and k == last else quality[k]), 16, wrecked)


class _Training:
    """Stands for the training of some networks: what each scored after so many epochs, and how many it had."""

    def __init__(self, configurations, score, most):
        self.names = [configuration["name"] for configuration in configurations]
        self.score, self.most = score, most
        self.had, self.asked, self.calls = [0] * len(configurations), [0] * len(configurations), 0

    def __call__(self, configuration, epochs):
        expect(isinstance(configuration, dict) and configuration.get("name") in self.names,
               "train does not get one of the configurations", "call train(configuration, epochs) with one of the list")
        expect(np.ndim(epochs) == 0 and epochs == int(epochs) and epochs > 0,
               f"train is asked for {epochs} epochs", "pass the total number of epochs, an integer")
        expect(epochs <= self.most, f"with max_epochs = {self.most}, a configuration is trained for {int(epochs)} "
               "epochs", "train for factor times as many epochs, but never for more than max_epochs")
        self.calls += 1
        expect(self.calls < 1000, "the halving never ends", "stop when the remaining configurations reach max_epochs")
        place = self.names.index(configuration["name"])
        self.asked[place] += int(epochs)
        self.had[place] = max(self.had[place], int(epochs))
        return self.score(place, self.had[place])


def _halved(successive_halving, budget, score, count, strange="the configurations that advance are not the best"):
    """Judge one halving; `score` takes the place of a configuration and its epochs."""
    least, most, factor = budget
    configurations = [{"name": f"{place}", "learning_rate": 0.1 * 1.1**place} for place in range(count)]
    train = _Training(configurations, score, most)
    value = call(successive_halving, {"train": train, "configurations": list(configurations), "min_epochs": least,
                                      "max_epochs": most, "factor": factor}, changes=["train"])
    setting = f"of {count} configurations, with min_epochs = {least}, max_epochs = {most}, and factor = {factor},"
    expect(isinstance(value, tuple | list) and len(value) == 3, "the function does not return three values",
           "return the best configuration, its score, and the total number of epochs")
    best, final, spent = value
    had = np.array(train.had)
    expect(had.all(), f"{setting} {(had == 0).sum()} are never trained", "first train all of them for min_epochs")
    expect(had.max() == most or max(train.asked) != most, f"{setting} train gets only the epochs since the last rung",
           "pass the total number of epochs, because train continues where the network stopped")
    rungs = _rungs(least, most, factor, count)
    if count > 1 and len(rungs) > 1:
        expect(had.max() > least, f"{setting} none gets more than {least} epochs",
               "those that advance get factor times as many epochs as before")
        expect(had.min() < most, f"{setting} all are trained for {most} epochs",
               "only the best 1/factor of each rung advance, even where scores are tied")
    expect(had.min() == least or count == 1, f"{setting} the first rung gives {had.min()} epochs",
           "first train all of them for min_epochs")
    expect(had.max() == most, f"{setting} the last ones end at {had.max()} epochs",
           "continue until the remaining configurations reach max_epochs")
    for epochs, size in rungs:
        reached = int((had >= epochs).sum())
        expect(reached == size, f"{setting} {reached} get {epochs} epochs or more",
               f"it should be {size}, because the best 1/factor of each rung advance, rounded down, but at least one, "
               "even where scores are tied")
    _right_ones(had, rungs, score, strange)
    last = [place for place in range(count) if had[place] == most]
    values = {place: score(place, most) for place in last}
    highest = max(filter(math.isfinite, values.values()), default=math.nan)
    winner = train.names.index(best["name"]) if isinstance(best, dict) and best.get("name") in train.names else None
    expect(winner is not None, "the first value you return is not one of the configurations",
           "return the best configuration itself, then its score, then the epochs")
    expect(winner in values, "your winner did not reach the last rung",
           "compare the scores of the last rung, because an early lead may not last")
    expect(math.isfinite(values[winner]), strange, "a diverged network ranks last, so replace its score with -math.inf")
    expect(values[winner] == highest, "your winner is not the best of the last rung", "compare the scores of that rung")
    expect(close(final, highest), f"you return the score {final}, but the winner's final score is {highest:.3g}",
           "return the score that train gave it after max_epochs")
    again = int(sum(size * epochs for epochs, size in rungs))
    expect(spent != again or again == had.sum(), f"{setting} {spent} epochs are counted, but {had.sum()} were trained",
           "training continues where it stopped, so on each rung count only the epochs since the last rung")
    expect(spent == had.sum(), f"{setting} {spent} epochs are counted, but {had.sum()} were trained",
           "on each rung, add the epochs by which each configuration was trained further")


def _rungs(least, most, factor, count):
    """``[(epochs, how many reach them), …]``."""
    rungs = [(least, count)]
    while rungs[-1][0] < most:
        epochs, size = rungs[-1]
        rungs.append((min(epochs * factor, most), max(1, size // factor)))
    return rungs


def _right_ones(had, rungs, score, strange):
    for (epochs, _), (more, size) in itertools.pairwise(rungs):
        here = [place for place in range(len(had)) if had[place] >= epochs]
        values = {place: score(place, epochs) for place in here}
        ranked = sorted(values, key=lambda place: values[place] if math.isfinite(values[place]) else -math.inf)
        on = [place for place in here if had[place] >= more]
        finite = sum(math.isfinite(value) for value in values.values())
        expect(finite < size or all(math.isfinite(values[place]) for place in on), strange,
               "a diverged network ranks last, so replace its score with -math.inf")
        reached = sorted(values[place] for place in on)
        if size < len(here):
            expect(reached != sorted(values[place] for place in ranked[:size])
                   or reached == sorted(values[place] for place in ranked[-size:]), "the worst configurations advance",
                   "sort from the highest score down, and keep the first ones")
        expect(reached == sorted(values[place] for place in ranked[-size:]),
               "the configurations that advance are not the best",
               "rank the remaining configurations by their scores on this rung, and keep each score with its "
               "configuration")


# Question 6.3: networks with 32 units; the other three knobs of the table are searched.
WIDTH, TRIALS = 32, 8
KNOBS = {"learning_rate": "log", "l2": "log", "dropout": "uniform"}
WORSE, LOSABLE, NARROW = 0.02, 0.04, 0.01
WORDS = ("worse", "flat", "limit")


@check("6.3", "your space contains the best trials, its scales are right, and a small budget is enough")
def defended(space, ends, rng):
    space = _space(space)
    _words(ends)
    mean = truth()
    reach = {knob: _reach(mean, knob, axis) for knob, axis in space.items()}
    for knob in KNOBS:
        _edges(mean, reach, knob)
    profiles = {knob: mean.isel(reach).max([other for other in KNOBS if other != knob]).values for knob in KNOBS}
    for knob, profile in profiles.items():
        for end, place in (("lower", 0), ("upper", -1)):
            word, fallen = ends[knob][place], profile.max() - profile[place]
            where = f"the {end} end of {knob}"
            expect(knob != "learning_rate" or fallen > WORSE / 2, f"at {where}, the score has not fallen",
                   "for a learning rate, you need to see it fall on both sides, so go further")
            expect(knob != "learning_rate" or word == "worse", f"{where} is defended as {word}",
                   "for a learning rate, you need to see the score fall on both sides")
            expect(word != "limit" or (knob, space[knob][1 + place]) == ("dropout", 0), f"{where} is not a limit",
                   "the knob could go further; at a limit, nothing can lie beyond")
            expect(word != "worse" or fallen > WORSE / 2, f"at {where}, the score is not worse",
                   "look at the highest points near that end: are they below the dashed line?")
            expect(word != "flat" or fallen < 1.5 * WORSE, f"at {where}, the score is not flat",
                   "look at the highest points near that end: how far are they below the dashed line?")
    lost = _lost(space, mean)
    expect(lost <= LOSABLE, f"with {TRIALS} trials, the choice is on average {100 * lost:.1f} points below the best",
           "most trials are spent where nothing is learned, so narrow the space to fit this budget")


@functools.cache
def truth():
    """Mean accuracy over seeds and all 720 images, of networks with 32 units: (learning_rate, l2, dropout)."""
    from course_utils.experiments import tabular

    return tabular.table().accuracy.isel(epoch=-1).mean("seed").sel(width=WIDTH, drop=True)


def _space(space):
    """The three axes that are searched, each as (scale, low, high)."""
    from course_utils.experiments import tabular

    entries(space, KNOBS, "space does not have the axes", optional=["width"])
    expect(list(space.get("width", [WIDTH])) == [WIDTH], "the width is not the one in the question",
           f'keep "width": [{WIDTH}]')
    for knob, scale in KNOBS.items():
        axis = space[knob]
        expect(isinstance(axis, tuple) and len(axis) == 3 and axis[0] in ("log", "uniform")
               and all(isinstance(end, float | int | np.number) for end in axis[1:]) and axis[1] < axis[2],
               f"the axis of {knob} is not a range", 'write it like ("log", 0.01, 0.3), with the lower end first')
        low, high = tabular.SPACE[knob][0], tabular.SPACE[knob][-1]
        expect(low * (1 - 1e-9) <= axis[1] and axis[2] <= high * (1 + 1e-9), f"{knob} goes beyond the table",
               f"the table goes from {low:g} to {high:g}")
        expect(scale == "uniform" or axis[0] == "log", f"{knob} is drawn evenly on a linear axis",
               "a knob that acts by factors needs a logarithmic axis")
    return {knob: space[knob] for knob in KNOBS}


def _words(ends):
    entries(ends, KNOBS, "ends does not have the keys")
    for knob, pair in ends.items():
        expect(isinstance(pair, tuple | list) and len(pair) == 2 and all(word in WORDS for word in pair),
               f"the ends of {knob} are not two of the allowed words",
               f"choose from {', '.join(WORDS)}, first for the lower end, then for the upper")


def _reach(mean, knob, axis):
    """Which points of the table a range reaches."""
    values = mean[knob].values
    distances = [np.abs(np.log(values / end) if axis[0] == "log" and end > 0 else values - end) for end in axis[1:]]
    return slice(int(distances[0].argmin()), int(distances[1].argmin()) + 1)


def _edges(mean, reach, knob):
    """Judge whether something better lies beyond an end of one axis."""
    inside, profile = reach[knob], mean.max([other for other in KNOBS if other != knob]).values
    best = profile[inside].max()
    for end, beyond in (("lower", profile[:inside.start]), ("upper", profile[inside.stop:])):
        expect(not len(beyond) or beyond.max() < best + NARROW,
               f"the best values of {knob} lie beyond its {end} end",
               "where your points still rise toward an end, go further")


def _lost(space, mean):
    """How far the choice of a few trials is below the best of the table, on average over many searches."""
    from course_utils.experiments import tabular

    chosen = []
    for seed in range(300):
        objective, shares = tabular.Objective(seed, validation=100), np.random.default_rng([seed, 6])
        for _ in range(TRIALS):
            objective({"width": WIDTH} | {
                knob: low * (high / low) ** shares.random() if scale == "log" and low > 0
                else shares.uniform(low, high) for knob, (scale, low, high) in space.items()})
        chosen.append(objective.tried[int(np.argmax(objective.scores))][0][1:])
    return float(mean.max() - mean.values[tuple(np.transpose(chosen))].mean())


# Letters of question 6.4: hints for the conclusions that are allowed, and for the others.
ALLOWED = {
    "a": "do the curves fall on both sides of the best momentum?",
    "c": "look at the difference, seed by seed: does its interval contain 0?",
    "e": "compare each batch size with 32, seed by seed: how large could the difference be?",
    "g": "where is the best width, and which widths has nobody tried?",
}
TOO_MUCH = {
    "b": "if the runs share their seeds, the bars of two means say little about their difference",
    "d": "an interval that contains 0 does not mean that the effect is 0; it shows how large the effect may be",
    "f": "the best value is at the edge, so nobody knows whether 512 units would be even better",
    "h": "how many trials did each of the two optimizers have?",
    "i": "each point has its own learning rate, and the plot does not show which",
}


@check("6.4", "you conclude what the plots allow, and nothing more")
def isolation(allowed, difference, rng):
    choice(allowed, ALLOWED, TOO_MUCH, name="allowed", kind="conclusion",
           lacking="you left out a conclusion that is allowed",
           false="one of your conclusions goes beyond its plot")
    momentum = exercises.studies()["momentum"]
    _one_difference(difference, (momentum.sel(momentum=0.9) - momentum.sel(momentum=0.8)).values,
                    "momentum 0.9 minus 0.8, seed by seed")


def _one_difference(value, differences, order, what="difference"):
    """Judge the mean of some differences and its 95% interval; `order` says what is subtracted from what."""
    given, (mean, low, high) = intervals(value, ()), student(differences)
    if close(given, (mean, low, high), DIFFERENCE):
        return
    expect(not close(given[0], -mean, DIFFERENCE) or close(mean, 0, DIFFERENCE), f"the {what} has the wrong sign",
           f"compute {order}")
    expect_close(given[0], mean, f"the mean {what} is wrong", f"compute {order}", DIFFERENCE)
    expect(given[1] <= given[0] <= given[2], f"the interval of the {what} does not contain its mean",
           "return mean, low, high, in this order")
    wide, right, spread = (given[2] - given[1]) / 2, (high - low) / 2, np.std(differences, ddof=1)
    expect_none_of(wide, (
        (spread, "the interval is the standard deviation, not the interval of the mean",
         "divide it by the square root of the number of differences, and multiply by Student's t"),
        (1.96 * spread, "the interval is for single differences, not for their mean",
         "divide the standard deviation by the square root of their number"),
        (1.96 * spread / np.sqrt(len(differences)), "the interval uses a normal distribution",
         "with this few differences, use Student's t, as stats.interval does")), DIFFERENCE)
    expect(wide < 1.05 * right, "the interval is too wide for paired differences",
           "first take the differences, pair by pair, then their interval")
    expect(False, "the interval is not computed from paired differences",
           "use stats.interval of the differences, or stats.paired_difference")


def student(differences):
    """Mean of some numbers with its 95% interval: mean, low, high."""
    from scipy.stats import ttest_1samp

    interval = ttest_1samp(differences, 0).confidence_interval()
    return float(np.mean(differences)), float(interval.low), float(interval.high)


REPETITIONS = 20   # of a search, at least


@check("6.5", "you know how much a winner's score overstates its accuracy, and what to report instead")
def curse(winners_curse, validation, test, gap, honest, rng):
    for searches, trials in ((5, 12), (30, 8)):
        true = rng.normal(0.8, 0.05, (searches, trials)) + rng.normal(0, 0.05, (searches, 1))   # easy and hard images
        val, on_test = (true + rng.normal(0, noise, true.shape) for noise in (0.04, 0.02))
        _luck(call(winners_curse, {"validation": val, "test": on_test}), val, on_test)
    validation, test = _searches(validation, test)
    # Sixty images give ties, and which of the tied trials is chosen is up to the learner's function.
    expect_close(intervals(gap, ()), intervals(winners_curse(validation, test), ()),
                 "gap is not your function's result for your searches", "use gap = winners_curse(validation, test)",
                 DIFFERENCE)
    wanted = test[0][validation[0] == validation[0].max()]
    expect(np.ndim(honest) == 0 and not isinstance(honest, str | dict | set), "honest is not a number",
           "give one accuracy, for the network that the first search chose")
    if np.isclose(honest, wanted, atol=1e-9).any():
        return
    expect_none_of(honest, (
        (validation[0].max(), "you report the score that chose the network",
         "it was chosen for being high, so which images have not chosen anything?"),
        (test[0].max(), "you report the best test score of all trials",
         "that chooses on the test images, so look at the trial that the validation images chose"),
        (test[0].mean(), "you report the mean test score of all trials",
         "you ship only one of them, the chosen one"),
        (validation[0].max() - float(intervals(gap, ())[0]), "you report the score that chose the network, minus the "
         "mean gap", "that is right only on average, but the test images measure this very network")), 1e-9)
    expect(False, "you do not report the test score of the first search's choice",
           "use test[0] at the trial where validation[0] is highest")


def _searches(validation, test):
    """The scores of a learner's own searches as two arrays (searches, trials)."""
    arrays = []
    for name, scores in (("validation", validation), ("test", test)):
        try:
            arrays.append(np.asarray(scores, float))
        except (TypeError, ValueError):
            raise Violated(f"{name} is not an array: collect one row of scores for each search") from None
        expect(arrays[-1].ndim == 2, f"{name} has shape {arrays[-1].shape}", "it should be (searches, trials)")
    validation, test = arrays
    expect(validation.shape == test.shape, f"validation has shape {validation.shape} and test {test.shape}",
           "collect both scores of all trials of all searches")
    expect(len(validation) >= REPETITIONS, f"there are {len(validation)} searches", f"run {REPETITIONS} or more, "
           "because the gap of a single search is mostly luck")
    expect(len(np.unique(validation, axis=0)) == len(validation), "one search appears twice",
           "give each repetition its own seed, for other images and other trials")
    expect(not close(validation, test), "validation and test are the same scores", "one_search returns two arrays")
    return validation, test


def _luck(value, validation, test):
    rows, chosen = np.arange(len(validation)), validation.argmax(1)
    right = validation[rows, chosen] - test[rows, chosen]
    gap = intervals(value, ())[0]
    for wrong, violated, hint in (
            (validation.max(1) - test.max(1), "uses the best test score",
             "look up the test score of the trial that the validation images chose"),
            (validation[rows, test.argmax(1)] - test.max(1), "lets the test images choose",
             "choose with argmax of validation, and look up test there"),
            (validation.max(1) - test.mean(1), "uses the mean test score",
             "look up the test score of the trial that was chosen"),
            ((validation - test).mean(1), "averages over all trials", "only the chosen one is cursed, so take argmax "
             "of validation in each search"),
            (validation[:, -1] - test[:, -1], "uses the last trial", "choose with argmax of validation")):
        expect(not close(abs(gap), abs(wrong.mean()), DIFFERENCE) or close(wrong.mean(), right.mean(), DIFFERENCE),
               f"the gap {violated}", hint)
    _one_difference(value, right, "validation minus test accuracy of the choice, search by search", "gap")


# Question 6.6


ARMS = ("baseline", "mine")
KEYS = {
    "tuning": "a list of (configuration, score) for each arm", "tuning_seeds": "the seeds that chose",
    "chosen": "a configuration for each arm", "scores": "a dict seed → accuracy for each arm",
    "difference": "mean, low, high", "claim": "a word", "model": "a path", "test_accuracy": "a number"}
CLAIMS = ("better", "undecided", "worse")


@check("6.6", "your report is consistent: equal budgets, paired seeds, a claim that fits its interval, one look")
def reported(report, task, rng):
    if isinstance(report, dict) and any(entry is ... for entry in report.values()):
        raise Unanswered
    expect(isinstance(report, dict), "report is not a dict", f"give it the keys {', '.join(KEYS)}")
    missing = [key for key in KEYS if key not in report]
    expect(not missing, f"the report lacks {' and '.join(missing)}",
           "; ".join(f"{key}: {KEYS[key]}" for key in missing))
    for key in ("tuning", "chosen", "scores"):
        expect(isinstance(report[key], dict) and set(report[key]) == set(ARMS),
               f"{key} does not have the arms {' and '.join(ARMS)}", KEYS[key])
    _tuned(report)
    _measured(report)
    _final(report, task)


def _tuned(report):
    tried = {}
    for arm in ARMS:
        pairs = report["tuning"][arm]
        expect(isinstance(pairs, list | tuple) and pairs and all(
            isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], dict) for pair in pairs),
            f"the tuning of {arm} is not a list of trials",
            "write (configuration, score) for each trial, as listed does")
        tried[arm] = [_plain(configuration) for configuration, _ in pairs]
        scores = np.array([score for _, score in pairs], float)
        expect(not any(first == second for first, second in itertools.combinations(tried[arm], 2)),
               f"a configuration of {arm} is counted twice", "a budget consists of different trials")
        chosen = report["chosen"][arm]
        expect(isinstance(chosen, dict), f"the choice for {arm} is not a configuration", "use a dict knob → value")
        chosen = _plain(chosen)
        expect(chosen in tried[arm], f"the choice for {arm} was never tried", "choose from the trials of its tuning")
        expect(scores[tried[arm].index(chosen)] >= np.nanmax(scores) - 1e-9,
               f"the choice for {arm} is not the best of its tuning", "take the highest mean over the tuning seeds")
    counts = [len(tried[arm]) for arm in ARMS]
    expect(counts[0] == counts[1], f"baseline was tuned with {counts[0]} trials and mine with {counts[1]}",
           "give both the same budget; otherwise, you compare budgets")


def _plain(configuration):
    """A configuration whose numbers are rounded Python floats, so that 0.1 from NumPy and from Python are equal."""
    return {knob: round(float(value), 10) if isinstance(value, float | int | np.number) else value
            for knob, value in configuration.items()}


def _measured(report):
    scores = report["scores"]
    for arm in ARMS:
        expect(isinstance(scores[arm], dict), f"the scores of {arm} are not a dict",
               "use seed → accuracy, so that runs can be paired")
    seeds = set(scores[ARMS[0]])
    expect(seeds == set(scores[ARMS[1]]), "the two arms do not have the same seeds", "run each seed in both arms")
    expect(len(seeds) >= 5, f"there are {len(seeds)} seeds", "measure with five or more in each arm")
    try:
        tuning = set(report["tuning_seeds"])
    except TypeError:
        raise Violated("tuning_seeds is not a list of seeds: list the seeds that chose") from None
    expect(tuning, "tuning_seeds is empty", "list the seeds that chose")
    both = sorted(tuning & seeds)
    expect(not both, f"seed {both[0] if both else ''} both chooses and measures", "measure on seeds other than those "
           "that chose, because the choice favors their luck")
    order = sorted(seeds)
    first, second = (np.array([scores[arm][seed] for seed in order], float) for arm in ARMS)
    expect(np.isfinite([first, second]).all() and min(first.min(), second.min()) >= 0
           and max(first.max(), second.max()) <= 1, "a score is not an accuracy", "use fractions from 0 to 1")
    _one_difference(report["difference"], second - first, "mine minus baseline, seed by seed")
    _, low, high = intervals(report["difference"], ())
    claim, bears = report["claim"], "better" if low > 0 else "worse" if high < 0 else "undecided"
    expect(claim in CLAIMS, f"the claim is {claim!r}", f"choose from {', '.join(CLAIMS)}")
    expect(claim == bears, f"the claim is “{claim}”, but the interval says “{bears}”",
           "claim better if all of it lies above 0, worse if all of it lies below, and undecided otherwise")


def _final(report, task):
    import keras

    path = pathlib.Path(str(report["model"]))
    expect(path.suffix == ".keras" and path.is_file(), "there is no model at the given path",
           "use model.save(path), with a path that ends in .keras")
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception:   # whatever cannot be read, for any reason
        raise Violated("the model cannot be loaded: use Keras's own layers, and save it with model.save") from None
    expect("read" not in task.looks, "the test set was read without being opened",
           "call task.open_test() after the last decision; to start over, rerun the cell that makes task and all below")
    expect(len(task.looks) > 0, "the test set was never opened", "call task.open_test() after the last decision")
    expect(len(task.looks) == 1, f"the test set was opened {len(task.looks)} times",
           "open it once, after the last decision; to start over, rerun the cell that makes task and all below")
    expect(model.output_shape == (None, 10), "the model does not return 10 numbers for each image",
           "save the network that you trained")
    untouched = vars(exercises.capstone())
    on_test, on_val = (float((model.predict(images, verbose=0).argmax(1) == labels).mean()) for images, labels in (
        untouched["test"], (untouched["x_val"], untouched["y_val"])))
    stated = report["test_accuracy"]
    expect(isinstance(stated, float | int | np.number), "test_accuracy is not a number", "use a fraction from 0 to 1")
    expect(close(stated, on_test, 3e-4) or not close(stated, on_val, 3e-4), "test_accuracy is the validation accuracy",
           "score the saved model on what task.open_test() returned")
    expect_close(stated, on_test,
                 f"the saved model scores {on_test:.3f} on the test images, but the report says {stated:.3f}",
                 "load the model that you saved, and score it", 3e-4)


# Letters of question 6.7: hints for the flaws, and for the objections that are not valid.
MISSING = {
    "a": "which images chose the best of 200 trials, and on which images is its accuracy reported?",
    "c": "how many trials did each of the two networks have?",
    "d": "how many training runs does each of the two numbers come from?",
    "f": "where in the searched range is the learning rate of their best trial?",
}
SOUND = {
    "b": "random search is sound, and another sampler would overfit the same images even more",
    "e": "a learning rate acts by factors, so each factor of ten should be equally likely",
    "g": "a seed makes a search repeatable; what matters is that it was not chosen by its result",
    "h": "they would ship only one of their 200 networks, and the mean says nothing about it",
}


@check("6.7", "you found every flaw, and what the manuscript should have reported")
def referee(flaws, honest, rng):
    objections(flaws, MISSING, SOUND)
    sent = exercises.search_manuscript()
    best = int(sent.theirs.values.argmax())
    expect(np.ndim(honest) == 0 and not isinstance(honest, str | dict | set), "honest is not a number",
           "give one accuracy, that of their choice on fresh images")
    if close(honest, float(sent.fresh[best]), 1e-6):
        return
    for wrong, violated, hint in (
            (sent.theirs[best], "their own number", "those images chose, so score the same network on fresh ones"),
            (sent.fresh.max(), "the best of all trials on fresh images",
             "that lets the fresh images choose, which repeats the mistake"),
            (sent.fresh.mean(), "the mean of all trials", "they would ship only one of them, the one they chose"),
            (sent.attrs["baseline on fresh images"], "that of the baseline", "report the tuned network"),
            (sent.fresh[int(sent.theirs.values.argmin())], "that of their worst trial",
             "the highest score is the best")):
        expect(not close(honest, float(wrong), 1e-6), f"your honest number is {violated}", hint)
    expect(False, "your honest number is not the accuracy of their choice on fresh images",
           "use fresh at the trial where theirs is highest")
