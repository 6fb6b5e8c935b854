"""Claims about penalties, weight decay, and early stopping, tried in lecture 10."""

import numpy as np
import xarray as xr

from course_utils import early_stopping, fit_many, models
from course_utils.claims import A_POINT, SLIP, Claim
from course_utils.experiments.tuning import at_best
from course_utils.training import batches

TUNING_SEEDS = range(86, 90)   # four seeds, because the strengths of a good regularizer differ little

# No regularizer is active. Runs that name all of them share one compiled program, whichever one they use.
RELEASED = {"l1": 0.0, "l2": 0.0, "weight_decay": 0.0, "max_norm": np.inf, "label_smoothing": 0.0}
NETWORK = {"depth": 2, "width": 32, **RELEASED}
# Four settings for each regularizer: two learning rates of Adam times two strengths. Without a regularizer, four
# learning rates; the outer ones reach further, because a small learning rate regularizes, too.
RATES = [0.002, 0.006]
MORE_RATES = [0.0007, *RATES, 0.02]
STRENGTHS = {"l2": [0.003, 0.01], "l1": [0.001, 0.003], "weight_decay": [0.3, 1.0], "max_norm": [1.0, 1.5],
             "label_smoothing": [0.1, 0.4], "dropout": [0.2, 0.5]}
PATIENCE = [1, 3]        # epochs
LAMBDAS = [0.003, 0.01, 0.03]
DECAYS = [0.1, 0.3, 1.0]
CHOOSING = [20, 40, 160]   # images that choose an epoch
SITUATIONS = {"wrong labels": {"label_noise": 0.4, "train_size": 200}, "few images": {"train_size": 64}, "clean": {}}
EPOCHS = 8


def brakes(task, seeds):
    """Every brake in three situations, each at the best of the four settings that it may try."""
    data, arms = task(0), {}
    for situation, setting in SITUATIONS.items():
        scores = {"none": tuned(data, seeds, setting, {"learning_rate": MORE_RATES})}
        for brake, strengths in STRENGTHS.items():
            scores[brake] = tuned(data, seeds, setting, {"learning_rate": RATES, brake: strengths})
        scores["early stopping"] = chosen(stopped(data, seeds, setting))
        arms[situation] = xr.concat(scores.values(), xr.Variable("brake", list(scores)))
    return xr.Dataset({"val_accuracy": xr.concat(arms.values(), xr.Variable("situation", list(arms)))})


def stopped(data, seeds, setting):
    """Early stopping on one half of the validation data, scored on the other half, and the other way around."""
    def half(odd):   # repeated, so that its size and with it the compiled program stay the same
        rows = np.tile(np.arange(odd, len(data.x_val), 2), 2)[:len(data.x_val)]
        return _train(data.replace(x_val=data.x_val[rows], y_val=data.y_val[rows]), [*TUNING_SEEDS, *seeds], setting,
                      {"learning_rate": RATES})

    def score(chooses, judges):
        epoch = xr.concat([early_stopping(chooses, patience=patience, monitor="val_accuracy").epoch
                           for patience in PATIENCE], xr.Variable("patience", PATIENCE))
        return judges.val_accuracy.sel(epoch=epoch, drop=True)

    first, second = half(0), half(1)
    return (score(first, second) + score(second, first)) / 2


