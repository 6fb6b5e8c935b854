"""Checks of exercise 04: penalties, weight decay, early stopping, and an honest choice of a penalty."""

import itertools

import numpy as np

from course_utils.checks import arrays, call, check, close, expect, expect_close, expect_none_of
from course_utils.checks.shared import central_differences, label_of, objections
from course_utils.experiments.exercises import Watched


@check("4.1", "both gradients match the slopes of Keras's penalties, even at zero")
def gradients(penalty_gradients, rng):
    def answer(w, l1, l2):
        value = call(penalty_gradients, {"w": w, "l1": l1, "l2": l2})
        return (arrays(value, {"gradient of l1": w.shape, "gradient of l2": w.shape}),
                [central_differences(penalty, w, 1e-9) for penalty in keras_penalties(l1, l2)])

    w = 10 ** rng.uniform(-6, 0.5, (3, 4)) * np.array([1, -1, 1, -1])   # the slope of |w| is 1 wherever w is
    (of_l1, of_l2), right = answer(w, 0.25, 0.375)
    expect(not (close(of_l1, right[1]) and close(of_l2, right[0])), "the gradients are swapped",
           "return the gradient of the L1 penalty first")
    expect_none_of(of_l1, (
        (-right[0], "the gradient of L1 points downhill", "return the slope itself; the optimizer reverses its sign"),
        (np.sign(w), "the gradient of L1 lacks the strength", "the sum is multiplied by l1, and so is its slope"),
        (np.full(w.shape, 0.25), "the gradient of L1 has no sign",
         "where a weight is negative, its absolute value falls as the weight increases"),
        (0.25 * np.abs(w), "the gradient of L1 is the penalty of each weight",
         "how fast does |w| change with w, and does that depend on how large w is?"),
        (0.25 * w, "the gradient of L1 grows with the weight", "the slope of |w| is 1 or −1, however large w is"),
        (right[0] / w.size, "the gradient of L1 is that of a mean", "Keras sums over all weights")))
    expect_close(of_l1, right[0], "the gradient of L1 is not the slope of Keras's penalty",
                 "each weight appears once in the sum, as l1 · |w|, so take the derivative of that term")
    expect_none_of(of_l2, (
        (-right[1], "the gradient of L2 points downhill", "return the slope itself; the optimizer reverses its sign"),
        (0.375 * w, "the gradient of L2 is half of what it should be",
         "unlike in some books, Keras's penalty has no ½ before the sum"),
        (2 * w, "the gradient of L2 lacks the strength", "the sum is multiplied by l2, and so is its slope"),
        (w, "the gradient of L2 lacks the strength", "the sum is multiplied by l2, and so is its slope"),
        (0.375 * w**2, "the gradient of L2 is the penalty of each weight",
         "take the derivative of w² with respect to w"),
        (2 * 0.375 * np.abs(w), "the gradient of L2 has lost its sign", "the slope of w² is negative where w is"),
        (0.375 * w / np.linalg.norm(w), "the gradient of L2 is that of the norm",
         "the penalty is the sum of the squares, without a square root"),
        (right[1] / w.size, "the gradient of L2 is that of a mean", "Keras sums over all weights")))
    expect_close(of_l2, right[1], "the gradient of L2 is not the slope of Keras's penalty",
                 "each weight appears once in the sum, as l2 · w², so take the derivative of that term")
    for shape in ((3, 4), (5,), (2, 3, 4)):
        w = rng.normal(0, 1, shape)
        w.flat[[1, 3]] = 0
        at_zero, right = answer(w, 0.5, 0.125)
        expect(np.isfinite(at_zero[0]).all(), "the gradient of L1 is nan where a weight is 0",
               "do not divide by the weight; np.sign handles this case")
        expect_close(at_zero[0][w == 0], 0, "the gradient of L1 moves a weight that is exactly 0",
                     "the slope jumps from −l1 to l1 there, so use 0, the value in the middle")
        expect_close(at_zero, right, f"with other strengths, or weights of shape {shape}, the gradients differ from "
                     "Keras's", "use the arguments l1 and l2, and all dimensions of w")


def keras_penalties(l1, l2):
    """Keras's two penalties with these strengths."""
    from keras import regularizers

    lasso, ridge = regularizers.L1(l1), regularizers.L2(l2)
    lasso.l1 = l1   # Keras before 3.14 keeps it in float32, which it cannot multiply by float64
    return lasso, ridge


