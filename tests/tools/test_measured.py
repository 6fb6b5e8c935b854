"""The pages that visitors see first quote what was measured, and stay short."""

import re

import pytest
from PIL import Image

from course_utils import claims, datasets
from course_utils.tools import build, measured, pages

README = (build.HOME / "README.md").read_text(encoding="utf-8")
WELCOME = (build.HOME / "notebooks" / "text" / "00_welcome.py").read_text(encoding="utf-8")
PARTS = re.compile(r"<!-- (\w+): .*?-->\n(.*?)<!-- end -->", re.DOTALL)


@pytest.mark.parametrize("page", pages.generated(), ids=lambda page: page.stem)
def test_a_page_quotes_the_last_measurements(page):
    text = page.read_text(encoding="utf-8")
    assert pages.render(text) == text, "run `course build 00`"
    emptied = PARTS.sub(lambda part: part[0] if part[1] == "load" else   # `make bench-load` writes this part
                        part[0].replace(part[2], "old\n" + "# " * (page.suffix == ".py")), text)
    assert emptied != text
    assert pages.render(emptied) == text


def test_every_page_has_all_parts_and_each_says_something():
    parts = {page: dict(PARTS.findall((build.HOME / page).read_text(encoding="utf-8"))) for page in (
        "README.md", "LEDGER.md", "BENCHMARKS.md", "INSTRUCTORS.md")}
    assert set(parts["README.md"]) == {"claim", "syllabus"}
    assert "“Batch norm makes training ten times faster.”" in parts["LEDGER.md"]["before"]
    assert "faster than a loop of model.fit" in parts["BENCHMARKS.md"]["benchmarks"]
    assert "such answers, the checks reject" in parts["INSTRUCTORS.md"]["mutants"]
    assert parts["BENCHMARKS.md"]["missed"].count("\n- ") >= parts["BENCHMARKS.md"]["benchmarks"].count("missed by")


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150
    assert len(README.split()) <= 1000


def test_every_notebook_has_its_time_and_every_lecture_its_line():
    everything = [twin.stem for twin in build.twins()]
    assert list(measured.costs()["seconds"]) == everything, "run `make bench-notebooks`"
    assert set(measured.costs()["slower"]) <= set(everything)   # who adds a lecture need not have two machines
    rows = pages.syllabus("notebooks/", "exercises/").splitlines()[2:]
    assert len(rows) == len(everything) - 1   # the welcome page is none
    for row in rows:
        assert re.fullmatch(r"\| \[(..|template)\]\(\S+\) \| [^|]+ \| \d+ min \| .*\|", row)
        for place in re.findall(r"\]\(([^)]+)\)", row):
            assert (build.HOME / place).exists()
    assert sum("exercises/" in row for row in rows) == 13


def test_the_costs_say_what_is_over_its_limit(monkeypatch):
    found = {"cores": 2, "seconds": {"00_a": 20.0, "01_b": 66.0}, "slower": {"00_a": 90.0},
             "import": {"package": 0.002, "labs": 1.5}, "megabytes": {"own": 427, "shared": 435}}
    monkeypatch.setattr(measured, "costs", lambda: found)
    table = measured.cost_table()
    assert "| the slowest notebook (01), from top to bottom | 66 s | 60 s, missed by 10% |" in table
    assert ("| the slowest notebook (00), from top to bottom, on a slower machine | 90 s | 60 s, missed by 50% |"
            in table)
    assert "| `import course_utils` | 0.002 s | 0.5 s |" in table
    assert "| memory of a kernel with a lab open | 427 MB | 700 MB |" in table


def test_a_lab_that_is_slower_than_it_may_be_is_a_missed_target(monkeypatch):
    found = {"seeds": {"first": 0.2, "final": 0.9}, "dropout": {"first": 0.4, "final": 2.5}}
    monkeypatch.setattr(measured, "costs", lambda: {"labs": found})
    monkeypatch.setattr(measured, "EXCEPTIONS", {"dropout": 3.0})
    assert "| `dropout` | 0.4 s | 2.5 s | 0.3 s | 3 s |" in measured.lab_table()
    missed = measured.missed()
    assert "Lab dropout: 0.4 s until the first figure; the target was at most 0.3 s" in missed
    assert "final figure" not in missed
    assert "Lab seeds" not in missed


