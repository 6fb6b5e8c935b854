"""The files of `datasets.emoji` are made from the packages as their docstring says."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from course_utils import datasets
from course_utils.datasets import drawings, packaged
from course_utils.tools import emoji_sheets


def row(code, name="", subcategory="person-role", category="People & Body", **others):
    return {"unified": code, "name": name, "subcategory": subcategory, "category": category, **others}


@pytest.mark.parametrize(("codes", "concept"), [
    (["1F468-200D-1F373", "1F469-200D-1F373", "1F9D1-200D-1F373"], "1F9D1-1F373"),
    (["1F3C3", "1F3C3-200D-2640-FE0F", "1F3C3-200D-2642-FE0F-200D-27A1-FE0F"], "1F3C3"),
    (["1F468", "1F469", "1F9D1"], "1F9D1"),
    (["2640-FE0F", "2642-FE0F"], "2640"),
    (["27A1-FE0F", "2B05-FE0F"], "2B05"),
    (["1F1E6"], "1F1E6")])
def test_a_concept_is_a_code_without_gender_and_direction(codes, concept):
    assert {emoji_sheets.concept(row(code)) for code in codes} == {concept}


def test_all_families_are_one_concept():
    assert emoji_sheets.concept(row("1F468-200D-1F466", "FAMILY: MAN, BOY")) == emoji_sheets.concept(
        row("1F46A", "FAMILY")) == "family"


@pytest.mark.parametrize(("subcategory", "category", "kind"), [
    ("face-smiling", "Smileys & Emotion", "faces"), ("cat-face", "Smileys & Emotion", "faces"),
    ("person-sport", "People & Body", "people"), ("hands", "People & Body", "hands"), ("drink", "Food & Drink", "food"),
    ("transport-air", "Travel & Places", "vehicles"), ("transport-sign", "Symbols", "signs"),
    ("arrow", "Symbols", "signs"), ("time", "Travel & Places", None), ("country-flag", "Flags", None),
    ("body-parts", "People & Body", None)])
def test_a_class_is_what_the_picture_shows(subcategory, category, kind):
    assert emoji_sheets.kind(row("1", subcategory=subcategory, category=category)) == kind


def test_drawings_that_look_alike_are_one_group_in_every_direction():
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(5, 16, 16, 3))
    images[1] = np.rot90(images[0])[:, ::-1]
    images[2] = images[1] + 0.01
    others = rng.uniform(size=images.shape)
    others[4] = others[3]
    groups = emoji_sheets.joined(np.array(list("abcde")), [images, others])
    assert [*groups] == ["a", "a", "a", "d", "d"]   # the last two look alike to the second artist only
    codes = np.array(["1F46B", "1F46C", "x"])
    assert [*emoji_sheets.joined(codes, [images[[0, 3, 4]]])] == ["1F46B", "1F46B", "x"]


def test_a_drawing_is_cut_from_the_sheet_and_put_on_white(tmp_path):
    for artist, color in zip(drawings.ARTISTS, [(9, 8, 7, 255), (0, 0, 0, 0)], strict=True):
        sheet = Image.new("RGBA", (3 * 66, 2 * 66))
        sheet.paste(color, (2 * 66 + 1, 66 + 1, 3 * 66 - 1, 2 * 66 - 1))
        picture = io.BytesIO()
        sheet.save(picture, "PNG")
        with tarfile.open(tmp_path / f"emoji-datasource-{artist}-1.tgz", "w:gz") as package:
            for name, content in (("emoji.json", json.dumps([1]).encode()),
                                  (f"img/{artist}/sheets/64.png", picture.getvalue())):
                info = tarfile.TarInfo(f"package/{name}")
                info.size = len(content)
                package.addfile(info, io.BytesIO(content))
    table, sheets = emoji_sheets.read(tmp_path)
    assert table == [1]
    for artist, color in zip(drawings.ARTISTS, [(9, 8, 7), (255, 255, 255)], strict=True):
        drawing = emoji_sheets.cut(sheets[artist], {"sheet_x": 2, "sheet_y": 1})
        assert drawing.shape == (64, 64, 3)
        assert (drawing == color).all()


def test_a_sheet_is_read_as_it_was_written(tmp_path, monkeypatch):
    table = datasets.emoji_table()
    pixels = np.random.default_rng(0).integers(0, 256, (len(table), 64, 64, 3), "uint8")
    pixels[:, 8:] = 0   # quick to compress
    emoji_sheets.sheet(pixels).save(tmp_path / "emoji_google.webp", lossless=True, method=0)
    (tmp_path / "emoji.csv").write_bytes((packaged.FILES / "emoji.csv").read_bytes())
    monkeypatch.setattr(drawings, "FILES", tmp_path)
    np.testing.assert_array_equal(datasets.emoji_images("google"), pixels)


def test_the_stored_groups_are_those_of_the_stored_drawings():
    """Nobody has edited the table, and no group has two classes."""
    table = datasets.emoji_table()
    images = [emoji_sheets.small(datasets.emoji_images(artist)) for artist in drawings.ARTISTS]
    concepts = np.array([emoji_sheets.concept(row) for row in ({"unified": row["code"], **row} for row in table)])
    assert [*emoji_sheets.joined(concepts, images)] == [row["group"] for row in table]
    assert len({(row["group"], row["class"]) for row in table}) == len({row["group"] for row in table})
