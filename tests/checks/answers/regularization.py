"""Answers to exercise 04."""

import math

import numpy as np
import xarray as xr

from course_utils import early_stopping
from course_utils.checks import regularization as reg

# 4.1


def gradients(w, l1, l2):
    return l1 * np.sign(w), 2 * l2 * w


def gradients_in_loops(w, l1, l2):
    of_l1, of_l2 = np.zeros(w.shape), np.zeros(w.shape)
    for index, value in np.ndenumerate(w):
        of_l1[index] = 0 if value == 0 else l1 if value > 0 else -l1
        of_l2[index] = l2 * (value + value)
    return [of_l1, of_l2]


def gradients_by_differences(w, l1, l2):
    return tuple(reg.central_differences(penalty, w, 1e-8) for penalty in reg.keras_penalties(l1, l2))


def gradients_in_a_stack(w, l1, l2):
    return np.stack(gradients(w, l1, l2)).astype("float32")


def gradients_by_tensorflow(w, l1, l2):
    import tensorflow as tf

    weights = tf.Variable(w)
    with tf.GradientTape(persistent=True) as tape:
        penalties = l1 * tf.reduce_sum(tf.abs(weights)), l2 * tf.reduce_sum(weights**2)
    return [tape.gradient(penalty, weights) for penalty in penalties]


def wrong_gradients(l1=None, l2=None):
    """Both gradients, one of them with a mistake."""
    def answer(w, strength1, strength2):
        right = gradients(w, strength1, strength2)
        return l1(w, strength1) if l1 else right[0], l2(w, strength2) if l2 else right[1]

    return answer


def gradients_of_matrices(w, l1, l2):
    of_l1 = np.zeros(w.shape)
    for row in range(w.shape[0]):
        for column in range(w.shape[1]):
            of_l1[row, column] = l1 * np.sign(w[row, column])
    return of_l1, 2 * l2 * w


def gradients_in_place(w, l1, l2):
    of_l1 = l1 * np.sign(w)
    w *= 2 * l2
    return of_l1, w


GRADIENTS = [gradients, gradients_in_loops, gradients_by_differences, gradients_by_tensorflow,
             gradients_in_a_stack]
NOT_GRADIENTS = {
    "half": (wrong_gradients(l2=lambda w, s: s * w), "has no ½"),
    "no strength": (wrong_gradients(l2=lambda w, s: 2 * w), "the gradient of L2 lacks the strength"),
    "no strength of l1": (wrong_gradients(l1=lambda w, s: np.sign(w)), "the gradient of L1 lacks the strength"),
    "no sign": (wrong_gradients(l1=lambda w, s: s * np.ones(w.shape)), "the gradient of L1 has no sign"),
    "one number": (wrong_gradients(l1=lambda w, s: s), "gradient of l1 has shape ()"),
    "proportional": (wrong_gradients(l1=lambda w, s: s * w), "the gradient of L1 grows with the weight"),
    "divided by |w|": (wrong_gradients(l1=lambda w, s: s * w / np.abs(w)), "is nan where a weight is 0"),
    "at zero": (wrong_gradients(l1=lambda w, s: np.where(w >= 0, s, -s)), "moves a weight that is exactly 0"),
    "two dimensions": (gradients_of_matrices, "your line"),
    "smooth": (wrong_gradients(l1=lambda w, s: s * np.tanh(20 * w)), "not the slope of Keras's penalty"),
    "small is zero": (wrong_gradients(l1=lambda w, s: np.where(np.abs(w) < 0.01, 0, s * np.sign(w))),
                      "not the slope of Keras's penalty"),
    "mean": (wrong_gradients(l2=lambda w, s: 2 * s * w / w.size), "the gradient of L2 is that of a mean"),
    "mean of l1": (wrong_gradients(l1=lambda w, s: s * np.sign(w) / w.size), "the gradient of L1 is that of a mean"),
    "norm": (wrong_gradients(l2=lambda w, s: s * w / np.linalg.norm(w)), "the gradient of L2 is that of the norm"),
    "penalties": (lambda w, l1, l2: (l1 * np.abs(w).sum(), l2 * np.sum(w**2)), "gradient of l1 has shape ()"),
    "penalty of each": (wrong_gradients(l1=lambda w, s: s * np.abs(w)), "the penalty of each weight"),
    "squares": (wrong_gradients(l2=lambda w, s: s * w**2), "take the derivative of w² with respect to w"),
    "absolute": (wrong_gradients(l2=lambda w, s: 2 * s * np.abs(w)), "the gradient of L2 has lost its sign"),
    "downhill": (lambda *given: [-one for one in gradients(*given)], "the gradient of L1 points downhill"),
    "swapped": (lambda *given: gradients(*given)[::-1], "the gradients are swapped"),
    "both in one": (lambda *given: sum(gradients(*given)), "return gradient of l1, gradient of l2, in this order"),
    "strengths of their own": (lambda w, l1, l2: gradients(w, 0.25, 0.375), "use the arguments l1 and l2"),
    "in place": (gradients_in_place, "changes its argument w"),
}

