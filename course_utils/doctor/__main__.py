"""Examine a network from a terminal: `python -m doctor model.keras data.npz --history history.json`."""

import argparse
import sys
import zipfile
from pathlib import Path

PARTS = ["x_train", "y_train", "x_val", "y_val"]
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>What the doctor says</title>
<body style="font-family: sans-serif; max-width: 50em; margin: 2em auto"><h1>What the doctor says about {name}</h1>
{report}
</body></html>
"""


def arguments(parser):
    """Add the arguments of this command to a parser."""
    parser.add_argument("model", help="a compiled and trained model, saved with model.save")
    parser.add_argument("data", help=f"an .npz file with {', '.join(PARTS)}")
    parser.add_argument("--history", help="a JSON file that contains history.history")
    parser.add_argument("--batch-size", type=int, help="the batch size used in training (default: 32)")
    parser.add_argument("--out", default="doctor.html", help="the HTML page to write (default: %(default)s)")


def run(options):
    """Examine the model, print the report, and write it to an HTML page.

    Raises
    ------
    ValueError, TypeError, OSError
        A file is missing, is damaged, or contains something else; the message is one sentence.
    """
    from .examination import examine

    report = examine(
        _model(options.model), *_data(options.data), history=options.history, batch_size=options.batch_size
    )
    print(report)
    Path(options.out).write_text(
        PAGE.format(name=Path(options.model).name, report=report._repr_html_()), encoding="utf-8"
    )
    print(f"The report is in {options.out}.")


def _model(path):
    import keras

    try:
        return keras.models.load_model(path)
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as a Keras model ({str(error).splitlines()[0]}); save it with "
            "model.save('model.keras')."
        ) from None


def _data(path):
    import numpy as np

    try:
        with np.load(path) as file:
            x_train, y_train, x_val, y_val = (file[name] for name in PARTS)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read ({str(error).splitlines()[0]}); write it with np.savez(path, "
            f"{', '.join(f'{name}=…' for name in PARTS)})."
        ) from None
    return (x_train, y_train), (x_val, y_val)


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser)
    try:
        return run(parser.parse_args())
    except (ValueError, TypeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
