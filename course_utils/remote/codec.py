"""How values travel between the judge's process and that of the answers: as arrays, JSON, or files of Keras models.

Objects that aren't values stay where they are. The judge lends them to an answer, which holds a `Stub` and may call
their public methods.
"""

import atexit
import base64
import contextlib
import functools
import io
import itertools
import json
import numbers
import pathlib
import shutil
import sys
import tempfile
import uuid
import zipfile
from collections.abc import Iterable

import numpy as np

from course_utils.datasets import Split
from course_utils.experiments import exercises

PLAIN = bool | int | float | str | None
SPLITS = {kind.__name__: kind for kind in (Split, exercises.Watched, exercises.Counted)}
CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "function")   # of Keras, but not only
LONGEST = 100_000   # parts of a generator or its like that are sent
GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


class Unknown:
    """Stands for a value that cannot be sent."""

    def __init__(self, kind):
        self.kind = kind


class NotLoaded(Exception):
    """A Keras model cannot be saved or loaded."""


class Stub:
    """Stands for an object of the other process."""

    def __init__(self, place, ask):
        self._place, self._ask = place, ask

    def __call__(self, *arguments, **options):
        return self._ask(self._place, "__call__", arguments, options)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments, **options: self._ask(self._place, name, arguments, options)


class Codec:
    """Turns values into JSON and back.

    Parameters
    ----------
    ask : callable (place, method, arguments, options), optional
        Calls an object of the other process; without it, nothing can be borrowed.
    lends : bool
        Whether objects that aren't values are lent to the other process, which may call them.
    """

    def __init__(self, ask=None, lends=False):
        self.ask, self.lends, self.lent = ask, lends, []

    def encode(self, value):
        """JSON that stands for a value."""
        if isinstance(value, PLAIN) and not isinstance(value, np.generic):
            return {"file": _content(value)} if isinstance(value, str) and _is_model_file(value) else value
        if isinstance(value, list):
            return [self.encode(part) for part in value]
        kind, content = self._parts(value)
        return {kind: content}

    def _parts(self, value):
        if value is ...:
            return "ellipsis", None
        if isinstance(value, tuple | range):
            return "tuple", [self.encode(part) for part in value]
        if isinstance(value, set | frozenset):
            return type(value).__name__, [self.encode(part) for part in value]
        if isinstance(value, dict):
            return "dict", [[self.encode(key), self.encode(part)] for key, part in value.items()]
        if isinstance(value, np.random.Generator):
            return "generator", self.encode(value.bit_generator.state)
        if isinstance(value, Stub):
            return "returned", value._place
        if isinstance(value, Split):
            return "split", [type(value).__name__, self.encode(dict(vars(value)))]
        if isinstance(value, pathlib.PurePath):
            return ("file", _content(value)) if _is_model_file(value) else ("path", str(value))
        if "xarray" in sys.modules and isinstance(value, (sys.modules["xarray"].Dataset,
                                                          sys.modules["xarray"].DataArray)):
            return type(value).__name__, self.encode(value.to_dict(data="array"))
        if "keras" in sys.modules and isinstance(value, sys.modules["keras"].Model):
            return "model", [_saved(value), value.compiled, list(map(identity, value.weights))]
        if isinstance(value, np.ndarray) and value.dtype.kind in "OT":   # names, in the coordinates of xarray
            return "objects", [list(value.shape), [self.encode(part) for part in value.flat]]
        if isinstance(value, numbers.Number) and not isinstance(value, np.generic | complex):   # e.g. a Fraction
            return "scalar", _array(np.asarray(float(value)))
        if hasattr(value, "__array__") and not callable(value):
            with contextlib.suppress(Exception):   # whatever a class of the learner's does
                return "scalar" if isinstance(value, np.generic) else "array", _array(np.asarray(value))
        if self.lends:
            self.lent.append(value)
            return "lent", len(self.lent) - 1
        if isinstance(value, Iterable) and not callable(value):   # keys of a dict, a generator
            return "tuple", [self.encode(part) for part in itertools.islice(value, LONGEST)]
        return "unknown", type(value).__name__

    def decode(self, content):
        """The value that JSON stands for; anything else raises a ValueError."""
        if isinstance(content, PLAIN):
            return content
        if isinstance(content, list):
            return [self.decode(part) for part in content]
        (kind, content), = content.items()
        match kind:
            case "ellipsis":
                return ...
            case "tuple":
                return tuple(self.decode(part) for part in content)
            case "set" | "frozenset":
                return {"set": set, "frozenset": frozenset}[kind](map(self.decode, content))
            case "dict":
                return {self.decode(key): self.decode(part) for key, part in content}
            case "generator":
                return _generator(self.decode(content))
            case "returned":
                return self.lent[content]
            case "split":
                return SPLITS.get(content[0], Split)(**self.decode(content[1]))
            case "path":
                return pathlib.PurePath(content)
            case "file":
                return _written(content)
            case "Dataset" | "DataArray":
                import xarray as xr

                return getattr(xr, kind).from_dict(self.decode(content))
            case "model":
                return _loaded(*content)
            case "array" | "scalar":
                value = np.lib.format.read_array(io.BytesIO(base64.b64decode(content)), allow_pickle=False)
                return value if kind == "array" else value[()]
            case "objects":
                value = np.empty(len(content[1]), object)
                for place, part in enumerate(content[1]):
                    value[place] = self.decode(part)
                return value.reshape(content[0])
            case "lent" if self.ask:
                return Stub(content, self.ask)
            case "unknown":
                return Unknown(str(content))
        raise ValueError(f"there is no {kind} to be received")