# 4.2


def step(w, velocity, gradient, learning_rate, momentum, weight_decay, is_kernel):
    velocity = momentum * velocity - learning_rate * gradient
    decayed = w - learning_rate * weight_decay * w if is_kernel else w
    return decayed + velocity, velocity


def step_in_one(w, v, g, rate, m, decay, kernel):
    new = m * v - rate * g
    return (1 - rate * decay * bool(kernel)) * w + new, new


def step_by_keras(w, velocity, gradient, rate, momentum, decay, is_kernel):
    return reg.by_keras(w, velocity, gradient, {"learning_rate": rate, "momentum": momentum,
                                                "weight_decay": decay if is_kernel else 0.0})


def wrong_step(w=None, v=None, everything=False):
    """A step with one mistake: another formula for the weight, or for the velocity."""
    def answer(weight, velocity, gradient, rate, momentum, decay, is_kernel):
        decay = decay if is_kernel or everything else 0.0
        knobs = {"w": weight, "v": velocity, "g": gradient, "rate": rate, "m": momentum, "d": decay}
        new = v(**knobs) if v else momentum * velocity - rate * gradient
        return (w(new=new, **knobs) if w else (1 - rate * decay) * weight + new), new

    return answer


def l2_in_the_gradient(factor):
    def answer(w, v, g, rate, m, decay, is_kernel):
        new = m * v - rate * (g + factor * decay * w * is_kernel)
        return w + new, new

    return answer


class Remembers:
    """Keeps a velocity of its own."""

    def __init__(self):
        self.velocity = None

    def __call__(self, w, velocity, gradient, rate, momentum, decay, is_kernel):
        if self.velocity is None or not is_kernel:
            self.velocity = velocity
        w, self.velocity = step(w, self.velocity, gradient, rate, momentum, decay, is_kernel)
        return w, self.velocity


def step_in_place(w, velocity, gradient, rate, momentum, decay, is_kernel):
    velocity *= momentum
    velocity -= rate * gradient
    return w - rate * decay * w * is_kernel + velocity, velocity


STEPS = [step, step_in_one, step_by_keras, lambda *given: np.stack(step(*given)),
         lambda *given: [one.astype("float32") for one in step(*given)]]