@check("4.2", "the decay acts on the kernel alone and does not affect the velocity")
def decay(decayed_step, rng):
    def step(w, velocity, gradient, knobs, is_kernel=True):
        value = call(decayed_step, {"w": w, "velocity": velocity, "gradient": gradient, **knobs,
                                    "is_kernel": is_kernel})
        return arrays(value, {"w": w.shape, "velocity": w.shape})

    knobs = {"learning_rate": 0.25, "momentum": 0.5, "weight_decay": 0.375}
    rate, momentum, strength = knobs.values()
    w, velocity, gradient = rng.normal(0, 1, (3, 3, 4)) + np.array([3, 0, 0])[:, None, None]
    new_w, new_velocity = step(w, velocity, gradient, knobs)
    right_w, right_velocity = by_keras(w, velocity, gradient, knobs)
    expect(not (close(new_w, right_velocity) and close(new_velocity, right_w)), "weight and velocity are swapped",
           "return the weight first")
    shrunk = (1 - rate * strength) * w
    expect_none_of(new_velocity, (
        (velocity, "the velocity has not changed", "return the new velocity, which you added to the weight"),
        *((right_velocity - factor * strength * w, "the velocity includes the decay",
           "in the gradient, decay becomes an L2 penalty that momentum repeats, so subtract it from the weight itself")
          for factor in (rate, 2 * rate, 1)),
        (momentum * velocity + rate * gradient, "the velocity points uphill",
         "in Keras, the velocity is added to the weight, so subtract the gradient"),
        (momentum * velocity + gradient, "the learning rate is outside the velocity",
         "that is the PyTorch convention; Keras multiplies the gradient by the learning rate"),
        (momentum * velocity - (1 - momentum) * rate * gradient, "the velocity is an average",
         "Keras's SGD adds the whole step: momentum · velocity − learning_rate · gradient"),
        (momentum * (velocity - rate * gradient), "momentum multiplies the new gradient too",
         "multiply only the old velocity by momentum"),
        (-rate * gradient, "the old velocity is forgotten", "keep momentum times the old velocity")))
    expect_close(new_velocity, right_velocity, "the velocity differs from Keras's",
                 "compute momentum · velocity − learning_rate · gradient")
    expect_none_of(new_w, (
        (w + right_velocity, "nothing is decayed", "shrink the weight by a fixed fraction in every step"),
        ((1 - strength) * w + right_velocity, "the decay is not multiplied by the learning rate",
         "Keras subtracts learning_rate · weight_decay · w, so that a schedule slows both"),
        ((1 - 2 * rate * strength) * w + right_velocity, "the decay is twice as strong as it should be",
         "the 2 belongs to the gradient of a square, and there is no square here"),
        ((1 + rate * strength) * w + right_velocity, "the weight grows", "decay makes it smaller, so subtract"),
        *((w + right_velocity - rate * strength * sign, "every weight loses the same amount",
           "the decay is proportional to the weight") for sign in (1, np.sign(w))),
        ((1 - rate * strength) * (w + right_velocity), "the decay comes after the step",
         "Keras shrinks the weight before the step"),
        (shrunk + velocity, "the weight is moved by the old velocity", "update the velocity first, then the weight"),
        (shrunk - right_velocity, "the velocity is subtracted", "it already points downhill, so add it"),
        (shrunk - rate * gradient, "momentum has no effect on the weight", "add the whole new velocity"),
        (shrunk + momentum * right_velocity - rate * gradient, "the step is Nesterov's",
         "here, simply add the new velocity"),
        (shrunk, "the weight is only decayed", "the SGD step comes next, so add the new velocity")))
    expect_close(new_w, right_w, "the weight differs from Keras's",
                 "subtract learning_rate · weight_decay · w, then add the new velocity")
    bias, new_velocity = step(w, velocity, gradient, knobs, is_kernel=False)
    expect(not close(bias, right_w), "a weight that is not a kernel is decayed too",
           "leave biases, β, and γ alone, depending on is_kernel")
    expect_close([bias, new_velocity], [w + right_velocity, right_velocity],
                 "a weight that is not a kernel does not take the same step as SGD", "leave out only the decay")
    knobs = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.5}
    for shape in ((3, 4), (5,), (2, 3, 4)):
        mine = theirs = tuple(rng.normal(0, 1, (2, *shape)))
        for gradient in rng.normal(0, 1, (4, *shape)):
            mine, theirs = step(*mine, gradient, knobs), by_keras(*theirs, gradient, knobs)
        expect_close(mine, theirs, f"after four steps, the weights of shape {shape} differ from Keras's",
                     "use all arguments as they are given, and remember nothing between calls")