def same_number(task, seeds):
    """An L2 penalty λ under Adam, the weight decay 2λ in its place, and weight decay with a tuning of its own."""
    data, setting = task(0), SITUATIONS["wrong labels"]
    strengths = {"l2": LAMBDAS, "weight_decay": [2 * value for value in LAMBDAS]}
    runs = {arm: _train(data, [*TUNING_SEEDS, *seeds], setting, {"learning_rate": RATES, arm: values})
            for arm, values in strengths.items()}
    runs = {arm: of_arm.isel(epoch=-1).reset_coords(drop=True) for arm, of_arm in runs.items()}
    swapped = runs["weight_decay"].rename(weight_decay="l2").assign_coords(l2=LAMBDAS)
    arms = {"L2 penalty λ": chosen(runs["l2"].val_accuracy),
            "weight decay 2λ": chosen(swapped.val_accuracy, by=runs["l2"].val_accuracy),
            "weight decay, tuned": tuned(data, seeds, setting, {"learning_rate": RATES, "weight_decay": DECAYS})}
    learned = (runs["l2"].accuracy - swapped.accuracy).mean("learning_rate").sel(seed=list(seeds))
    return xr.Dataset({"val_accuracy": xr.concat(arms.values(), xr.Variable("arm", list(arms))), "learned": learned})


def learned_by_heart(runs):
    """Training accuracy on noisy labels with λ = 0.01: L2 penalty minus weight decay 2λ, per seed."""
    return runs.learned.sel(l2=0.01, drop=True)


def held_out(task, seeds):
    """200 clean images: train on all of them to the end, or keep 40 back and stop early by these.

    Of the networks that saw 160 images, also: how much better the best epoch looks on images that
    chose it than on others, for several numbers of images.
    """
    data, everyone = task(0), [*TUNING_SEEDS, *seeds]
    runs = fit_many(models.mlp, data, {**NETWORK, "train_size": [160, 200], "learning_rate": RATES,
                                       "seed": everyone}, epochs=EPOCHS, optimizer="adam", predict=data.x_train)
    whole = runs.val_accuracy.sel(train_size=200, drop=True).isel(epoch=-1).reset_coords(drop=True)
    fewer, curves, optimism = runs.sel(train_size=160, drop=True), [], []
    for seed in everyone:
        seen = {size: next(batches.indices(len(data.x_train), seed, batch_size=size, train_size=size))
                for size in (160, 200)}
        told = fewer.probability.sel(seed=seed)
        of_label = told.isel({"class": xr.DataArray(data.y_train, dims="point")})
        kept = np.setdiff1d(seen[200], seen[160])
        curves.append(-np.log(of_label.isel(point=kept) + 1e-7).mean("point"))
        new = np.setdiff1d(np.arange(len(data.x_train)), seen[200])
        hits = (told.argmax("class") == xr.DataArray(data.y_train, dims="point")).isel(point=new)
        optimism.append([_optimism(hits, images) for images in CHOOSING])
    curves = xr.Dataset({"val_accuracy": fewer.val_accuracy, "held_loss": xr.concat(curves, "seed")})
    stopped_early = xr.concat([early_stopping(curves, patience=patience, monitor="held_loss").val_accuracy
                               for patience in PATIENCE], xr.Variable("patience", PATIENCE))
    return xr.Dataset({"stopped": chosen(stopped_early.reset_coords(drop=True)), "to_the_end": chosen(whole),
                       "optimism": xr.DataArray(optimism, {"seed": everyone, "images": CHOOSING}, ("seed", "images"))
                      .sel(seed=list(seeds))})


def _optimism(hits, images):
    """Accuracy of the best epoch on the images that chose it minus that on all others; hits (..., epoch, point)."""
    sets = hits.sizes["point"] // images
    hits = hits.isel(point=slice(sets * images))
    by_set = hits.coarsen(point=images).mean()   # one accuracy for each set
    others = (hits.mean("point") - by_set / sets) * sets / (sets - 1)
    best = by_set.argmax("epoch")
    return float((by_set - others).isel(epoch=best).mean())


def gained_by_stopping(runs):
    """Accuracy on new images: stopped early on 160 images minus trained to the end on 200, per seed."""
    return runs.stopped - runs.to_the_end