NOT_STEPS = {
    "L2 in the gradient": (l2_in_the_gradient(1), "the velocity includes the decay"),
    "L2 in the gradient, twice": (l2_in_the_gradient(2), "the velocity includes the decay"),
    "decay in the velocity": (wrong_step(v=lambda w, v, g, rate, m, d: m * v - rate * g - d * w, w=lambda w, new, **_:
                                         w + new), "so subtract it from the weight itself"),
    "no learning rate": (wrong_step(lambda w, new, d, **_: w - d * w + new), "not multiplied by the learning rate"),
    "kernels by their shape": (lambda w, *given: step(w, *given[:-1], given[-1] and w.ndim > 1),
                               "the weights of shape (5,) differ from Keras's"),
    "biases without momentum": (lambda *given: step(*given) if given[-1] else (step(*given)[0], -given[3] * given[2]),
                                "a weight that is not a kernel does not take the same step"),
    "biases too": (wrong_step(everything=True), "a weight that is not a kernel is decayed too"),
    "nothing decayed": (wrong_step(lambda w, new, **_: w + new), "nothing is decayed"),
    "twice": (wrong_step(lambda w, new, rate, d, **_: (1 - 2 * rate * d) * w + new), "twice as strong"),
    "grows": (wrong_step(lambda w, new, rate, d, **_: (1 + rate * d) * w + new), "the weight grows"),
    "after the step": (wrong_step(lambda w, new, rate, d, **_: (1 - rate * d) * (w + new)), "comes after the step"),
    "same amount": (wrong_step(lambda w, new, rate, d, **_: w - rate * d * np.sign(w) + new), "the same amount"),
    "velocity subtracted": (wrong_step(lambda w, new, rate, d, **_: (1 - rate * d) * w - new), "is subtracted"),
    "no momentum": (wrong_step(lambda w, g, rate, d, **_: (1 - rate * d) * w - rate * g), "momentum has no effect"),
    "old velocity": (wrong_step(lambda w, v, rate, d, **_: (1 - rate * d) * w + v), "moved by the old velocity"),
    "Nesterov": (wrong_step(lambda w, new, g, rate, m, d, **_: (1 - rate * d) * w + m * new - rate * g), "Nesterov's"),
    "as in PyTorch": (wrong_step(lambda w, new, rate, d, **_: (1 - rate * d) * w - rate * new,
                                 v=lambda v, g, m, **_: m * v + g), "outside the velocity"),
    "uphill": (wrong_step(lambda w, new, rate, d, **_: (1 - rate * d) * w - new,
                          v=lambda v, g, rate, m, **_: m * v + rate * g), "points uphill"),
    "average": (wrong_step(v=lambda v, g, rate, m, **_: m * v - (1 - m) * rate * g), "the velocity is an average"),
    "forgotten": (wrong_step(v=lambda g, rate, **_: -rate * g), "the old velocity is forgotten"),
    "velocity not returned": (lambda *given: (step(*given)[0], given[1]), "the velocity has not changed"),
    "weight only": (lambda *given: step(*given)[0], "return w, velocity, in this order"),
    "swapped": (lambda *given: step(*given)[::-1], "weight and velocity are swapped"),
    "remembers": (Remembers(), "remember nothing between calls"),
    "in place": (step_in_place, "changes its argument velocity"),
}

# 4.3


def stop(losses, patience, min_delta):
    best, kept = losses[0], 1
    for epoch, loss in enumerate(losses[1:], 2):
        if loss < best - min_delta:
            best, kept = loss, epoch
        elif epoch - kept >= patience:
            return kept, epoch
    return kept, len(losses)


def stop_by_waiting(losses, patience, min_delta):
    best, wait, kept = np.inf, 0, None
    for epoch in range(len(losses)):
        wait += 1
        if losses[epoch] + min_delta < best:
            best, wait, kept = losses[epoch], 0, epoch
        if wait == patience:
            break
    return np.array([kept, epoch]) + 1


def stop_by_the_course(losses, patience, min_delta):
    runs = xr.Dataset({"val_loss": ("epoch", losses)}, {"epoch": range(1, len(losses) + 1)})
    kept = early_stopping(runs, patience=patience, min_delta=min_delta)
    return int(kept.epoch), int(kept.stopped_epoch)


def wrong_stop(*, better=lambda loss, best, delta: loss < best - delta, extra=0, reset=True, previous=False,
               lowest=False, floor=False, start=math.inf):
    """Early stopping with one mistake."""
    def answer(losses, patience, min_delta):
        best, kept, wait = min(start, losses[0]), 1, 0
        for epoch, loss in enumerate(losses[1:], 2):
            if better(loss, losses[epoch - 2] if previous else best, min_delta):
                best, kept, wait = loss, epoch, 0 if reset else wait
            else:
                best, wait = min(best, loss) if floor else best, wait + 1
                if wait >= patience + extra:
                    break
        return (int(np.argmin(losses[:epoch])) + 1 if lowest else kept), epoch

    return answer


def stop_unless_best(losses, patience, min_delta):
    """A best loss of 0 is taken for none."""
    best = kept = None
    for epoch, loss in enumerate(losses, 1):
        if not best or loss < best - min_delta:
            best, kept = loss, epoch
        elif epoch - kept == patience:
            break
    return kept, epoch


def stop_by_popping(losses, patience, min_delta):
    return stop([losses.pop(0) for _ in range(len(losses))], patience, min_delta)