def by_keras(w, velocity, gradient, knobs):
    """Weight and velocity after one step of Keras's SGD."""
    import keras

    optimizer = keras.optimizers.SGD(**knobs)
    weight = keras.Variable(w, dtype="float32")
    optimizer.build([weight])
    optimizer.momentums[0].assign(velocity)
    optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")])
    return weight.numpy(), optimizer.momentums[0].numpy()


@check("4.3", "training stops, and keeps an epoch, exactly as Keras's callback does")
def stopping(early_stop, rng):
    def stop(losses, patience, min_delta=0.0):
        value = call(early_stop, {"losses": losses, "patience": patience, "min_delta": min_delta})
        return tuple(float(number) for number in arrays(value, {"kept": (), "last": ()}))

    # Keras gives the right answers unless stated otherwise. All numbers are exact in binary, so ties are ties.
    kept, last = stop([1.0, 0.75, 0.5, 0.625, 0.75, 0.25], 2)   # (3, 5)
    expect((kept, last) != (5, 3), "the epochs are swapped", "return the epoch that is kept first")
    expect((kept, last) != (2, 4), "the epochs are counted from 0", "the first one is epoch 1")
    expect((kept, last) not in {(3, 3), (5, 5)}, "the kept epoch and the last epoch are the same",
           "training stops patience epochs after the best one and goes back to the best")
    expect((kept, last) != (6, 5), "you keep an epoch that was never trained",
           "there are no losses after training stops, so go through them one by one")
    expect(last != 4, "training stops one epoch too early",
           "with a patience of 2, wait for two epochs without improvement")
    expect(last != 6, "training continues after patience has run out",
           "stop at the end of the patience-th epoch without improvement")
    expect((kept, last) == (3, 5), "with a patience of 2, the epochs are wrong",
           "count the epochs since the best one, and stop when the count equals patience")
    expect(stop([1.0, 0.75, 0.5], 2) == (3, 3) and stop([1.0, 0.5, 0.75], 2) == (2, 3),
           "the epochs are wrong if patience never runs out", "then the last epoch is the last of the list")
    expect(stop([0.5, 0.5, 0.5, 0.25], 2) == (1, 3), "a tie counts as an improvement", "the loss has to be lower")
    expect(stop([0.5, 0.75, 0.625, 0.75, 0.875], 2) == (1, 3), "a loss is compared with the one before it",
           "compare it with the best loss so far")
    expect(stop([1.0, 1.25, 0.75, 1.0, 0.5, 0.5, 0.75, 0.25], 2) == (5, 7),
           "an improvement does not reset patience", "start counting from 0 again")
    for first in (-2.0, 0.0, 500.0):
        expect(stop([first, first + 0.5, first + 1, first - 1], 2) == (1, 3)
               and stop([first, first + 0.5, first - 0.25, first, first, first - 1], 2) == (3, 5),
               f"after a first loss of {first:g}, the epochs are wrong",
               "the first epoch is the best so far, whatever its loss, so start with losses[0]")
    kept, last = stop([1.0, 0.875, 0.75, 0.625, 0.5625, 0.5625, 0.5625, 0.5625], 3, 0.25)   # (4, 7)
    expect((kept, last) != (5, 8), "min_delta is not used", "a smaller improvement than that does not count")
    expect(last != 4, "small improvements never add up",
           "the best loss changes only when you count an improvement, not at other lower losses")
    expect(last != 6, "an improvement of exactly min_delta counts", "it has to be larger")
    expect((kept, last) != (5, 7), "the kept epoch does not improve by more than min_delta",
           "keep the weights when you count an improvement, and only then")
    expect((kept, last) == (4, 7), "with a min_delta, the epochs are wrong",
           "an improvement is a loss below the best by more than min_delta")
    expect(stop([4.0, 3.5, 3.0], 2, 0.25) == (3, 3), "min_delta is treated as a fraction of the loss",
           "it has the same unit as the loss, so subtract it")
    for level, patience, min_delta in itertools.product((0, 500), (1, 2, 3, 9), (0.0, 0.125)):
        for _ in range(4):
            losses = (level + rng.integers(-4, 5, 8) / 8).tolist()
            right = stopped_by_keras(losses, patience, min_delta)
            expect(stop(losses, patience, min_delta) == right,
                   f"for the losses {', '.join(f'{loss:g}' for loss in losses)}, with patience={patience} and "
                   f"min_delta={min_delta:g}, Keras keeps epoch {right[0]} and trains {right[1]}",
                   "work through them with pen and paper")


