"""The file of weights is converted faithfully, and reading it can do no harm."""

import collections
import importlib.util
import io
import os
import pickle
import struct
import sys
import types

import numpy as np
import pytest

from course_utils.files import read_arrays
from course_utils.pretrained import extraction, network
from course_utils.tools import pretrained_weights
from tests.helpers.needed import needed
from tests.helpers.sentences import is_one_sentence, refused

WEIGHTS = network.FILE


class Storage:
    """What PyTorch keeps the values of a tensor in."""

    def __init__(self, values):
        self.values = values


class Tensor:
    """A tensor, pickled as PyTorch does; a view into a storage."""

    def __init__(self, values, **changes):
        self.storage = Storage(values.ravel(order="K"))
        steps = tuple(stride // values.itemsize for stride in values.strides)
        self.parts = {"offset": 0, "shape": values.shape, "strides": steps} | changes

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (
            self.storage, *self.parts.values(), False, collections.OrderedDict())


@pytest.fixture(autouse=True)
def torch(monkeypatch):
    """As much of PyTorch as pickle looks at."""
    def _rebuild_tensor_v2():
        pass

    modules = {"torch": types.ModuleType("torch"), "torch._utils": types.ModuleType("torch._utils")}
    modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2
    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    for name in ("FloatStorage", "LongStorage", "DoubleStorage"):
        setattr(modules["torch"], name, type(name, (), {"__module__": "torch"}))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return modules["torch"]


@pytest.fixture
def write(tmp_path, torch):
    """Write a file as `torch.save` did."""
    def save(content):
        storages, file = {}, io.BytesIO()

        class Pickler(pickle.Pickler):
            def persistent_id(self, thing):
                if not isinstance(thing, Storage):
                    return None
                storages[str(id(thing))] = thing.values
                kind = {"f4": "FloatStorage", "i8": "LongStorage", "f8": "DoubleStorage"}[thing.values.dtype.str[1:]]
                return "storage", getattr(torch, kind), str(id(thing)), "cpu", thing.values.size, None

        for part in (pretrained_weights.MAGIC, pretrained_weights.PROTOCOL, {"little_endian": True}):
            pickle.dump(part, file, 2)
        Pickler(file, 2).dump(content)
        pickle.dump(sorted(storages), file, 2)
        for key in sorted(storages):
            file.write(struct.pack("<q", storages[key].size) + storages[key].tobytes())
        path = tmp_path / "weights.pth"
        path.write_bytes(file.getvalue())
        return path

    return save


def values(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("float32")


def test_it_reads_tensors(write):
    arrays = {"matrix": values(3, 4), "turned": values(2, 3, 4, 5).transpose(3, 2, 0, 1), "count": np.array(7)}
    read = pretrained_weights.read_tensors(write(collections.OrderedDict(
        (name, Tensor(array)) for name, array in arrays.items())))
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


class Call:
    """Pickled, it has a function called while it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", ["value", "key", "hook", "begin"])
@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "builtins.getattr", "torch.hub"])
def test_no_function_that_a_file_names_is_called(write, tmp_path, place, function):
    trace = tmp_path / "trace"
    calls = {"os.system": (os.system, f"touch {trace}"), "builtins.eval": (eval, f"open({str(trace)!r}, 'w')"),
             "builtins.getattr": (getattr, "", "upper"), "torch.hub": (sys.modules["torch"].DoubleStorage,)}
    call = Call(*calls[function])
    content = {"value": {"w": call}, "key": {"w": [call]}, "hook": {"w": Tensor(values(2), extra=call)},
               "begin": {"w": Tensor(values(2))}}[place]
    path = write(content)
    if place == "begin":
        path.write_bytes(pickle.dumps(call, 2) + path.read_bytes())
    with refused(ValueError, "which no tensor needs"):
        pretrained_weights.read_tensors(path)
    assert not trace.exists()


@pytest.mark.parametrize("content", [
    {"w": 7}, {"w": "text"}, [1, 2], 3, {"w": {"v": Tensor(values(2))}},
    {"w": Tensor(values(2), shape=(3,))}, {"w": Tensor(values(2), offset=1)}, {"w": Tensor(values(2), strides=(9,))},
    {"w": Tensor(values(2), shape=(2, 2))}, {"w": Tensor(values(2), shape=(1 << 60,))},
    {"w": Tensor(values(2), shape="12")}, {"w": Tensor(values(2), offset="0")}])
def test_what_is_no_tensor_is_refused(write, content):
    with refused(ValueError, "not a file of PyTorch tensors"):
        pretrained_weights.read_tensors(write(content))


def test_a_file_that_ends_anywhere_else_is_refused(write):
    path = write({"a": Tensor(values(3)), "b": Tensor(values(2, 2))})
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with refused(ValueError, "only part of it"):
            pretrained_weights.read_tensors(path)
    path.write_bytes(content + b"\0")
    with refused(ValueError, "goes on"):
        pretrained_weights.read_tensors(path)


@pytest.mark.parametrize("name", ["", "absent"])
def test_what_is_no_file_is_refused(tmp_path, name):
    with refused(ValueError, "not a file"):
        pretrained_weights.read_tensors(tmp_path / name)


@pytest.fixture(scope="module")
def tensors():
    needed(importlib.util.find_spec(pretrained_weights.PACKAGE), "The package of the weights", "make test installs it")
    return pretrained_weights.read_tensors(pretrained_weights.find())


def test_the_shipped_file_is_what_the_script_writes(tensors):
    arrays, shipped = pretrained_weights.convert(tensors), read_arrays(network.FILE)
    assert list(arrays) == list(shipped)
    for name, array in arrays.items():
        assert shipped[name].dtype == array.dtype
        np.testing.assert_array_equal(shipped[name], array)


def test_rounding_changes_no_weight_by_much(tensors):
    for name, kernel in tensors.items():
        if kernel.ndim > 1:
            error = kernel.astype("float16") - kernel
            assert np.linalg.norm(error) < 3e-4 * np.linalg.norm(kernel), name


def test_a_tensor_too_few_or_too_many_is_refused(tensors):
    with refused(ValueError, "_fc.bias"):
        pretrained_weights.convert({name: array for name, array in tensors.items() if name != "_fc.bias"})
    with refused(ValueError, "more"):
        pretrained_weights.convert(tensors | {"more": values(2)})


def test_the_same_arrays_are_the_same_file():
    assert pretrained_weights.packed({"a": values(3)}) == pretrained_weights.packed({"a": values(3)})


def test_it_writes_both_files(tensors, monkeypatch, capsys, tmp_path):
    weights, features = read_arrays(network.FILE), read_arrays(extraction.SHIPPED)
    monkeypatch.setattr(network, "FILE", tmp_path / "weights.npz")
    monkeypatch.setattr(extraction, "SHIPPED", tmp_path / "features.npz")
    monkeypatch.setattr(extraction, "compute", lambda images, size: np.ones((len(images), 1280)))   # takes no minute
    network.version.cache_clear()
    assert pretrained_weights.main() == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert read_arrays(network.FILE).keys() == weights.keys()
    written = read_arrays(extraction.SHIPPED)
    assert written["features"].shape == features["features"].shape
    if network.FILE.read_bytes() == WEIGHTS.read_bytes():   # another zlib may pack them differently
        np.testing.assert_array_equal(written["keys"], features["keys"])
    network.version.cache_clear()


@pytest.mark.parametrize("package", ["absent_package", "json"])
def test_without_the_package_it_says_what_to_install(monkeypatch, capsys, tmp_path, package):
    monkeypatch.setattr(pretrained_weights, "PACKAGE", package)
    monkeypatch.setattr(network, "FILE", tmp_path / "weights.npz")
    assert pretrained_weights.main() == 1
    assert is_one_sentence(capsys.readouterr().err.strip())
    assert not network.FILE.exists()


def test_another_file_is_not_converted(monkeypatch, capsys, tmp_path, write):
    monkeypatch.setattr(pretrained_weights, "find", lambda: write({"a": Tensor(values(3))}))
    monkeypatch.setattr(network, "FILE", tmp_path / "weights.npz")
    assert pretrained_weights.main() == 1
    assert is_one_sentence(capsys.readouterr().err.strip())
    assert not network.FILE.exists()
