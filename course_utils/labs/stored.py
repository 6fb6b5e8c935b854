"""What a lab shows while its own networks are still training: stored figures, written by `make lab-pictures`."""

import ast
import io
import pathlib
import re

FOLDER = pathlib.Path(__file__).with_name("stored")
LECTURES = pathlib.Path(__file__).parents[2] / "notebooks" / "text"


def path(call):
    """Where the figure of a state is, given the line of code that opens the lab in this state."""
    return FOLDER / (re.sub(r"[^\w.=-]+", "_", call.removeprefix("labs.")).strip("_") + ".png")


def read(call):
    """The stored figure of a state, as (PNG bytes, result, sentence), or None if there is none."""
    if not path(call).exists():
        return None
    from PIL import Image

    with Image.open(path(call)) as picture:
        return path(call).read_bytes(), picture.text["Title"], picture.text["Description"]


def calls():
    """The labs that lectures open, in the order of the lectures, as (name, dict control → value)."""
    texts = "\n".join(file.read_text("utf-8") for file in sorted(LECTURES.glob("*.py")))
    found = re.findall(r"^labs\.(\w+)(\((?!build_model).*\))$", texts, re.MULTILINE)   # not those of own networks
    keywords = [(name, ast.parse(f"f{given}", mode="eval").body.keywords) for name, given in found]
    return [(name, {word.arg: ast.literal_eval(word.value) for word in given}) for name, given in keywords]


def opened():
    """The states in which lectures open labs, and the default states, as (lab class, state), each once."""
    from course_utils import labs

    states = [(getattr(labs, name), getattr(labs, name).checked(given))
              for name, given in [*((name, {}) for name in labs.__all__), *calls()]]
    return [one for number, one in enumerate(states) if one not in states[:number]]


def main():
    """Compute and write all of them."""
    from PIL import Image

    from course_utils import accessible

    FOLDER.mkdir(exist_ok=True)
    written = set()
    for cls, state in opened():
        lab = object.__new__(cls)   # its pure functions, without widgets and thread
        runs = lab.compute(state, lambda partial: False)
        picture, sentence = lab._picture(state, runs)
        with Image.open(io.BytesIO(picture)) as image:
            image.convert("RGB").quantize(128).save(path(lab.call(state)), optimize=True, pnginfo=accessible.described(
                sentence, lab.result(state, runs)))
        written.add(path(lab.call(state)))
        print(lab.call(state), lab.result(state, runs), flush=True)
    for old in set(FOLDER.glob("*.png")) - written:
        old.unlink()


if __name__ == "__main__":
    main()