def stopped_by_keras(losses, patience, min_delta):
    """Epoch that Keras's callback keeps, and the last it trains, both counted from 1."""
    import keras

    model = _Epochs()
    callback = keras.callbacks.EarlyStopping("val_loss", mode="min", patience=patience, min_delta=min_delta,
                                             restore_best_weights=True)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        model.epoch = epoch + 1
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    callback.on_train_end()
    return model.epoch, epoch + 1


class _Epochs:
    """Stands for a model: its weights are the number of the epoch."""

    epoch, stop_training = 0, False

    def get_weights(self):
        return self.epoch

    def set_weights(self, epoch):
        self.epoch = epoch


@check("4.4", "the penalty is chosen on validation data, and the test set is opened once, afterward")
def honest(choose_and_report, rng):
    # Neighbors are swapped, so neither place is that of the order; next to the right row no message misleads.
    strengths = np.logspace(-4, -1, len(FINAL)).reshape(-1, 2)[:, ::-1].ravel().tolist()
    seeds = rng.permutation(90)[:FINAL.shape[1]].tolist()
    laboratory = Laboratory(strengths, seeds)
    value = call(choose_and_report, {"train": laboratory.train, "data": laboratory.data, "strengths": strengths,
                                     "seeds": seeds}, changes=["train", "data"])
    strength, accuracy = (float(number) for number in arrays(value, {"strength": (), "accuracy": ()}))
    chosen = laboratory.place(strength)
    validated = [run for run in laboratory.runs if run["on"] == "validation"]
    tested = [run for run in laboratory.runs if run["on"] == "test"]

    expect(len({place for run in tested for place in run["places"]}) < 2,
           "more than one penalty is scored on the test set",
           "first choose on validation data, then train the chosen one alone and score it on the test images")
    expect(validated, "no penalty is scored on validation data", "train(data, strengths, seeds) does that")
    expect({place for run in validated for place in run["places"]} == set(range(len(strengths))),
           "not every penalty is scored on validation data", "train them all, with all seeds")
    expect(all({seed for run in validated for seed in run["seeds"] if place in run["places"]} == set(seeds)
               for place in range(len(strengths))), "the penalty is chosen from only some of the seeds",
           "train each penalty with all seeds, and compare the means")
    if chosen != RIGHT:
        expect(False, *CHOSEN.get(chosen, ("another penalty has the highest mean validation accuracy",
                                           "average the last epoch over the seeds, and take the strength with the "
                                           "highest mean")))
    expect(tested or not close(accuracy, np.mean(FINAL[RIGHT])), "you report the accuracy on the validation images",
           "they chose the penalty, so their score is too high; open the test set once and report that accuracy")
    expect(tested, "nothing is scored on the test images",
           "data.replace(x_val=…, y_val=…) gives a split that is scored on them")
    expect(laboratory.opened, "the test set is read without being opened", "use data.open_test()")
    expect(len(laboratory.opened) == 1, "the test set is opened more than once", "open it once and keep the result")
    expect(laboratory.opened[0] >= max(place for place, run in enumerate(laboratory.runs) if run["on"] != "test") + 1,
           "the test set is opened before the penalty is chosen",
           "open it when nothing is left to choose, so that nobody has to take your word for it")
    scores = laboratory.scores("test", [RIGHT], seeds)["val_accuracy"][0]
    expect_none_of(accuracy, (
        (np.mean(FINAL[RIGHT]), "you report the accuracy on the validation images",
         "they chose the penalty, so their score is too high; report the accuracy on the test images"),
        (scores[:, -1].max(), "you report the accuracy of the best seed", "report the mean over all seeds"),
        (scores[0, -1], "you report the accuracy of a single seed", "report the mean over all seeds"),
        *((wrong, "you report the accuracy of the best epoch",
           "the test set must not choose anything, not even an epoch, so take the last one")
          for wrong in (scores.mean(0).max(), scores.max(1).mean())),
        (scores.mean(), "you report the mean accuracy over all epochs", "take the last one"),
        (laboratory.scores("test", [RIGHT], seeds)["accuracy"][0, :, -1].mean(),
         "you report the accuracy on the training images", "report the accuracy on the test images")))
    expect({seed for run in tested for seed in run["seeds"]} == set(seeds), "the report leaves out some seeds",
           "train the chosen penalty with all seeds, and report the mean")
    expect_close(accuracy, scores[:, -1].mean(), "the accuracy is not that of the chosen penalty on the test images",
                 "use the last epoch, and average over the seeds")


