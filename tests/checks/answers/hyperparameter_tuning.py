"""Answers to exercise 06."""

import functools
import math
import pathlib
import random
import tempfile

import numpy as np
import xarray as xr

from course_utils import stats
from course_utils.checks import hyperparameter_tuning as ht
from course_utils.experiments import exercises
from tests.checks.answers import blank, spread

# 6.1


def search(objective, space, n_trials, seed):
    rng = np.random.default_rng(seed)
    tried = []
    for _ in range(n_trials):
        params = {}
        for name, axis in space.items():
            if isinstance(axis, list):
                params[name] = axis[rng.integers(len(axis))]
            elif axis[0] == "log":
                params[name] = axis[1] * (axis[2] / axis[1]) ** rng.random()
            else:
                params[name] = axis[1] + (axis[2] - axis[1]) * rng.random()
        tried.append((objective(params), params))
    score, params = max(tried, key=lambda one: -math.inf if math.isnan(one[0]) else one[0])
    return params, score


def search_by_python(objective, space, n_trials, seed):
    """With the generator of Python's own library."""
    generator = random.Random(seed)

    def draw(axis):
        match axis:
            case [*values] if isinstance(axis, list):
                return generator.choice(values)
            case "log", low, high:
                return math.exp(generator.uniform(math.log(low), math.log(high)))
            case _, low, high:
                return generator.uniform(low, high)

    best = None
    for _ in range(n_trials):
        params = {name: draw(axis) for name, axis in space.items()}
        score = objective(params)
        if not math.isnan(score) and (best is None or score >= best[1]):
            best = params, score
    return best


def search_in_columns(objective, space, n_trials, seed):
    """Draws axis by axis; powers of ten; numbers of NumPy."""
    rng = np.random.default_rng([seed, 5])
    columns = {name: rng.choice(axis, n_trials) if isinstance(axis, list)
               else 10 ** rng.uniform(np.log10(axis[1]), np.log10(axis[2]), n_trials) if axis[0] == "log"
               else rng.uniform(axis[1], axis[2], n_trials) for name, axis in space.items()}
    rows = [{name: values[n] for name, values in columns.items()} for n in range(n_trials)]
    scores = np.array([objective(row) for row in rows])
    place = np.nanargmax(scores)
    return [rows[place], scores[place]]


def wrong_search(*, log=lambda rng, low, high: np.exp(rng.uniform(np.log(low), np.log(high))),
                 uniform=lambda rng, low, high: rng.uniform(low, high),
                 choose=lambda rng, axis: axis[rng.integers(len(axis))],
                 generator=np.random.default_rng, again=lambda seed: None, better=lambda score, best: score > best,
                 start=-math.inf, count=lambda trials: trials, finish=None):
    """A random search with one mistake."""
    def answer(objective, space, n_trials, seed):
        rng, best, highest = generator(seed), None, start
        for _ in range(count(n_trials)):
            rng = again(seed) or rng
            params = {name: choose(rng, axis) if isinstance(axis, list) else
                      {"log": log, "uniform": uniform}[axis[0]](rng, *axis[1:]) for name, axis in space.items()}
            score = objective(params)
            if better(score, highest):
                best, highest = params, score
        return finish(objective, best, highest, params) if finish else (best, highest)

    return answer


def search_argmax(objective, space, n_trials, seed):
    rng = np.random.default_rng(seed)
    rows = [{name: axis[rng.integers(len(axis))] if isinstance(axis, list) else
             float(np.exp(rng.uniform(*np.log(axis[1:])))) if axis[0] == "log" else
             float(rng.uniform(*axis[1:])) for name, axis in space.items()} for _ in range(n_trials)]
    scores = [objective(row) for row in rows]
    return rows[np.argmax(scores)], scores[np.argmax(scores)]


def search_one_dict(objective, space, n_trials, seed):
    """The same dict in all trials."""
    params, tried = {}, []

    def noting(given):
        params.clear()
        params.update(given)
        tried.append(objective(params))
        return tried[-1]

    _, score = search(noting, space, n_trials, seed)
    return params, score


def search_one_share(objective, space, n_trials, seed):
    """One random number places all knobs."""
    rng, best, highest = np.random.default_rng(seed), None, -math.inf
    for _ in range(n_trials):
        share = rng.random()
        params = {name: axis[rng.integers(len(axis))] if isinstance(axis, list) else
                  axis[1] * (axis[2] / axis[1]) ** share if axis[0] == "log" else
                  axis[1] + (axis[2] - axis[1]) * share for name, axis in space.items()}
        score = objective(params)
        if score > highest:
            best, highest = params, score
    return best, highest


def search_first(objective, space, n_trials, seed):
    """nan in the first trial stays."""
    scores = []

    def noting(params):
        scores.append((objective(params), params))
        return scores[-1][0]

    search(noting, space, n_trials, seed)
    score, params = scores[0]
    for one, given in scores[1:]:
        if one > score:
            score, params = one, given
    return params, score


def search_legacy(objective, space, n_trials, seed):
    np.random.seed(seed)
    return wrong_search(generator=lambda seed: _Legacy())(objective, space, n_trials, seed)