DATA = (build.HOME / "notebooks" / "data.md").read_text(encoding="utf-8")
NO_DATA_SET = {"Split", "TestSetReopened", "emoji_images", "emoji_rows", "emoji_table", "standardized", "stratified",
               "with_label_noise"}
DOWNLOADED = {"fashion_mnist", "cifar10"}


@pytest.mark.parametrize("name", [name for name in datasets.__all__ if not name.isupper() and name not in NO_DATA_SET])
def test_the_page_of_the_data_shows_every_data_set_and_says_what_can_go_wrong(name):
    if name in DOWNLOADED:
        assert f"| `{name}` |" in DATA
        return
    section = re.search(rf"^### {name}\n\n!\[[^\]]+\]\((.*?)\)\n(.*?)(?=^##|\Z)", DATA, re.DOTALL | re.MULTILINE)
    picture, text = section.groups()
    assert (build.HOME / "notebooks" / picture).exists(), "run `make data-page`"
    assert "- **What can go wrong:** " in text
    assert ("- **License:** " in text) == (DATA.index(section[0]) < DATA.index("## Data that the course generates"))
    assert (name in measured.baselines()) == (name != "photographs")


def test_the_sizes_in_the_table_of_the_data_are_those_of_the_splits():
    for name, row in measured.baselines().items():
        split = getattr(datasets, name)(seed=1)
        assert row["sizes"] == [len(split.x_train), len(split.x_val), len(split.test[0])]
        assert row["shape"] == [*split.x_train.shape[1:]]
        assert row["classes"] == split.classes


def test_the_table_of_the_data_gives_shares_of_classes_and_errors_of_numbers(monkeypatch):
    row = {"shape": [2, 3], "sizes": [5, 6, 7], "classes": 4, "guess": 0.25, "linear": 0.5, "neighbor": 0.999}
    monkeypatch.setattr(measured, "baselines", lambda: {"images": row, "cars": row | {"classes": None, "guess": 7.26}})
    _, _, images, cars = measured.baseline_table().splitlines()
    assert images == "| `images` | 2×3 | 5 / 6 / 7 | 4 | 25% | 50% | 100% |"
    assert "| regression | off by 7.3 |" in cars


def test_keeping_a_measurement_leaves_the_others(tmp_path):
    path = tmp_path / "costs.json"
    measured.keep(path, {"cores": 2, "seconds": {"00": 1.0}})
    measured.keep(path, {"seconds": {"00": 2.0}})
    assert measured._read(path) == {"cores": 2, "seconds": {"00": 2.0}}


def test_the_picture_of_a_claim_is_that_of_its_last_results():
    figure = claims.forest(claims.FIRST).figure
    assert claims.get(claims.FIRST).says in figure.axes[0].get_title(loc="left")
    with Image.open(pages.PICTURES / "claim.png") as picture:
        assert f"![{picture.info['Description']}]" in README, "run `make picture`"


def test_the_lab_moves_and_has_a_still_picture():
    film = pages.PICTURES / "lab.webp"
    assert film.stat().st_size <= 600_000
    with Image.open(film) as moving, Image.open(pages.PICTURES / "lab.png") as still:
        assert moving.is_animated
        assert moving.n_frames >= 5
        assert moving.info["loop"] == 0   # for ever
        assert moving.width >= 800
        assert moving.size == still.size
        shots = []
        for frame in range(moving.n_frames):
            moving.seek(frame)
            shots.append(moving.convert("RGB").tobytes())
    assert len(set(shots)) > 4   # not one picture again and again


def test_every_picture_of_the_readme_is_there_and_has_words():
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)
    pictures += [(re.search(r'alt="([^"]*)"', tag)[1], re.search(r'src="([^"]*)"', tag)[1])
                 for tag in re.findall(r"<img [^>]*>", README)]
    assert {place.rsplit("/")[-1] for _, place in pictures} >= {"lab.webp"}
    for words, place in [*pictures, *(("for print", one) for one in re.findall(r'srcset="([^"]*)"', README))]:
        assert (build.HOME / place).exists()
        assert words


def test_those_who_dislike_motion_see_the_still_picture():
    assert '<source media="(prefers-reduced-motion: reduce)" srcset="notebooks/pictures/lab.png">' in README


@pytest.mark.parametrize("target", re.findall(r"(?:`|^    )make ([a-z-]+)", README, re.MULTILINE))
def test_every_command_of_the_readme_is_there(target):
    rules = (build.HOME / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", rules, re.MULTILINE)
