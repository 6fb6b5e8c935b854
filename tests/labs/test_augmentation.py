"""The augmentation lab: what is drawn and said follows from the state and the runs."""

import itertools
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from course_utils import augment, fit_many, labs, models
from tests.helpers.lab_states import PNG, closed, opens, pairs

LAB = labs.augmentation
module = sys.modules[LAB.__module__]
PARTS = list(module.VERSIONS)


def results(state, *, validations=None, lost=0):
    """Runs as `compute` returns them, without training; augmentation gains -10, 10, 20 and 30 points."""
    arms, whole = ["without", "with"][:len(module.amounts(state))], state["epochs"] // module.BETWEEN
    validations, steps = validations or whole, module.BETWEEN * 33
    clean = np.linspace(0.3, 0.6, module.SEEDS)[:, None, None] + np.zeros((validations, 4))
    accuracy = np.stack([clean, clean + np.array([-0.1, 0.1, 0.2, 0.3])])[:len(arms)]
    diverged = np.zeros(accuracy.shape[:-1], bool)
    diverged[-1, :lost] = True
    dims = ("arm", "seed", "step")
    return xr.Dataset({"accuracy": ((*dims, "version"), accuracy), "diverged": (dims, diverged)},
                      {"arm": arms, "seed": range(module.SEEDS), "step": steps * np.arange(1, validations + 1),
                       "version": PARTS}, {"steps": steps * whole})


def drawn(state, **changes):
    """Both panels and the sentence of a state."""
    state, axes = LAB.checked(state), list(Figure().subplots(1, 2))
    return *axes, closed(LAB).draw(axes, state, results(state, **changes))


def test_all_pairs_of_controls_can_be_drawn_and_called():
    for lost, state in zip(itertools.cycle([0, 3, module.SEEDS]), pairs(LAB)):
        picture, sentence = closed(LAB)._picture(state, results(state, lost=lost))
        assert picture.startswith(PNG)
        assert sentence.startswith(f"{state['train_size']} training images, ")
        assert f" on {state['probability']:.0%} of the images. " in sentence
        arm = "with" if state["strength"] else "without"
        assert (f" {lost} of {module.SEEDS} runs {arm} it diverged." in sentence) == (lost > 0)
        assert ("diverged" in sentence) == (lost > 0)
        assert ("points" in sentence) == (state["strength"] > 0)
        assert "nan" not in sentence
        assert opens(closed(LAB).call(LAB.checked(state))) == LAB.checked(state)


def test_sentence_and_points_agree():
    _, right, sentence = drawn({"transformation": "rotation"})
    without, with_it = (container.lines[0].get_ydata() for container in right.containers)
    gained = ["−10.0 [−10.0, −10.0]", "+10.0 [+10.0, +10.0]", "+20.0 [+20.0, +20.0]", "+30.0 [+30.0, +30.0]"]
    for version, first, second, words in zip(PARTS, without, with_it, gained, strict=True):
        assert f"{version} {first:.1%} → {second:.1%} ({words} points)" in sentence
    assert [tick.get_text().split("\n")[0] for tick in right.get_xticklabels()] == PARTS
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["without augmentation", "with augmentation"]


def test_without_strength_there_is_one_arm():
    for name in module.TRANSFORMATIONS:
        left, right, sentence = drawn({"transformation": name, "strength": 0.0})
        assert len(right.containers) == 1
        assert "→" not in sentence
        rows = rows_of(left)
        for row in rows[1:]:
            np.testing.assert_array_equal(row, rows[0])


def rows_of(left):
    """The rows of pictures that are on show, original first, without the white between them."""
    picture = np.asarray(left.images[0].get_array().filled(np.nan))
    there = picture[~np.isnan(picture).all(1)]
    assert there.shape[0] == (1 + module.ROWS) * module.SIDE
    return there.reshape(1 + module.ROWS, module.SIDE, -1)


@pytest.mark.parametrize("name", module.TRANSFORMATIONS)
def test_the_pictures_are_originals_and_what_the_engine_makes_of_them(name):
    state = LAB.checked({"transformation": name, "probability": 0.6})
    left, _, _ = drawn(state)
    original, *changed = rows_of(left)
    digits = original[:, ~np.isnan(original).all(0)].reshape(module.SIDE, module.COLUMNS, module.SIDE).swapaxes(0, 1)
    assert all((digit == module.centered().x_train.reshape(-1, 12, 12)).all((1, 2)).any() for digit in digits)
    for step, row in enumerate(changed):
        made = augment(digits, step=step, augment_probability=0.6, **{module.knob(state): module.amount(state)})
        np.testing.assert_array_equal(row[:, ~np.isnan(row).all(0)], made.swapaxes(0, 1).reshape(module.SIDE, -1))
    assert any(not np.array_equal(row, original, equal_nan=True) for row in changed)
    assert f"then {module.knob(state)}=" in left.get_title(loc="left")


@pytest.mark.parametrize("name", module.TRANSFORMATIONS)
def test_strength_is_a_scale_from_nothing_to_the_most(name):
    strengths = [module.amount(LAB.checked({"transformation": name, "strength": round(share, 2)}))
                 for share in np.arange(0, 1.01, 0.05)]
    assert strengths[0] == 0
    assert strengths[1] > 0
    assert strengths[-1] == module.TRANSFORMATIONS[name][0]
    assert all(low <= high for low, high in itertools.pairwise(strengths))
    assert len({type(value) for value in strengths}) == 1


