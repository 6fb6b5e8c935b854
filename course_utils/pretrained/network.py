"""EfficientNet-Lite0 as an ordinary Keras model, with weights that were trained on ImageNet."""

import functools
import hashlib
from pathlib import Path

from course_utils.files import read_arrays

FILE = Path(__file__).with_name("efficientnet_lite0.npz")
# Repeats, kernel size, stride of the first, expansion, and filters of the blocks in each of the seven stages.
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320)]
SMALLEST = 32   # side of an image in pixels: the last feature map has one pixel


def efficientnet_lite0(input_shape=(224, 224, 3), include_top=True, weights="imagenet"):
    """EfficientNet-Lite0: a small convolutional network for 1,000 classes of photographs, trained on ImageNet.

    Its images are in [0, 1], as all images of the course; the layer ``rescale`` turns them into what the weights were
    trained with. The other layers are named after the place where they are::

        stem                  the first convolution; stem_bn, stem_relu follow it
        block2_1_expand       1×1 convolution to six times as many channels (not in block1_1)
        block2_1_depthwise    3×3 or 5×5 convolution of each channel
        block2_1_project      1×1 convolution to fewer channels, without activation
        block2_2_add          what the block adds to its input, in the second and later blocks of a stage
        head                  1×1 convolution to 1,280 channels
        features              global average pooling of head_relu: the 1,280 features of an image
        dropout, predictions  the classifier, a softmax over the 1,000 classes

    ``block4_3`` is the third block of the fourth of seven stages. ``_bn`` and ``_relu`` after the name of a
    convolution give the names of its batch normalization (ε = 0.001) and of its activation, min(max(x, 0), 6).

    Parameters
    ----------
    input_shape : tuple (height, width, 3)
        At least 32×32; the weights were trained with 224×224. None in place of height and width accepts any size.
    include_top : bool
        Without the top, the model ends with the layer ``features``.
    weights : "imagenet" or None
        None keeps Keras's initial weights.

    Returns
    -------
    keras.Model, functional, not compiled
        4.7 million parameters, or 3.4 million without the top. Images (samples, height, width, 3) become probabilities
        (samples, 1000) or features (samples, 1280).

    Raises
    ------
    ValueError
        The input shape is not that of a color image, or is too small; there are no such weights; or their file is
        damaged.

    Source: Tan & Le (2019), EfficientNet: rethinking model scaling for convolutional neural networks, ICML; Liu (2020),
    Higher accuracy on vision models with EfficientNet-Lite, TensorFlow blog. In training, the original also leaves out
    blocks at random.
    """
    import keras
    from keras import layers

    match tuple(input_shape):
        case (height, width, 3) if all(side is None or side >= SMALLEST for side in (height, width)):
            pass
        case shape:
            raise ValueError(f"input_shape is {shape}; expected (height, width, 3) with at least {SMALLEST} pixels a "
                             "side: enlarge small images first, and repeat the channel of gray ones three times.")
    if weights not in ("imagenet", None):
        raise ValueError(f"weights is {weights!r}; write 'imagenet', or None and then model.load_weights(path).")

    images = keras.Input(input_shape, name="images")
    x = layers.Rescaling(255 / 128, -127 / 128, name="rescale")(images)   # (byte − 127) / 128
    x = _relu(_conv(x, 32, "stem", kernel_size=3, strides=2))
    names = block_names()
    for repeats, kernel_size, strides, expansion, filters in STAGES:
        for number in range(repeats):
            x = _block(x, next(names), kernel_size, 1 if number else strides, expansion, filters)
    x = _relu(_conv(x, 1280, "head"))
    x = layers.GlobalAveragePooling2D(name="features")(x)
    if include_top:
        x = layers.Dropout(0.2, name="dropout")(x)
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    model = keras.Model(images, x, name="efficientnet_lite0")
    if weights:
        _load(model)
    return model


def block_names():
    """Yield block1_1, block2_1, block2_2, …: the stage, and the number in it."""
    for stage, (repeats, *_) in enumerate(STAGES, 1):
        for number in range(1, repeats + 1):
            yield f"block{stage}_{number}"


@functools.cache
def version():
    """What tells these weights from others: hexadecimal digits, computed from their file."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()[:16]


def _block(x, name, kernel_size, strides, expansion, filters):
    """An inverted residual: more channels, a depthwise convolution, fewer channels, and perhaps the input again."""
    from keras import layers

    before = x
    if expansion > 1:
        x = _relu(_conv(x, expansion * x.shape[-1], f"{name}_expand"))
    x = layers.DepthwiseConv2D(kernel_size, strides, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = _relu(layers.BatchNormalization(name=f"{name}_depthwise_bn")(x))
    x = _conv(x, filters, f"{name}_project")
    return layers.Add(name=f"{name}_add")([before, x]) if x.shape == before.shape else x


def _conv(x, filters, name, kernel_size=1, strides=1):
    """A convolution without bias, and its batch normalization; Keras's ε and momentum are those of the original."""
    from keras import layers

    x = layers.Conv2D(filters, kernel_size, strides, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _relu(x):
    from keras import layers

    name = x._keras_history.operation.name.removesuffix("_bn")
    return layers.ReLU(max_value=6, name=f"{name}_relu")(x)


def _load(model):
    arrays = read_arrays(FILE)
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{weight.name}"] for weight in layer.weights])