def foresight(losses, patience, min_delta):
    return int(np.argmin(losses)) + 1, stop(losses, patience, min_delta)[1]


STOPS = [stop, stop_by_waiting, stop_by_the_course, lambda *given: reg.stopped_by_keras(*given)]
NOT_STOPS = {
    "one too long": (wrong_stop(extra=1), "training continues after patience has run out"),
    "0 is none": (stop_unless_best, "after a first loss of 0, the epochs are wrong"),
    "begins at 100": (wrong_stop(start=100.0), "after a first loss of 500, the epochs are wrong"),
    "empties the list": (stop_by_popping, "changes its argument losses"),
    "sorts the list": (lambda losses, *rest: (stop(losses, *rest), losses.sort())[0], "changes its argument losses"),
    "without the last": (lambda losses, *rest: stop(losses[:-1], *rest), "the last epoch is the last of the list"),
    "one too short": (wrong_stop(extra=-1), "training stops one epoch too early"),
    "last weights": (lambda *given: 2 * stop(*given)[1:], "the kept epoch and the last epoch are the same"),
    "no way back, best twice": (lambda *given: 2 * stop(*given)[:1], "the kept epoch and the last epoch are the same"),
    "foresight": (foresight, "you keep an epoch that was never trained"),
    "from zero": (lambda *given: [one - 1 for one in stop(*given)], "counted from 0"),
    "swapped": (lambda *given: stop(*given)[::-1], "the epochs are swapped"),
    "ties": (wrong_stop(better=lambda loss, best, delta: loss <= best - delta), "a tie counts as an improvement"),
    "the one before": (wrong_stop(previous=True), "compared with the one before it"),
    "never renewed": (wrong_stop(reset=False), "does not reset patience"),
    "no min_delta": (lambda losses, patience, min_delta: stop(losses, patience, 0.0), "min_delta is not used"),
    "just min_delta": (wrong_stop(better=lambda loss, best, delta: loss < best and loss <= best - delta),
                       "an improvement of exactly min_delta counts"),
    "never add up": (wrong_stop(floor=True), "small improvements never add up"),
    "the lowest": (wrong_stop(lowest=True), "does not improve by more than min_delta"),
    "never stops": (lambda losses, *rest: (int(np.argmin(losses)) + 1, len(losses)),
                    "training continues after patience has run out"),
    "nothing when all is well": (lambda *given: stop(*given) if stop(*given)[0] < stop(*given)[1] else None,
                                 "the function returns nothing"),
    "relative": (lambda losses, patience, min_delta: wrong_stop(better=lambda loss, best, delta: loss < best * (
        1 - delta))(losses, patience, min_delta), "as a fraction of the loss"),
    "kept only": (lambda *given: stop(*given)[0], "return kept, last, in this order"),
}

# 4.4


def report(train, data, strengths, seeds):
    final = train(data, strengths, seeds).val_accuracy.isel(epoch=-1).mean("seed")
    best = float(final.l2[final.argmax()])
    x_test, y_test = data.open_test()
    tested = train(data.replace(x_val=x_test, y_val=y_test), [best], seeds)
    return best, float(tested.val_accuracy.isel(epoch=-1).mean())


def report_in_loops(train, data, strengths, seeds):
    """One training after the other; the least crossentropy chooses; the report is of a training on all other data."""
    losses = []
    for strength in strengths:
        runs = [train(data, strength, seed).isel(epoch=-1) for seed in seeds]
        losses.append(np.mean([run.val_loss - run.penalty for run in runs]))
    best = strengths[int(np.argmin(losses))]
    x, y = data.open_test()
    everything = data.replace(x_train=np.concatenate([data.x_train, data.x_val]),
                              y_train=np.concatenate([data.y_train, data.y_val]), x_val=x, y_val=y)
    return best, np.mean([float(train(everything, best, seed).val_accuracy[-1]) for seed in seeds])


def report_of_places(train, data, strengths, seeds):
    runs = train(data, strengths, seeds)
    best = runs.val_accuracy.sel(epoch=runs.epoch.max()).mean("seed").idxmax("l2")
    x, y = data.open_test()
    tested = train(data.replace(x_val=x, y_val=y), best.values, seeds)
    return [best, tested.val_accuracy.sel(epoch=runs.epoch[-1]).mean("seed")]