# Results of the made-up training runs of question 4.4: one row for each penalty, one column for each seed.
FINAL = np.array([[0.60, 0.61, 0.60, 0.59, 0.60],   # memorizes the training images
                  [0.90, 0.32, 0.34, 0.35, 0.90],   # the first and the last seed are lucky
                  [0.74, 0.73, 0.75, 0.74, 0.74],   # val_loss, penalty included, is the lowest
                  [0.70, 0.69, 0.71, 0.70, 0.70],   # would be best on the test images
                  [0.55, 0.86, 0.97, 0.50, 0.50],   # one run is the best of all
                  [0.62, 0.63, 0.61, 0.62, 0.62],
                  [0.80, 0.84, 0.76, 0.83, 0.77],   # the one to choose
                  [0.60, 0.61, 0.60, 0.88, 0.60],
                  [0.65, 0.64, 0.66, 0.65, 0.65],   # has the best epoch of all, the second
                  [0.56, 0.55, 0.57, 0.56, 0.56],   # best after the first epoch
                  [0.77, 0.76, 0.79, 0.78, 0.75],   # best on average over all epochs
                  [0.78, 0.79, 0.78, 0.79, 0.78],   # its worst seed is the best of all worst ones
                  [0.85, 0.60, 0.86, 0.58, 0.85],   # has the best median
                  [0.76, 0.75, 0.77, 0.76, 0.76]])  # best sum of training and validation accuracy
RIGHT = 6
TRAINING = np.array([1.0, 0.97, 0.9, 0.75, 0.7, 0.75, 0.85, 0.5, 0.7, 0.75, 0.75, 0.8, 0.85, 0.99])
CROSSENTROPY = np.array([1.6, 1.4, 1.0, 1.1, 1.3, 1.4, 0.8, 1.4, 1.3, 1.5, 0.85, 1.15, 1.2, 1.1])   # validation
PENALTY = np.array([0.0, 0.1, 0.1, 0.6, 0.7, 0.5, 0.7, 0.5, 0.8, 0.5, 0.5, 0.5, 0.5, 0.3])
TEST = np.array([0.5, 0.55, 0.6, 0.95, 0.52, 0.5, 0.68, 0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6])
CHOSEN = {
    0: ("the penalty is chosen by a training score", "training always looks best without a penalty, so use images "
        "that were not trained on"),
    1: ("the penalty is chosen from one seed", "first average over the seeds, because here one seed misleads"),
    2: ("the penalty is chosen by a loss that includes it", "val_loss is crossentropy plus penalty, which works "
        "against strong penalties; use val_accuracy, or val_loss − penalty"),
    3: ("the penalty is chosen on the test images", "use them to judge the choice, not to make it"),
    4: ("the best single run determines the penalty", "its seed was lucky, so first average over the seeds"),
    **dict.fromkeys((8, 9), ("a single early epoch determines the penalty",
                             "use the last epoch, because you keep its weights")),
    10: ("the mean over all epochs determines the penalty", "use the last epoch, because you keep its weights"),
    11: ("the worst seed determines the penalty", "the rule asks for the highest mean over the seeds"),
    12: ("the median over the seeds determines the penalty", "the rule asks for the highest mean"),
    13: ("training accuracy influences the choice of the penalty", "use only images that were not trained on"),
}