@pytest.mark.parametrize(("state", "words"), [
    ({}, "shift (up to 2 px)"), ({"strength": 0.2}, "shift (up to 1 px)"),
    ({"transformation": "zoom"}, "zoom (up to ±40%)"), ({"transformation": "rotation"}, "rotation (up to 30°)")])
def test_a_strength_has_the_units_of_its_transformation(state, words):
    assert f", {words} on 100% of the images" in drawn(state)[-1]


def test_a_partial_result_says_how_far_it_is():
    state = LAB.checked({})
    assert LAB.done(results(state, validations=2)) == pytest.approx(0.4)
    assert "264 steps" in drawn(state, validations=2)[-1]


def test_each_version_is_scored_on_its_own_images():
    """A perfect judge of one version and of no other scores 1 on it and 0 on the rest."""
    state, y = LAB.checked({}), module.centered().y_val
    right, wrong = np.eye(10)[y], np.eye(10)[(y + 1) % 10]
    dims = ("seed", "shift", "step")
    shape = (1, 2, 1)
    for number, version in enumerate(PARTS[1:]):
        answers = np.concatenate([right if place == number else wrong for place in range(3)])
        runs = xr.Dataset({
            "val_accuracy": (dims, np.full(shape, 0.7)), "diverged": (dims, np.zeros(shape, bool)),
            "probability": ((*dims, "point", "class"), np.broadcast_to(answers, (*shape, *answers.shape)))},
            {"shift": [0, 2]})
        scored = module.scores(runs, state).accuracy.isel(seed=0, step=0)
        for part in PARTS:
            np.testing.assert_allclose(scored.sel(version=part), {"clean": 0.7, version: 1.0}.get(part, 0.0))
    np.testing.assert_array_equal(module.changed()[-len(y):].reshape(-1, 12, 12)[..., ::-1],
                                  module.centered().x_val.reshape(-1, 12, 12))   # the last ones are mirrored


@pytest.fixture(scope="module")
def shifted():
    state = LAB.checked({})
    return state, closed(LAB).compute(state, lambda partial: False)


def test_it_trains_for_real(shifted):
    """What the lecture tells: a network learns the invariance that it is shown, and pays for it."""
    state, runs = shifted
    assert LAB.done(runs) == 1
    mean = runs.accuracy.isel(step=-1).mean("seed")
    gained = mean.sel(arm="with") - mean.sel(arm="without")
    assert mean.sel(arm="without", version="clean") > 0.9
    assert gained.sel(version="shifted") > 0.5
    assert gained.sel(version="clean") < -0.03
    assert gained.sel(version="rotated") < -0.05
    longer = closed(LAB).compute(state | {"epochs": 60}, lambda partial: False).accuracy.isel(step=-1).mean("seed")
    assert longer.sel(arm="with", version="clean") > mean.sel(arm="with", version="clean") + 0.03


def test_a_picture_is_a_pure_function_of_the_state(shifted):
    state, runs = shifted
    assert closed(LAB)._picture(state, runs) == closed(LAB).render(state)


def test_without_augmentation_the_runs_are_those_of_a_plain_grid(shifted):
    _, runs = shifted
    plain = fit_many(models.mlp, module.centered(), {"depth": 2, "learning_rate": 0.3, "train_size": 200,
                                                     "seed": range(module.SEEDS)}, epochs=4)
    first = runs.accuracy.isel(step=0).sel(arm="without", version="clean")
    np.testing.assert_allclose(first, plain.val_accuracy.isel(epoch=-1), atol=0.02)


def test_a_share_of_images_that_is_0_changes_nothing():
    runs = closed(LAB).compute(LAB.checked({"probability": 0.0, "epochs": 8}), lambda partial: False)
    np.testing.assert_allclose(runs.accuracy.sel(arm="with"), runs.accuracy.sel(arm="without"), atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "version"), [("rotation", "rotated"), ("horizontal flip", "flipped")])
def test_other_transformations_gain_on_their_own_version(name, version):
    runs = closed(LAB).compute(LAB.checked({"transformation": name}), lambda partial: False)
    mean = runs.accuracy.isel(step=-1).mean("seed")
    gained = mean.sel(arm="with") - mean.sel(arm="without")
    assert gained.sel(version=version) > 0.08
    assert gained.sel(version="clean") < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zoom", "pixel noise", "cutout", "MixUp"])
def test_the_ends_of_strength_train_for_real(name):
    for strength in (0.05, 1.0):
        state = LAB.checked({"transformation": name, "strength": strength, "epochs": 8})
        picture, sentence = closed(LAB).render(state)
        assert picture.startswith(PNG)
        assert "264 steps" in sentence


def test_it_stops_when_told():
    runs = closed(LAB).compute(LAB.checked({}), lambda partial: partial.sizes["step"] == 2)
    assert runs.sizes["step"] == 2


def test_only_another_transformation_compiles(compilations):
    base = {"transformation": "cutout"}
    for change in ({}, {"strength": 1.0, "probability": 0.3}, {"train_size": 50}, {"epochs": 60}):
        closed(LAB).compute(LAB.checked(base | change), lambda partial: True)
    assert len(compilations) == 1
    closed(LAB).compute(LAB.checked({"transformation": "MixUp"}), lambda partial: True)
    assert len(compilations) == 2