class _Legacy:
    uniform, integers = staticmethod(np.random.uniform), staticmethod(np.random.randint)


def search_by_global_random(objective, space, n_trials, seed):
    """With the global generator of Python, which a training may seed anew."""
    random.seed(seed)
    return wrong_search(generator=lambda seed: _Python())(objective, space, n_trials, seed)


class _Python:
    uniform, integers = staticmethod(random.uniform), staticmethod(random.randrange)


def search_by_popping(objective, space, n_trials, seed):
    found = search(objective, space, n_trials, seed)
    space["width"].pop()
    return found


def search_in_float32(*given):
    params, score = search(*given)
    return params, np.float32(score)


SEARCHES = [search, search_by_python, search_in_columns, search_in_float32]
NOT_SEARCHES = {
    "linear": (wrong_search(log=lambda rng, low, high: rng.uniform(low, high)),
               "learning_rate is drawn evenly on a linear axis"),
    "decades only": (wrong_search(log=lambda rng, low, high: 10.0 ** rng.integers(
        round(np.log10(low)), round(np.log10(high)), endpoint=True)), "different values of learning_rate"),
    "bounds not in logs": (wrong_search(log=lambda rng, low, high: np.exp(rng.uniform(low, high))), "outside its"),
    "logs not undone": (wrong_search(log=lambda rng, low, high: rng.uniform(np.log(low), np.log(high))),
                        "outside its range"),
    "squared": (wrong_search(uniform=lambda rng, low, high: low + (high - low) * rng.random() ** 2),
                "dropout is not drawn evenly"),
    "never the last": (wrong_search(choose=lambda rng, axis: axis[rng.integers(len(axis) - 1)]), "width is never 64"),
    "favorites": (wrong_search(choose=lambda rng, axis: axis[min(rng.integers(len(axis) + 1), len(axis) - 1)]),
                  "the values of width are not equally likely"),
    "places": (wrong_search(choose=lambda rng, axis: int(rng.integers(len(axis)))),
               "width is not one of the values in the list"),
    "one call too many": (wrong_search(finish=lambda objective, best, highest, last: (best, objective(best))),
                          "with n_trials = 30, the objective is called 31 times"),
    "one trial too few": (wrong_search(count=lambda trials: trials - 1), "the objective is called 29 times"),
    "twice each": (wrong_search(count=lambda trials: 2 * trials),
                   "the objective is called 60 times"),
    "a generator for each trial": (wrong_search(again=np.random.default_rng), "all trials are the same"),
    "no seed": (wrong_search(generator=lambda seed: np.random.default_rng()), "the same seed gives different trials"),
    "always seed 0": (wrong_search(generator=lambda seed: np.random.default_rng(0)),
                      "a different seed gives the same trials"),
    "the global generator": (search_legacy, "if the objective sets the global seeds"),
    "Python's global generator": (search_by_global_random, "if the objective sets the global seeds"),
    "changes the space": (search_by_popping, "changes its argument space"),
    "absolute values": (wrong_search(start=0.0, better=lambda score, best: abs(score) > abs(best)),
                        "with scores below 0, you return -20.0, but the best score is -12.0"),
    "absolute score": (wrong_search(finish=lambda objective, best, highest, last: (best, abs(highest))),
                       "with scores below 0, you return 12.0"),
    "largest of either sign": (wrong_search(better=lambda score, best: abs(score) > abs(best) or best == -math.inf),
                               "with scores below 0, you return -20.0"),
    "0 is none": (wrong_search(start=None, better=lambda score, best: not best or score > best), "up to 0"),
    "the last": (wrong_search(better=lambda score, best: True), "you return the last trial"),
    "minimizes": (wrong_search(start=math.inf, better=lambda score, best: score < best),
                  "you return the lowest score"),
    "begins at 0": (wrong_search(start=0.0), "with scores below 0, there is no best"),
    "nan by argmax": (search_argmax, "a trial that scored nan wins"),
    "nan stays first": (search_first, "a trial that scored nan wins"),
    "the last configuration": (wrong_search(finish=lambda objective, best, highest, last: (last, highest)),
                               "the configuration you return does not belong to the best score"),
    "one dict for all": (search_one_dict, "it belongs to the last trial, so create a new dict for each trial"),
    "one share for all": (search_one_share, "go up and down together"),
    "swapped": (wrong_search(finish=lambda objective, best, highest, last: (highest, best)),
                "the first value you return is not a configuration"),
    "the score alone": (wrong_search(finish=lambda objective, best, highest, last: highest),
                        "does not return two values"),
}

# 6.2