# From a pilot: with batch norm, the best penalties are larger and the best learning rates smaller than without it.
def normalized(task, seeds):
    """Wrong labels and batch norm, without an L2 penalty and with the best one."""
    data, setting = task(0), SITUATIONS["wrong labels"] | {"batch_norm": True, "momentum": 0.9}
    arms = {False: {"learning_rate": MORE_RATES}, True: {"learning_rate": MORE_RATES[::2], "l2": [0.03, 0.3]}}
    return xr.Dataset({"val_accuracy": xr.concat(
        [tuned(data, seeds, setting, grid) for grid in arms.values()], xr.Variable("penalized", list(arms)))})


def gained_without_l2(runs):
    """Accuracy of a normalized network: without minus with the best L2 penalty, per seed."""
    return runs.val_accuracy.sel(penalized=False, drop=True) - runs.val_accuracy.sel(penalized=True, drop=True)


def chosen(scores, by=None):
    """Scores (seed, knobs ...) of the measuring seeds at the setting that was best on the tuning seeds, (seed,).

    The setting is chosen by `by`, which has the same dims; the scores themselves by default.
    """
    knobs = [name for name in scores.dims if name != "seed"]
    both = xr.Dataset({"score": scores, "by": scores if by is None else by})[["score", "by"]].reset_coords(drop=True)
    both = both.stack(setting=knobs, create_index=False).drop_vars(knobs)
    both = both.assign_coords(setting=range(both.sizes["setting"]))
    return at_best("setting", both, score=both.by, seeds=TUNING_SEEDS).score.drop_vars("setting")


def gained_by_l2(runs):
    """Accuracy on clean data: with the best L2 penalty minus without any regularizer, per seed."""
    clean = runs.val_accuracy.sel(situation="clean", drop=True)
    return clean.sel(brake="l2", drop=True) - clean.sel(brake="none", drop=True)


def tuned(data, seeds, setting, grid):
    """Final validation accuracy at the values of the knobs in the grid that were best on the tuning seeds, (seed,)."""
    scores = _train(data, TUNING_SEEDS, setting, grid).val_accuracy.isel(epoch=-1).mean("seed")
    best = scores.isel(scores.argmax(...))
    return _train(data, seeds, setting, {knob: float(best[knob]) for knob in grid}).val_accuracy.isel(
        epoch=-1).reset_coords(drop=True)


def _train(data, seeds, setting, grid):
    return fit_many(models.mlp, data, {**NETWORK, **setting, **grid, "seed": seeds}, epochs=EPOCHS, optimizer="adam")


CLAIMS = [
    Claim("wr-same", "L2 regularization and weight decay are the same.",
          f"{SLIP}; true of plain SGD: Loshchilov & Hutter, Decoupled weight decay regularization (2019)", "10",
          "training accuracy gained by the L2 penalty 0.01 (expected to hold back more) over weight decay 0.02, "
          "Adam, 40 % wrong labels",
          same_number, learned_by_heart, threshold=-A_POINT, neutral=None, smallest_effect=0.05, pilot_sd=0.022),
    Claim("wr-always", "Regularization always helps generalization.", SLIP, "10",
          "accuracy gained by the best L2 penalty on all clean training data, same tuning budget",
          brakes, gained_by_l2, threshold=A_POINT, neutral=0.0, smallest_effect=0.01, pilot_sd=0.0099),
    Claim("wr-free-lunch", "Early stopping is a free lunch.",
          "Geoffrey Hinton's “beautiful free lunch”, as told in textbooks (Géron, Hands-on machine learning)", "10",
          "accuracy gained by stopping early on 40 of 200 clean samples, over training on all of them to the end",
          held_out, gained_by_stopping, threshold=-A_POINT, neutral=None, smallest_effect=0.02, pilot_sd=0.0133),
    Claim("wr-batch-norm", "Batch norm makes L2 regularization useless.",
          "common reading of van Laarhoven, L2 regularization versus batch and weight normalization (2017)", "10",
          "accuracy of a normalized network gained by leaving out the best L2 penalty, 40 % wrong labels",
          normalized, gained_without_l2, threshold=-A_POINT, neutral=None, smallest_effect=0.01, pilot_sd=0.013),
]