def _is_model_file(path):
    path = pathlib.Path(path)
    try:
        return path.suffix == ".keras" and path.is_file()
    except (OSError, ValueError):   # too long, or with a character that no path may have
        return False


def _content(path):
    return base64.b64encode(pathlib.Path(path).read_bytes()).decode()


def _written(content):
    """Path of a copy, which stays until this process ends; its model consists of Keras's own layers."""
    path = pathlib.Path(_folder(), f"{uuid.uuid4().hex}.keras")
    path.write_bytes(base64.b64decode(content or ""))
    try:
        with zipfile.ZipFile(path) as file:
            _only_keras(json.loads(file.read("config.json")))
    except Exception:   # of many kinds: it may be any file
        raise NotLoaded("the model can't be saved and loaded again") from None
    return str(path)


def _only_keras(config):
    """Raise a ValueError if a configuration names a class from elsewhere, or one that holds code or opens files."""
    if isinstance(config, dict):
        name, module = config.get("class_name"), config.get("module")
        if name in CODE or (name and str(module or "keras").partition(".")[0] not in ("keras", "builtins")):
            raise ValueError(f"{name} may hold code")
    for part in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        _only_keras(part)


@functools.cache
def _folder():
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return folder


def _array(value):
    if value.dtype.kind == "V" and not value.dtype.names:   # bfloat16
        value = value.astype("float32")
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode()


def _generator(state):
    if state["bit_generator"] not in GENERATORS:
        raise ValueError(f"there is no generator {state['bit_generator']}")
    generator = np.random.Generator(getattr(np.random, state["bit_generator"])())
    generator.bit_generator.state = state
    return generator


def _saved(model):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.keras")
        try:
            model.save(path)
            return _content(path)
        except Exception:   # of many kinds: whatever a layer of the learner's does
            return None


def _loaded(content, compiled, identities):
    import keras

    try:
        path = _written(content)
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        pathlib.Path(path).unlink()
    except Exception:   # of many kinds: what was not saved, or cannot be read
        raise NotLoaded("the model can't be saved and loaded again") from None
    model.compiled = bool(compiled)
    for weight, identity in zip(model.weights, identities, strict=True):
        weight._course_identity = identity
    return model


def identity(weight):
    """A number that two weights share if they are the same variable, here or in the process they come from."""
    return getattr(weight, "_course_identity", id(weight))