class Laboratory:
    """Trainings that are made up, and a record of what was trained and scored on which images."""

    def __init__(self, strengths, seeds):
        self.strengths, self.seeds, self.runs, self.opened = strengths, seeds, [], []
        samples = np.arange(100)
        x = np.stack([samples, samples], axis=1).astype("float32")   # the first number tells which sample it is
        parts = {"training": samples[:60], "validation": samples[60:80], "test": samples[80:]}
        (x_train, y_train), (x_val, y_val), test = ((x[rows], label_of(x[rows])) for rows in parts.values())
        self.parts = {name: set(rows.tolist()) for name, rows in parts.items()}
        self.data = Watched("made up", x_train, y_train, x_val, y_val, test,
                            opening=lambda: self.opened.append(len(self.runs)))

    def train(self, data, strengths, seeds):
        """What `fit_many` would give, with a dimension for each knob that is a sequence."""
        import xarray as xr

        expect(hasattr(data, "x_train"), "train does not get a Split", "call train(data, strengths, seeds)")
        learned, scored = ({int(sample) for sample in np.asarray(x)[:, 0]} for x in (data.x_train, data.x_val))
        matched = all(np.array_equal(label_of(np.asarray(x)), y)
                      for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val)))
        expect(matched, "images and labels do not match", "replace x_val and y_val together")
        expect(not learned & self.parts["test"], "a network is trained on the test images",
               "use them only for scoring, in place of x_val and y_val")
        expect(not learned & scored, "a network is trained on images that also score it", "keep the two separate")
        on = next((name for name, part in self.parts.items() if part == scored), None)
        expect(on in ("validation", "test"), "the scores use neither the validation nor the test images",
               "use data unchanged, or replace x_val and y_val with all test images")
        places, given = [self.place(value) for value in np.atleast_1d(strengths)], np.atleast_1d(seeds).tolist()
        expect(set(given) <= set(self.seeds), "you use seeds that were not given",
               "use the argument seeds")
        self.runs.append({"on": on, "places": places, "seeds": given})
        runs = xr.Dataset({name: (("l2", "seed", "epoch"), values)
                           for name, values in self.scores(on, places, given).items()},
                          {"l2": [self.strengths[place] for place in places], "seed": given, "epoch": [1, 2, 3]})
        return runs.squeeze([name for name, values in (("l2", strengths), ("seed", seeds)) if np.ndim(values) == 0])

    def place(self, strength):
        """Where a strength stands in the table above."""
        places = np.flatnonzero(np.isclose(self.strengths, float(strength), rtol=1e-4))
        expect(len(places), "you use a penalty that is not in strengths",
               "return the strength, not its index, and train no other strengths")
        return int(places[0])

    def scores(self, on, places, seeds):
        """Arrays (penalties, seeds, 3 epochs) of all that `fit_many` reports."""
        columns = [self.seeds.index(seed) for seed in seeds]
        shape = (len(FINAL), len(self.seeds))
        final, crossentropy = FINAL, CROSSENTROPY[:, None] - 4 * (FINAL - FINAL.mean(1, keepdims=True))
        if on == "test":
            final = TEST[:, None] + np.array([0.02, -0.02, 0.03, -0.06, 0.01])
        accuracy = np.stack([final - 0.2, final - 0.1, final], axis=2)
        if on == "test":
            accuracy[RIGHT, :, 0] = 0.9   # tempting, too
        else:
            accuracy[8, :, 1], accuracy[9, :, 0], accuracy[10] = 0.95, 0.9, final[10][:, None]
        losses = np.stack([crossentropy + 0.6, crossentropy + 0.3, crossentropy], axis=2)
        losses[8, :, 1], losses[9, :, 0], losses[10] = 0.4, 0.5, crossentropy[10][:, None]
        training = np.broadcast_to(TRAINING[:, None], shape)[:, :, None] - np.array([0.3, 0.1, 0.0])
        penalty = np.broadcast_to(PENALTY[:, None, None], losses.shape)
        reported = {"accuracy": training, "loss": 1.1 - training + penalty, "val_accuracy": accuracy,
                    "val_loss": losses + penalty, "penalty": penalty}
        return {name: values[np.ix_(places, columns)] for name, values in reported.items()}


# Letters of question 4.5: hints for the flaws, and for the objections that are not valid.
MISSING = {
    "b": "how many images did each of the two networks learn from?",
    "c": "which images chose among the twelve, and on which is the accuracy shown?",
    "e": "how many settings were tried for each of the two networks?",
    "g": "is a penalty in Adam's loss the same as what the title calls it?",
}
SOUND = {
    "a": "common seeds pair the runs, which makes a comparison more precise",
    "d": "biases are left out on purpose because they do not make a function steeper",
    "f": "a loss that includes the penalty does not tell you how well the network classifies new images",
    "h": "with label noise in the training set, training accuracy rewards memorizing it",
}


@check("4.5", "you found every flaw and raised no invalid objection")
def referee(flaws, rng):
    objections(flaws, MISSING, SOUND)