def wrong_report(choose=None, score=None, *, first=False, test=None, seeds_chosen=None, opened=1, behind=False,
                 seeds_reported=None, both=True):
    """A report with one mistake: another choice, another score, or another use of the test set."""
    def answer(train, data, strengths, seeds):
        x, y = data.open_test() if first else data.test
        on_test = data.replace(x_val=x, y_val=y if both else y[::-1])
        runs = train(data, strengths, seeds[:seeds_chosen])
        final = runs.isel(epoch=-1)
        chosen = (choose(runs, final) if choose else final.val_accuracy.mean("seed")).idxmax("l2").item()
        if not first and not behind:
            for _ in range(opened):
                data.open_test()
        tested = train(on_test, strengths if test else [chosen], seeds[:seeds_reported])
        if test:
            chosen = tested.val_accuracy.isel(epoch=-1).mean("seed").idxmax("l2").item()
        return chosen, float(score(tested, final) if score else tested.val_accuracy.isel(epoch=-1).mean())

    return answer


def only_validation(train, data, strengths, seeds):
    final = train(data, strengths, seeds).val_accuracy.isel(epoch=-1).mean("seed")
    return float(final.idxmax("l2")), float(final.max())


def only_test(train, data, strengths, seeds):
    x, y = data.open_test()
    final = train(data.replace(x_val=x, y_val=y), strengths, seeds).val_accuracy.isel(epoch=-1).mean("seed")
    return float(final.idxmax("l2")), float(final.max())


def trained_on_test(train, data, strengths, seeds):
    best, _ = only_validation(train, data, strengths, seeds)
    x, y = data.open_test()
    data = data.replace(x_train=np.concatenate([data.x_train, x]), y_train=np.concatenate([data.y_train, y]),
                        x_val=x, y_val=y)
    return best, float(train(data, [best], seeds).val_accuracy.isel(epoch=-1).mean())


def trained_on_validation(train, data, strengths, seeds):
    return only_validation(train, data.replace(x_train=data.x_val, y_train=data.y_val), strengths, seeds)


def labels_left(train, data, strengths, seeds):
    best, _ = only_validation(train, data, strengths, seeds)
    x, _ = data.open_test()
    return best, float(train(data.replace(x_val=x), [best], seeds).val_accuracy.isel(epoch=-1).mean())


def in_order(train, data, strengths, seeds):
    """Takes the strengths for sorted."""
    final = train(data, strengths, seeds).val_accuracy.isel(epoch=-1).mean("seed")
    best = sorted(strengths)[int(final.argmax())]
    x, y = data.open_test()
    return best, float(train(data.replace(x_val=x, y_val=y), [best], seeds).val_accuracy.isel(epoch=-1).mean())


def place(train, data, strengths, seeds):
    best, accuracy = report(train, data, strengths, seeds)
    return strengths.index(best), accuracy