def halve(train, configurations, min_epochs, max_epochs, factor):
    alive, before, epochs, spent = list(configurations), 0, min_epochs, 0
    while True:
        scores = np.array([train(one, epochs) for one in alive], float)
        scores[~np.isfinite(scores)] = -np.inf
        order = np.argsort(-scores, kind="stable")
        spent += len(alive) * (epochs - before)
        if epochs >= max_epochs:
            return alive[order[0]], scores[order[0]], spent
        alive = [alive[place] for place in order[:max(1, len(alive) // factor)]]
        before, epochs = epochs, min(epochs * factor, max_epochs)


def halve_recursively(train, configurations, min_epochs, max_epochs, factor, had=0):
    ranked = []
    for one in configurations:
        score = train(one, min_epochs)
        ranked.append((math.isfinite(score), score if math.isfinite(score) else 0, len(ranked), one))
    ranked.sort(reverse=True)
    spent = (min_epochs - had) * len(ranked)
    if min_epochs == max_epochs:
        return ranked[0][3], ranked[0][1], spent
    best, score, more = halve_recursively(train, [one[3] for one in ranked][:len(ranked) // factor or 1],
                                          min(factor * min_epochs, max_epochs), max_epochs, factor, min_epochs)
    return best, score, spent + more


def halve_with_a_ledger(train, configurations, min_epochs, max_epochs, factor):
    """Who is alone goes straight to the end."""
    had, score, epochs, alive = {}, {}, min_epochs, range(len(configurations))
    while True:
        for place in alive:
            score[place] = train(configurations[place], epochs)
            had[place] = epochs
        alive = sorted(alive, key=lambda place: (not np.isfinite(score[place]), -score[place]))
        if epochs == max_epochs:
            return [configurations[alive[0]], score[alive[0]], sum(had.values())]
        alive = alive[:max(len(alive) // factor, 1)]
        epochs = max_epochs if len(alive) == 1 else min(epochs * factor, max_epochs)


def wrong_halving(*, rank=lambda score: score if math.isfinite(score) else -math.inf, reverse=True,
                  keep=lambda ranked, factor: ranked[:max(1, len(ranked) // factor)],
                  then=lambda epochs, factor, first, most: min(factor * epochs, most),
                  cost=lambda n, epochs, had: n * (epochs - had), stop=lambda alive, epochs, most: epochs >= most,
                  finish=lambda best, score, spent: (best, score, spent)):
    """A halving with one mistake."""
    def answer(train, configurations, min_epochs, max_epochs, factor):
        alive, had, epochs, spent = list(configurations), 0, min_epochs, 0
        while True:
            ranked = sorted(((rank(train(one, epochs)), place) for place, one in enumerate(alive)),
                            key=lambda pair: pair[0], reverse=reverse)
            spent += cost(len(alive), epochs, had)
            had, epochs = epochs, then(epochs, factor, min_epochs, max_epochs)
            if stop(alive, had, max_epochs) or epochs == had:
                return finish(alive[ranked[0][1]], ranked[0][0], spent)
            alive = [alive[place] for _, place in keep(ranked, factor)]

    return answer


def halve_best_ever(train, configurations, min_epochs, max_epochs, factor):
    """The best score that anybody ever had."""
    seen = []

    def noting(one, epochs):
        score = train(one, epochs)
        if math.isfinite(score):
            seen.append((score, one))
        return score

    *_, spent = halve(noting, configurations, min_epochs, max_epochs, factor)
    score, best = max(seen, key=lambda pair: pair[0])
    return best, score, spent


def halve_by_first_rung(train, configurations, min_epochs, max_epochs, factor):
    """All decisions by the scores of the first rung."""
    first = {}

    def remembering(one, epochs):
        score = train(one, epochs)
        return first.setdefault(one["name"], score)

    return halve(remembering, configurations, min_epochs, max_epochs, factor)


def halve_without_end_score(train, configurations, min_epochs, max_epochs, factor):
    scores = []

    def noting(one, epochs):
        scores.append(train(one, epochs))
        return scores[-1]

    best, _, spent = halve(noting, configurations, min_epochs, max_epochs, factor)
    return best, max(score for score in scores if math.isfinite(score)) + 1, spent


def increments(train):
    """A training that asks only for the epochs that a configuration has not had yet."""
    had = {}

    def asking(configuration, epochs):
        more = epochs - had.get(configuration["name"], 0)
        had[configuration["name"]] = epochs
        return train(configuration, more)

    return asking


def halve_by_popping(train, configurations, *given):
    mine = [configurations.pop() for _ in range(len(configurations))]
    return halve(train, mine, *given)


def halve_with_notes(train, configurations, *given):
    best, score, spent = halve(train, configurations, *given)
    for one in configurations:
        one["score"] = score
    return best, score, spent


def halve_in_float32(*given):
    best, score, spent = halve(*given)
    return best, np.float32(score), spent


def by_threshold(ranked, factor):
    """All that are as good as the last who may go on: too many, where scores are tied."""
    least = ranked[max(1, len(ranked) // factor) - 1][0]
    return [pair for pair in ranked if pair[0] >= least]


HALVINGS = [halve, halve_recursively, halve_with_a_ledger, halve_in_float32]
NOT_HALVINGS = {
    "the worst": (wrong_halving(reverse=False), "the worst configurations advance"),
    "never more epochs": (wrong_halving(then=lambda epochs, factor, first, most: epochs),
                          "none gets more than 1 epochs"),
    "to the end at once": (lambda train, configurations, least, most, factor: halve(
        train, configurations, most, most, factor), "all are trained for 12 epochs"),
    "first rung left out": (lambda train, configurations, least, most, factor: halve(
        train, configurations, min(factor * least, most), most, factor), "the first rung gives 3 epochs"),
    "beyond the end": (wrong_halving(then=lambda epochs, factor, first, most: epochs * factor),
                       "with max_epochs = 12, a configuration is trained for 27 epochs"),
    "asks for increments": (lambda train, configurations, *budget: halve(
        increments(train), configurations, *budget), "train gets only the epochs since the last rung"),
    "rungs added up": (wrong_halving(then=lambda epochs, factor, first, most: min(epochs + first, most)),
                       "3 get 3 epochs or more: it should be 9"),
    "ends too early": (wrong_halving(stop=lambda alive, epochs, most: 3 * epochs > most),
                       "the last ones end at 9 epochs"),
    "drops the third": (wrong_halving(keep=lambda ranked, factor: ranked[:max(1, len(ranked) - len(ranked) // factor)]),
                        "18 get 3 epochs or more"),
    "always half": (wrong_halving(keep=lambda ranked, factor: ranked[:max(1, len(ranked) // 2)]),
                    "13 get 3 epochs or more"),
    "rounded up": (wrong_halving(keep=lambda ranked, factor: ranked[:math.ceil(len(ranked) / factor)]),
                   "it should be 2, because the best 1/factor of each rung advance, rounded down"),
    "rounded": (wrong_halving(keep=lambda ranked, factor: ranked[:max(1, round(len(ranked) / factor))]),
                "4 get 3 epochs or more: it should be 3"),
    "empties the list": (halve_by_popping, "changes its argument configurations"),
    "writes into the dicts": (halve_with_notes, "changes its argument configurations"),
    "tied ones too": (wrong_halving(keep=by_threshold),
                      "all are trained for 12 epochs: only the best 1/factor of each rung advance, even where"),
    "nobody left": (wrong_halving(keep=lambda ranked, factor: ranked[:len(ranked) // factor]),
                    "list index out of range"),
    "restarted": (wrong_halving(cost=lambda n, epochs, had: n * epochs),
                  "93 epochs are counted, but 66 were trained: training continues where it stopped"),
    "trials counted": (wrong_halving(cost=lambda n, epochs, had: n), "40 epochs are counted, but 66 were trained"),
    "nan first": (wrong_halving(rank=lambda score: score if not math.isnan(score) else math.inf),
                  "a configuration whose score is nan advances before others"),
    "nan as it comes": (wrong_halving(rank=lambda score: score), "a configuration whose score is nan advances"),
    "inf forgotten": (wrong_halving(rank=lambda score: -math.inf if math.isnan(score) else score),
                      "a configuration whose score is inf advances before others"),
    "nan is 0": (wrong_halving(rank=lambda score: score if math.isfinite(score) else 0.0),
                 "a configuration whose score is nan advances"),
    "best ever": (halve_best_ever, "your winner did not reach the last rung"),
    "by the first rung": (halve_by_first_rung, "you return the score"),
    "another score": (halve_without_end_score, "you return the score"),
    "two things": (wrong_halving(finish=lambda best, score, spent: (best, score)), "does not return three values"),
    "score first": (wrong_halving(finish=lambda best, score, spent: (score, best, spent)),
                    "the first value you return is not one of the configurations"),
    "places instead": (lambda train, configurations, *given: halve(
        lambda place, epochs: train(place, epochs), range(len(configurations)), *given),
        "train does not get one of the configurations"),
}


# 6.3

SPACE = {"width": [32], "learning_rate": ("log", 0.02, 1.0), "l2": ("log", 1e-5, 0.02),
         "dropout": ("uniform", 0.0, 0.5)}
ENDS = {"learning_rate": ("worse", "worse"), "l2": ("flat", "worse"), "dropout": ("limit", "worse")}
FLAT = ENDS | {"l2": ("flat", "flat"), "dropout": ("flat", "flat")}


SPACES = [
    (SPACE, ENDS),
    ({"learning_rate": ("log", 0.012, 0.9), "l2": ("log", 1e-5, 0.03), "dropout": ("uniform", 0, 0.6)}, ENDS),
    (SPACE | {"l2": ("log", 1e-5, 1e-3), "dropout": ("uniform", 0.0, 0.3)}, FLAT | {"dropout": ("limit", "flat")}),
    (SPACE | {"learning_rate": ("log", 0.03, 0.9)}, {knob: list(pair) for knob, pair in ENDS.items()}),
]
NOT_SPACES = {
    name: ((SPACE | space, ENDS | ends), message) for name, (space, ends, message) in {
        "theirs": ({"learning_rate": ("uniform", 0.003, 0.1), "l2": ("uniform", 1e-5, 0.03)}, {},
                   "learning_rate is drawn evenly on a linear axis"),
        "linear penalty": ({"l2": ("uniform", 1e-5, 0.02)}, {}, "l2 is drawn evenly on a linear axis"),
        "too low": ({"learning_rate": ("log", 0.003, 0.04)}, {}, "learning_rate lie beyond its upper end"),
        "too high": ({"learning_rate": ("log", 0.3, 3.0)}, {}, "learning_rate lie beyond its lower end"),
        "ends at the best": ({"learning_rate": ("log", 0.02, 0.15)}, {},
                             "at the upper end of learning_rate, the score has not fallen"),
        "begins at the best": ({"learning_rate": ("log", 0.1, 1.0)}, {},
                               "at the lower end of learning_rate, the score has not fallen"),
        "strong penalty": ({"l2": ("log", 0.008, 0.03)}, {}, "the best values of l2 lie beyond its lower end"),
        "much dropout": ({"dropout": ("uniform", 0.4, 0.6)}, {}, "the best values of dropout lie beyond its lower end"),
        "everything": ({"learning_rate": ("log", 0.003, 3.0), "l2": ("log", 1e-5, 0.03),
                        "dropout": ("uniform", 0.0, 0.6)}, {}, "narrow the space to fit this budget"),
        "outside": ({"learning_rate": ("log", 0.001, 1.0)}, {}, "learning_rate goes beyond the table"),
        "a list": ({"learning_rate": ["log", 0.02, 1.0]}, {}, "the axis of learning_rate is not a range"),
        "values": ({"learning_rate": [0.01, 0.1]}, {}, "the axis of learning_rate is not a range"),
        "upside down": ({"learning_rate": ("log", 1.0, 0.02)}, {}, "the lower end first"),
        "another width": ({"width": [64]}, {}, "the width is not the one in the question"),
        "one knob more": ({"momentum": ("uniform", 0.0, 0.9)}, {}, "space does not have the axes"),
        "flat rate": ({}, {"learning_rate": ("flat", "worse")}, "the lower end of learning_rate is defended as flat"),
        "penalty no limit": ({}, {"l2": ("limit", "worse")}, "the lower end of l2 is not a limit"),
        "dropout no limit": ({}, {"dropout": ("limit", "limit")}, "the upper end of dropout is not a limit"),
        "flat where it falls": ({}, {"l2": ("flat", "flat")}, "at the upper end of l2, the score is not flat"),
        "worse where it is flat": ({}, {"l2": ("worse", "worse")}, "at the lower end of l2, the score is not worse"),
        "one word": ({}, {"l2": "flat"}, "the ends of l2 are not two of the allowed words"),
        "another word": ({}, {"l2": ("flat", "bad")}, "the ends of l2 are not two of the allowed words"),
    }.items()}

# 6.4

STUDIES = exercises.studies()
DIFFERENCE = stats.paired_difference(STUDIES["momentum"], "momentum", between=(0.8, 0.9))


def _momentum():
    momentum = STUDIES["momentum"]
    return (momentum.sel(momentum=0.9) - momentum.sel(momentum=0.8)).values


CONCLUSIONS = [({"a", "c", "e", "g"}, DIFFERENCE), ("aceg", ht.student(_momentum())),
               (["G", "E", "C", "A"], {name: float(DIFFERENCE[name]) for name in ("mean", "low", "high")})]
NOT_CONCLUSIONS = {
    **{name: ((allowed, DIFFERENCE), message) for name, (allowed, message) in {
        "all": (set("abcdefghi"), "the bars of two means say little about their difference"),
        "overlap": (set("abeg"), "the bars of two means say little"),
        "no effect": (set("acdeg"), "does not mean that the effect is 0"),
        "the edge": (set("acefg"), "nobody knows whether 512 units"),
        "unequal budgets": (set("acegh"), "how many trials did each of the two optimizers have"),
        "the rate": (set("acegi"), "each point has its own learning rate"),
        "momentum left out": (set("ceg"), "do the curves fall on both sides"),
        "pairs left out": (set("aeg"), "does its interval contain 0"),
        "equivalence left out": (set("acg"), "how large could the difference be"),
        "growth left out": (set("ace"), "which widths has nobody tried"),
        "unknown": ({"x"}, "there is no conclusion x"),
    }.items()},
    **{name: ((set("aceg"), answer), message) for name, (answer, message) in {
        "wrong sign": (stats.paired_difference(STUDIES["momentum"], "momentum", between=(0.9, 0.8)), "the wrong sign"),
        "unpaired": (stats.unpaired_difference(STUDIES["momentum"], "momentum", between=(0.8, 0.9)),
                     "too wide for paired differences"),
        "another pair": (stats.paired_difference(STUDIES["momentum"], "momentum", between=(0.0, 0.9)),
                         "the mean difference is wrong"),
        "the mean only": (DIFFERENCE["mean"], "return mean, low, high"),
        "standard deviation": (np.mean(_momentum()) + np.array([0, -1, 1]) * np.std(_momentum(), ddof=1),
                               "the standard deviation, not the interval of the mean"),
        "normal": (np.mean(_momentum()) + np.array([0, -1.96, 1.96]) * np.std(_momentum(), ddof=1) / 12**0.5,
                   "uses a normal distribution"),
        "order": ([float(DIFFERENCE[name]) for name in ("mean", "high", "low")], "return mean, low, high"),
    }.items()},
}

# 6.5


def curse(validation, test):
    return ht.student([one[one.argmax()] - other[one.argmax()] for one, other in zip(validation, test, strict=True)])


def curse_by_xarray(validation, test):
    chosen = np.argmax(validation, axis=1)[:, None]
    pair = xr.DataArray([np.take_along_axis(scores, chosen, 1)[:, 0] for scores in (test, validation)],
                        {"images": ["test", "validation"]}, ("images", "seed"))
    return stats.paired_difference(pair, "images", between=("test", "validation"))


def wrong_curse(difference):
    """A gap with one mistake; `difference` takes both scores and the place of the choice in each search."""
    def answer(validation, test):
        return ht.student(difference(np.asarray(validation), np.asarray(test), np.argmax(validation, axis=1),
                                     np.arange(len(validation))))

    return answer


def curse_from(spread):
    """The right mean with another interval; `spread` takes the differences."""
    def answer(validation, test):
        luck = np.array([one[one.argmax()] - other[one.argmax()] for one, other in zip(validation, test, strict=True)])
        return luck.mean(), luck.mean() - spread(luck), luck.mean() + spread(luck)

    return answer


def curse_unpaired(validation, test):
    chosen, rows = validation.argmax(1), np.arange(len(validation))
    both = xr.DataArray([test[rows, chosen], validation[rows, chosen]], {"images": [0, 1]}, ("images", "seed"))
    return stats.unpaired_difference(both, "images", between=(0, 1))


def curse_of_scores(validation, test):
    """The interval of the validation scores around the gap."""
    chosen, rows = validation.argmax(1), np.arange(len(validation))
    mean, low, high = ht.student(validation[rows, chosen])
    gap = (validation - test)[rows, chosen].mean()
    return gap, gap + low - mean, gap + high - mean


def searched():
    """Scores as a learner's searches give them."""
    rng = np.random.default_rng(3)
    true = rng.uniform(0.6, 0.88, (24, 40))
    return true + rng.normal(0, 0.05, true.shape), true + rng.normal(0, 0.015, true.shape)


VALIDATION, TEST = searched()
GAP, HONEST = curse(VALIDATION, TEST), TEST[0, VALIDATION[0].argmax()]


CURSES = [(curse, VALIDATION, TEST, GAP, HONEST),
          (curse_by_xarray, VALIDATION.tolist(), TEST.tolist(), curse_by_xarray(VALIDATION, TEST), np.array(HONEST))]
NOT_CURSES = {
    **{name: ((answer, VALIDATION, TEST, GAP, HONEST), message) for name, (answer, message) in {
        "wrong sign": (wrong_curse(lambda v, t, c, r: t[r, c] - v[r, c]), "the wrong sign"),
        "best on test": (wrong_curse(lambda v, t, c, r: v.max(1) - t.max(1)), "uses the best test score"),
        "test chooses": (wrong_curse(lambda v, t, c, r: v[r, t.argmax(1)] - t.max(1)), "lets the test images choose"),
        "all trials": (wrong_curse(lambda v, t, c, r: (v - t).mean(1)), "averages over all trials"),
        "mean on test": (wrong_curse(lambda v, t, c, r: v.max(1) - t.mean(1)), "uses the mean test score"),
        "the last": (wrong_curse(lambda v, t, c, r: v[:, -1] - t[:, -1]), "uses the last trial"),
        "relative": (wrong_curse(lambda v, t, c, r: (v[r, c] - t[r, c]) / t[r, c]), "wrong: compute validation minus"),
        "unpaired": (curse_unpaired, "too wide for paired differences"),
        "of the scores": (curse_of_scores, "the interval is"),
        "standard deviation": (curse_from(lambda luck: luck.std(ddof=1)), "the standard deviation"),
        "of single ones": (curse_from(lambda luck: 1.96 * luck.std(ddof=1)), "is for single differences"),
        "normal": (curse_from(lambda luck: 1.96 * luck.std(ddof=1) / len(luck)**0.5), "a normal distribution"),
        "the mean only": (lambda *given: curse(*given)[0], "return mean, low, high"),
    }.items()},
    **{name: ((curse, *answer), message) for name, (answer, message) in {
        "three searches": ((VALIDATION[:3], TEST[:3], curse(VALIDATION[:3], TEST[:3]), HONEST), "there are 3 searches"),
        "always one seed": ((VALIDATION[:1].repeat(20, 0), TEST[:1].repeat(20, 0), GAP, HONEST),
                            "one search appears twice"),
        "validation twice": ((VALIDATION, VALIDATION, GAP, HONEST), "validation and test are the same scores"),
        "transposed": ((VALIDATION, TEST.T, GAP, HONEST), "validation has shape (24, 40) and test (40, 24)"),
        "another gap": ((VALIDATION, TEST, curse(VALIDATION[:12], TEST[:12]), HONEST),
                        "gap is not your function's result for your searches"),
        "the score that chose": ((VALIDATION, TEST, GAP, VALIDATION[0].max()), "you report the score that chose"),
        "the best on test": ((VALIDATION, TEST, GAP, TEST[0].max()), "the best test score of all trials"),
        "the mean on test": ((VALIDATION, TEST, GAP, TEST[0].mean()), "the mean test score of all trials"),
        "less the gap": ((VALIDATION, TEST, GAP, VALIDATION[0].max() - GAP[0]), "minus the mean gap"),
        "another search": ((VALIDATION, TEST, GAP, TEST[1, VALIDATION[1].argmax()]),
                           "do not report the test score of the first search's choice"),
        "words": ((VALIDATION, TEST, GAP, "0.8"), "honest is not a number"),
    }.items()},
}

# 6.6

TASK = exercises.capstone()
TRIED = {"baseline": [({"learning_rate": rate}, score) for rate, score in zip(
             [0.01, 0.03, 0.1, 0.3], [0.7, 0.85, 0.88, 0.8], strict=True)],
         "mine": [({"learning_rate": rate, "l2": l2}, score) for rate, l2, score in zip(
             [0.03, 0.03, 0.1, 0.1], [0.001, 0.01, 0.001, 0.01], [0.86, 0.87, 0.88, 0.9], strict=True)]}
CHOSEN = {"baseline": {"learning_rate": 0.1}, "mine": {"learning_rate": np.float64(0.1), "l2": 0.01}}
FIRST = dict(enumerate([0.86, 0.88, 0.87, 0.85, 0.89, 0.87]))


def second(gain, spread=0.004):
    """Scores that lie above those of the baseline."""
    noise = np.array([1, -1, 0.5, -0.5, 1.5, -1.5]) * spread
    return {seed: FIRST[seed] + gain + noise[seed] for seed in FIRST}


def compared(first, other):
    return ht.student([other[seed] - first[seed] for seed in first])


@functools.cache
def folder():
    """Two saved networks; what the first of them is worth on the images."""
    import keras

    keras.utils.set_random_seed(0)
    path = pathlib.Path(tempfile.mkdtemp())
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(TASK.x_train, TASK.y_train, epochs=20, verbose=0)
    model.save(path / "model.keras")
    keras.Sequential([keras.Input((64,)), keras.layers.Dense(3)]).save(path / "other.keras")
    (path / "broken.keras").write_text("no model")
    scores = [float((model.predict(x, verbose=0).argmax(1) == y).mean()) for x, y in (vars(TASK)["test"], (
        TASK.x_val, TASK.y_val))]
    return path, *scores


def report(gain=0.03, claim="better", spread=0.004, looks=1, model="model.keras", test=lambda test, val: test,
           **changed):
    """What a learner hands in, made when it is judged: the saved network needs Keras."""
    def made():
        path, on_test, on_val = folder()
        scores = {"baseline": FIRST, "mine": second(gain, spread)}
        return ({"tuning": TRIED, "tuning_seeds": [90, 91], "chosen": CHOSEN, "scores": scores,
                 "difference": compared(FIRST, scores["mine"]), "claim": claim, "model": str(path / model),
                 "test_accuracy": test(on_test, on_val)} | changed, looks)

    return made


def reported(made):
    if made is ...:
        ht.reported(..., TASK)
        return
    given, looks = made()
    ht.reported(given, exercises.capstone().replace(looks=["opened"] * looks if isinstance(looks, int) else looks))


def _as_a_path():
    given, looks = report(tuning_seeds=range(90, 93))()
    swapped = {arm: dict(reversed(scores.items())) for arm, scores in given["scores"].items()}
    return given | {"model": pathlib.Path(given["model"]), "scores": swapped, "difference": {
        name: value for name, value in zip(("mean", "low", "high"), given["difference"], strict=True)}}, looks


def without(key):
    def made():
        given, looks = report()()
        return {name: value for name, value in given.items() if name != key}, looks

    return made


SCORES = second(0.03)
BOTH = {"baseline": FIRST, "mine": SCORES}
REPORTS = [report(), _as_a_path, report(0.001, "undecided"), report(-0.03, "worse")]
NOT_REPORTS = {
    "claims too much": (report(0.001, "better"), "the claim is “better”, but the interval says “undecided”"),
    "claims too little": (report(0.03, "undecided"), "the interval says “better”"),
    "hides a loss": (report(-0.03, "undecided"), "the interval says “worse”"),
    "another word": (report(claim="significant"), "choose from better, undecided, worse"),
    "wrong sign": (report(difference=compared(SCORES, FIRST)), "the difference has the wrong sign"),
    "unpaired": (report(difference=stats.unpaired_difference(xr.DataArray(
        [list(FIRST.values()), list(SCORES.values())], {"arm": [0, 1]}, ("arm", "seed")), "arm", between=(0, 1))),
        "too wide for paired differences"),
    "another mean": (report(difference=(0.05, 0.04, 0.06)), "the mean difference is wrong"),
    "four seeds": (report(scores={arm: {seed: BOTH[arm][seed] for seed in range(4)} for arm in BOTH}),
                   "there are 4 seeds"),
    "other seeds": (report(scores=BOTH | {"mine": {seed + 10: score for seed, score in SCORES.items()}}),
                    "the two arms do not have the same seeds"),
    "lists of scores": (report(scores={arm: list(BOTH[arm].values()) for arm in BOTH}),
                        "the scores of baseline are not a dict"),
    "seeds that chose": (report(tuning_seeds=[0, 1]), "seed 0 both chooses and measures"),
    "no seeds chose": (report(tuning_seeds=[]), "tuning_seeds is empty"),
    "percent": (report(scores={arm: {seed: 100 * score for seed, score in BOTH[arm].items()} for arm in BOTH}),
                "a score is not an accuracy"),
    "unequal budgets": (report(tuning=TRIED | {"baseline": TRIED["baseline"][2:3]}),
                        "baseline was tuned with 1 trials and mine with 4"),
    "padded budget": (report(tuning=TRIED | {"baseline": TRIED["baseline"][2:3] * 4}),
                      "a configuration of baseline is counted twice"),
    "not the best": (report(chosen=CHOSEN | {"baseline": {"learning_rate": 0.01}}),
                     "the choice for baseline is not the best of its tuning"),
    "never tried": (report(chosen=CHOSEN | {"mine": {"learning_rate": 0.2, "l2": 0.01}}),
                    "the choice for mine was never tried"),
    "one arm": (report(tuning={"mine": TRIED["mine"]}), "tuning does not have the arms baseline and mine"),
    "scores without configurations": (report(tuning={arm: [0.1, 0.2] for arm in TRIED}),
                                      "the tuning of baseline is not a list of trials"),
    "opened twice": (report(looks=2), "the test set was opened 2 times"),
    "peeked first": (report(looks=["read", "opened"]), "the test set was read without being opened"),
    "never opened": (report(looks=0), "the test set was never opened"),
    "validation accuracy": (report(test=lambda test, val: val), "test_accuracy is the validation accuracy"),
    "another network": (report(test=lambda test, val: test - 0.1), "the saved model scores"),
    "no file": (report(model="nowhere.keras"), "there is no model at the given path"),
    "a broken file": (report(model="broken.keras"), "the model cannot be loaded"),
    "another model": (report(model="other.keras"), "the model does not return 10 numbers"),
    "no claim": (without("claim"), "the report lacks claim"),
    "no test": (without("test_accuracy"), "the report lacks test_accuracy: test_accuracy: a number"),
}

# 6.7

SENT = exercises.search_manuscript()
CHOICE = int(np.argmax(SENT.theirs.values))
TRUE = float(SENT.fresh[CHOICE])


FLAWS = [({"a", "c", "d", "f"}, TRUE), ("acdf", SENT.fresh[CHOICE]), (["F", "D", "C", "A"], np.float64(TRUE))]
NOT_FLAWS = {
    **{name: ((flaws, TRUE), message) for name, (flaws, message) in {
        "all": (set("abcdefgh"), "random search is sound"),
        "sampler": (set("abcdf"), "random search is sound"),
        "scale": (set("acdef"), "a learning rate acts by factors"),
        "seed": (set("acdfg"), "a seed makes a search repeatable"),
        "mean": (set("acdfh"), "the mean says nothing about it"),
        "leak let pass": (set("cdf"), "which images chose the best of 200 trials"),
        "budget let pass": (set("adf"), "how many trials did each of the two networks have"),
        "one run let pass": (set("acf"), "how many training runs does each of the two numbers"),
        "edge let pass": (set("acd"), "where in the searched range"),
        "unknown": ({"z"}, "there is no objection z"),
    }.items()},
    **{name: ((set("acdf"), answer), message) for name, (answer, message) in {
        "theirs": (float(SENT.theirs.max()), "your honest number is their own number"),
        "best of fresh": (float(SENT.fresh.max()), "the best of all trials on fresh images"),
        "mean of fresh": (float(SENT.fresh.mean()), "the mean of all trials"),
        "baseline": (SENT.attrs["baseline on fresh images"], "that of the baseline"),
        "worst": (float(SENT.fresh[int(np.argmin(SENT.theirs.values))]), "that of their worst trial"),
        "both": (TRUE - SENT.attrs["baseline"], "not the accuracy of their choice on fresh images"),
        "letters": ("acdf", "honest is not a number"),
    }.items()},
}

ALL = [("6.1", ht.search, SEARCHES, NOT_SEARCHES), ("6.2", ht.halving, HALVINGS, NOT_HALVINGS),
       ("6.3", spread(ht.defended), SPACES, NOT_SPACES), ("6.4", spread(ht.isolation), CONCLUSIONS, NOT_CONCLUSIONS),
       ("6.5", spread(ht.curse), CURSES, NOT_CURSES), ("6.6", reported, REPORTS, NOT_REPORTS),
       ("6.7", spread(ht.referee), FLAWS, NOT_FLAWS)]
# Those that ask for more than one function, or for none.
UNANSWERED = {"6.3": [(..., ...), (SPACE, ...), (SPACE | {"l2": ...}, ENDS), (SPACE, ENDS | {"l2": ...})],
              "6.4": [(..., ...), (set(), DIFFERENCE), (set("aceg"), ...)],
              "6.5": [(blank, ..., ..., ..., ...), (blank, VALIDATION, TEST, GAP, HONEST),
                      (curse, VALIDATION, TEST, GAP, ...)],
              "6.6": [..., lambda: (report()()[0] | {"claim": ...}, 1)],
              "6.7": [(..., ...), (set(), TRUE), (set("acdf"), ...)]}
