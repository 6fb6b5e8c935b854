"""Ordinary Keras models in which every technique of the course is an argument."""

import math


def mlp(*, input_shape=(64,), classes=10, width=64, depth=3, activation="relu",
        kernel_initializer="he_normal", batch_norm=False, norm_position="before", momentum=0.99,
        dropout=0.0, l2=0.0):
    """A multilayer perceptron: `depth` hidden layers of `width` units and a softmax.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one sample; anything but a vector is flattened first.
    classes : int
        Units of the softmax layer.
    width, depth : int
        Units per hidden layer; number of hidden layers.
    activation : str
        Of the hidden layers.
    kernel_initializer : str or keras.initializers.Initializer
        Of the hidden layers. Pass a *string*; otherwise, all layers share one initializer.
    batch_norm : bool
        Put a `BatchNormalization` into each hidden layer. The bias of its `Dense` layer is
        then dropped, because the normalization would subtract it again.
    norm_position : {"before", "after"}
        Position of the normalization relative to the activation.
    momentum : float in [0, 1]
        Of the running mean and variance.
    dropout : float in [0, 1)
        Rate of a `Dropout` layer after each hidden layer; no such layers if 0.
    l2 : float
        Weight penalty on the kernels of all layers.

    Returns
    -------
    keras.Sequential, not compiled.

    Raises
    ------
    ValueError
        `norm_position` is neither "before" nor "after".
    """
    import keras
    from keras import layers

    if norm_position not in ("before", "after"):
        raise ValueError(f"norm_position is {norm_position!r}; write 'before' or 'after' (the activation).")

    stack = [keras.Input(input_shape)]
    if len(input_shape) > 1:
        stack.append(layers.Flatten())
    for _ in range(depth):
        stack.append(layers.Dense(width, use_bias=not batch_norm, kernel_initializer=kernel_initializer,
                                  kernel_regularizer=_penalty(l2)))
        if batch_norm and norm_position == "before":
            stack.append(layers.BatchNormalization(momentum=momentum))
        stack.append(layers.Activation(activation))
        if batch_norm and norm_position == "after":
            stack.append(layers.BatchNormalization(momentum=momentum))
        if dropout:
            stack.append(layers.Dropout(dropout))
    stack.append(layers.Dense(classes, activation="softmax", kernel_regularizer=_penalty(l2)))
    return keras.Sequential(stack)   # all at once: `model.add` would rebuild it at every layer


def cnn(*, input_shape=(8, 8, 1), classes=10, filters=(8, 16), units=(), kernel_size=3, activation="relu",
        kernel_initializer="he_normal", batch_norm=False, momentum=0.99, dropout=0.0, l2=0.0):
    """A convolutional network: convolutions, each followed by a pooling, and a softmax.

    The last feature maps are flattened, as in LeNet and VGG: global average pooling would discard
    the position of a stroke in a small image.

    Parameters
    ----------
    input_shape : tuple of int
        (height, width, channels) of one image. A gray image may leave out the channels, and
        a square one may be a vector: (64,) is reshaped to (8, 8, 1) first.
    filters : tuple or list of int
        Filters of each convolution; a 2×2 max pooling after each halves height and width.
    units : tuple or list of int
        Units of each dense hidden layer, between the last pooling and the softmax layer; by default there are none.
    kernel_size : int
        Of all convolutions; padding keeps height and width.
    batch_norm : bool
        Put a `BatchNormalization` between each convolution or hidden layer and its activation, and drop the bias
        of the former.
    dropout : float in [0, 1)
        Rate of a `Dropout` layer before the softmax layer; no such layer if 0.
    classes, activation, kernel_initializer, momentum, l2
        As in `mlp`, with convolutions in place of hidden layers.

    Returns
    -------
    keras.Sequential, not compiled.

    Raises
    ------
    ValueError
        `input_shape` is not that of an image, or `filters` is empty or too long for it.
    """
    import keras
    from keras import layers

    image = image_shape(input_shape)
    halvings = min(image[:2]).bit_length() - 1
    if not isinstance(filters, tuple | list) or not 1 <= len(filters) <= halvings:
        raise ValueError(f"filters is {filters!r}; write one number for each convolution, such as (8, 16), and at "
                         f"most {halvings}: each pooling halves an image of {image[0]}×{image[1]} pixels.")

    stack = [keras.Input(input_shape)]
    if image != tuple(input_shape):
        stack.append(layers.Reshape(image))
    options = {"use_bias": not batch_norm, "kernel_initializer": kernel_initializer}

    def activated(layer):
        return [layer, *([layers.BatchNormalization(momentum=momentum)] if batch_norm else []),
                layers.Activation(activation)]

    for number in filters:
        stack += [*activated(layers.Conv2D(number, kernel_size, padding="same", kernel_regularizer=_penalty(l2),
                                           **options)), layers.MaxPooling2D()]
    stack.append(layers.Flatten())
    for number in units:
        stack += activated(layers.Dense(number, kernel_regularizer=_penalty(l2), **options))
    if dropout:
        stack.append(layers.Dropout(dropout))
    stack.append(layers.Dense(classes, activation="softmax", kernel_regularizer=_penalty(l2)))
    return keras.Sequential(stack)


def pretrained(build_model, *, weights="imagenet", **arguments):
    """A network of `keras.applications` with its trained weights.

    Parameters
    ----------
    build_model : callable
        For instance `keras.applications.MobileNetV2`.
    weights : str, path or None
        ``"imagenet"`` downloads them, once. A path loads a file written by `model.save_weights`.
        None keeps the initial ones.
    **arguments
        Passed on, such as ``include_top=False`` or ``input_shape``.

    Returns
    -------
    keras.Model

    Raises
    ------
    ConnectionError
        The weights could not be downloaded; the message says what to do instead.
    """
    try:
        return build_model(weights=weights, **arguments)
    except Exception as error:   # Keras raises a plain one
        if "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(
            f"The weights of {build_model.__name__} could not be downloaded: connect to the network once, or pass "
            "weights= the path of a file of weights, or weights=None for a network that is not trained.") from None


def _penalty(l2):
    """A weight penalty of a layer's own, or None for 0."""
    import keras

    return keras.regularizers.L2(l2) if l2 else None


def all_layers(model):
    """All layers of a model, including those inside them; Keras offers this only under a private name."""
    return model._flatten_layers(include_self=False)


def image_shape(input_shape):
    """(height, width, channels) of samples that are images, gray images, or square gray images as vectors.

    Raises
    ------
    ValueError
        They are none of these.
    """
    match tuple(input_shape):
        case (length,) if math.isqrt(length)**2 == length:
            return (math.isqrt(length), math.isqrt(length), 1)
        case (height, width):
            return (height, width, 1)
        case (_, _, _) as image:
            return image
    raise ValueError(f"input_shape is {tuple(input_shape)}; expected (height, width, channels), or a vector whose "
                     "length is a square, such as (64,).")
