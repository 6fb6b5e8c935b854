"""Ordinary Keras models in which every technique of the course is an argument."""


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
        Of the hidden layers. Pass a *string*, or one initializer is shared by all layers.
    batch_norm : bool
        Put a `BatchNormalization` into each hidden layer. The bias of its `Dense` layer is
        then dropped: the normalization would subtract it again.
    norm_position : {"before", "after"}
        Where the normalization stands, seen from the activation.
    momentum : float in [0, 1]
        Of the running mean and variance.
    dropout : float in [0, 1)
        Rate of a `Dropout` layer after each hidden layer; 0 leaves it out.
    l2 : float
        Weight penalty on the kernels of all layers; 0 leaves it out.

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

    def penalty():
        return keras.regularizers.L2(l2) if l2 else None

    stack = [keras.Input(input_shape)]
    if len(input_shape) > 1:
        stack.append(layers.Flatten())
    for _ in range(depth):
        stack.append(layers.Dense(width, use_bias=not batch_norm, kernel_initializer=kernel_initializer,
                                  kernel_regularizer=penalty()))
        if batch_norm and norm_position == "before":
            stack.append(layers.BatchNormalization(momentum=momentum))
        stack.append(layers.Activation(activation))
        if batch_norm and norm_position == "after":
            stack.append(layers.BatchNormalization(momentum=momentum))
        if dropout:
            stack.append(layers.Dropout(dropout))
    stack.append(layers.Dense(classes, activation="softmax", kernel_regularizer=penalty()))
    return keras.Sequential(stack)   # in one go: `model.add` would rebuild it at every layer