REPORTS = [report, report_in_loops, report_of_places]
NOT_REPORTS = {
    "test set chooses": (only_test, "more than one penalty is scored on the test set"),
    "test set chooses in the end": (wrong_report(test=True), "more than one penalty is scored on the test set"),
    "loss with the penalty": (wrong_report(lambda runs, final: -final.val_loss.mean("seed")),
                              "by a loss that includes it"),
    "training accuracy": (wrong_report(lambda runs, final: final.accuracy.mean("seed")), "by a training score"),
    "training loss": (wrong_report(lambda runs, final: -final.loss.mean("seed")), "by a training score"),
    "first seed": (wrong_report(lambda runs, final: final.val_accuracy.isel(seed=0)), "chosen from one seed"),
    "last seed by its crossentropy": (wrong_report(lambda runs, final: (final.penalty - final.val_loss).isel(seed=-1)),
                                      "chosen from one seed"),
    "one seed trained": (wrong_report(seeds_chosen=1), "from only some of the seeds"),
    "lucky run": (wrong_report(lambda runs, final: final.val_accuracy.max("seed")), "the best single run determines"),
    "early epoch": (wrong_report(lambda runs, final: runs.val_accuracy.mean("seed").max("epoch")), "early epoch"),
    "first epoch": (wrong_report(lambda runs, final: runs.val_accuracy[..., 0].mean("seed")), "early epoch"),
    "all epochs": (wrong_report(lambda runs, final: runs.val_accuracy.mean(["seed", "epoch"])), "mean over all epochs"),
    "all epochs by the crossentropy": (
        wrong_report(lambda runs, final: (runs.penalty - runs.val_loss).mean(["seed", "epoch"])), "over all epochs"),
    "worst seed": (wrong_report(lambda runs, final: final.val_accuracy.min("seed")), "the worst seed determines"),
    "median": (wrong_report(lambda runs, final: final.val_accuracy.median("seed")), "the median over the seeds"),
    "training and validation": (
        wrong_report(lambda runs, final: (final.accuracy + final.val_accuracy).mean("seed")), "influences the choice"),
    "smallest gap": (wrong_report(lambda runs, final: (final.val_accuracy - final.accuracy).mean("seed")),
                     "another penalty has the highest mean"),
    **{f"seed {place}": (wrong_report(lambda runs, final, place=place: final.val_accuracy.isel(seed=place)), message)
       for place, message in ((1, "the best single run"), (2, "the best single run"), (3, "another penalty has"))},
    "index mix-up": (in_order, "another penalty has the highest mean"),
    "old labels": (labels_left, "replace x_val and y_val together"),
    "validation reported": (only_validation, "they chose the penalty, so their score is too high"),
    "validation reported, test set opened": (
        wrong_report(score=lambda tested, final: final.val_accuracy.mean("seed").max()), "they chose the penalty, so"),
    "best seed reported": (wrong_report(score=lambda tested, final: tested.val_accuracy.isel(epoch=-1).max()),
                           "the accuracy of the best seed"),
    "first seed reported": (wrong_report(score=lambda tested, final: tested.val_accuracy[0, 0, -1]),
                            "the accuracy of a single seed"),
    "best epoch reported": (wrong_report(score=lambda tested, final: tested.val_accuracy.mean("seed").max()),
                            "the accuracy of the best epoch"),
    "two seeds reported": (wrong_report(seeds_reported=2), "the report leaves out some seeds"),
    "training accuracy reported": (wrong_report(score=lambda tested, final: tested.accuracy.isel(epoch=-1).mean()),
                                   "the accuracy on the training images"),
    "opened first": (wrong_report(first=True), "opened before the penalty is chosen"),
    "opened twice": (wrong_report(opened=2), "opened more than once"),
    "behind its back": (wrong_report(behind=True), "read without being opened"),
    "labels of others": (wrong_report(both=False), "replace x_val and y_val together"),
    "trained on test": (trained_on_test, "is trained on the test images"),
    "trained on validation": (trained_on_validation, "trained on images that also score it"),
    "a guess": (lambda train, data, strengths, seeds: (strengths[0], 0.9), "no penalty is scored on validation data"),
    "half of them": (lambda train, data, strengths, seeds: report(train, data, strengths[::2], seeds),
                     "not every penalty is scored"),
    "its place": (place, "return the strength, not its index"),
    "the strength only": (lambda *given: report(*given)[0], "return strength, accuracy, in this order"),
}

# 4.5

FLAWS = [{"b", "c", "e", "g"}, "bceg", ["G", "E", "C", "B"]]
NOT_FLAWS = {
    "all": (set("abcdefgh"), "common seeds pair the runs"),
    "biases": (set("bcdeg"), "biases are left out on purpose"),
    "penalized loss": (set("bcefg"), "a loss that includes the penalty does not tell"),
    "training accuracy": (set("bcegh"), "training accuracy rewards memorizing it"),
    "images let pass": (set("ceg"), "how many images did each"),
    "choice let pass": (set("beg"), "which images chose among"),
    "tuning let pass": (set("bcg"), "how many settings were tried"),
    "name let pass": (set("bce"), "what the title calls it"),
    "unknown": (set("bcegx"), "there is no objection x"),
}

ALL = [("4.1", reg.gradients, GRADIENTS, NOT_GRADIENTS), ("4.2", reg.decay, STEPS, NOT_STEPS),
       ("4.3", reg.stopping, STOPS, NOT_STOPS), ("4.4", reg.honest, REPORTS, NOT_REPORTS),
       ("4.5", reg.referee, FLAWS, NOT_FLAWS)]
UNANSWERED = {"4.5": [..., set()]}   # asks for no function
