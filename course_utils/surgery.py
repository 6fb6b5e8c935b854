"""Operations on trained Keras models: `insert` adds batch normalization, `fold` removes it; outputs stay the same."""

import numpy as np

from course_utils.batch_norm import statistics
from course_utils.models import all_layers


def insert(model, x=None, *, after=None, momentum=0.99, epsilon=1e-3):
    """A copy of a trained model with batch normalization inserted and the same outputs as before.

    Each new layer is *calibrated*: its running mean and variance are those of its input over `x`,
    γ is sqrt(variance + ε), and β is the mean, so that it changes nothing at inference. In training
    mode it normalizes with the batch, and γ and β nearly restore the original values.

    Parameters
    ----------
    model : keras.Sequential or functional keras.Model
        Remains unchanged. Layers of a model inside it are ignored.
    x : input of `model.predict`, optional
        A few hundred samples, preprocessed as in training. Without them, the new layers are *fresh*, as
        Keras makes them: running mean 0 and variance 1, γ = 1, β = 0.
    after : list of str, optional
        Names of the layers to insert one after (and after their own activation, if they have one).
        By default, all `Dense` and `Conv2D` layers except those whose output is the model's.
    momentum, epsilon : float
        Of the new layers, whose names are ``<name>_norm``.

    Returns
    -------
    keras.Model, of the same kind, not compiled.

    Raises
    ------
    ValueError
        A model that cannot be taken apart, a name that it does not contain, or a layer that it calls twice.
    """
    import keras
    from keras import layers

    calls, consumers, outputs = _graph(model)
    if after is None:
        after = [layer.name for layer in calls
                 if isinstance(layer, layers.Dense | layers.Conv2D) and consumers[layer.name]]
    tapped = {layer.name: layer for layer in calls if layer.name in after}
    for name in after:
        if name not in tapped:
            raise ValueError(f"The model has no layer {name!r}; it has {', '.join(layer.name for layer in calls)}.")
        if calls.count(tapped[name]) > 1:
            raise ValueError(f"The model calls the layer {name!r} more than once, with inputs of different statistics; "
                             "leave it out of after=.")
    stacks = {name: [_copy(layer), layers.BatchNormalization(
        axis=1 if getattr(layer, "data_format", "") == "channels_first" else -1, momentum=momentum, epsilon=epsilon,
        dtype=layer.dtype_policy, name=f"{name}_norm")] for name, layer in tapped.items()}
    inserted = _rebuilt(model, stacks)
    if x is not None and tapped:
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        probe = keras.Model(inputs, {name: outputs[name] for name in tapped})
        probe.run_eagerly = True   # used once: not worth compiling
        values = probe.predict(x, verbose=0)
        for name, (_, norm) in stacks.items():
            mean, variance = statistics(values[name].astype("float64"), axis=norm.axis)
            norm.set_weights([np.sqrt(variance + epsilon), mean, mean, variance])
    return inserted


def fold(model):
    """A copy of a model whose batch normalizations are part of the layers before them, for faster inference.

    At inference the layer multiplies and adds, and so does a layer without activation. Together
    they are one layer with kernel·s and (bias − mean)·s + β, where s = γ / sqrt(variance + ε).

    Parameters
    ----------
    model : keras.Sequential or functional keras.Model
        Remains unchanged. Layers of a model inside it are ignored.

    Returns
    -------
    keras.Model, of the same kind, not compiled
        Equal in inference mode; in training mode it no longer normalizes. Every
        `BatchNormalization` directly after a `Dense`, `Conv2D`, or `DepthwiseConv2D` without
        activation is removed; any other, for instance after an activation, stays.

    Raises
    ------
    ValueError
        A model that cannot be taken apart.

    Source: Jacob et al. (2018), Quantization and training of neural networks, section 3.2.
    """
    from keras import layers

    calls, consumers, outputs = _graph(model)
    stacks, weights = {}, {}
    for layer in calls:
        norm = _foldable(layer, calls, consumers, outputs)
        if norm is None:
            continue
        scale = _array(norm.gamma, 1.0) / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
        kernel = _array(layer.kernel)
        kernel = kernel * scale.reshape(kernel.shape[-2:] if isinstance(layer, layers.DepthwiseConv2D) else -1)
        bias = (_array(layer.bias, 0.0) - _array(norm.moving_mean)) * scale + _array(norm.beta, 0.0)
        stacks |= {layer.name: [_copy(layer, use_bias=True)], norm.name: []}
        weights[layer.name] = [kernel, bias]
    folded = _rebuilt(model, stacks)
    for name, values in weights.items():
        folded.get_layer(name).set_weights(values)
    return folded


def _foldable(layer, calls, consumers, outputs):
    """The batch normalization that takes a linear layer's output, if nothing else takes it; None otherwise."""
    from keras import activations, layers

    if type(layer) not in (layers.Dense, layers.Conv2D, layers.DepthwiseConv2D):
        return None
    if layer.activation is not activations.linear or len(consumers[layer.name]) != 1:
        return None
    [norm] = consumers[layer.name]
    if type(norm) is not layers.BatchNormalization or calls.count(layer) > 1 or calls.count(norm) > 1:
        return None
    rank = outputs[layer.name].ndim
    channels = 1 if getattr(layer, "data_format", "") == "channels_first" else rank - 1
    return norm if norm.axis % rank == channels else None


def _graph(model):
    """The operations of a model in order; by name, the consumers of each output (none if it is the model's); outputs.

    It does not use ``layer.output``, which fails for a layer that another model calls, too.
    """
    import keras

    try:
        graph = keras.Model(model.inputs, model.outputs)
    except (AttributeError, ValueError):
        raise ValueError(f"model is {model!r}; expected a functional model, or a Sequential one that begins with "
                         "an Input: only these can be taken apart.") from None
    nodes = [node for depth in sorted(graph._nodes_by_depth, reverse=True) for node in graph._nodes_by_depth[depth]
             if not node.is_input]
    consumers = {node.operation.name: [] for node in nodes}
    for node in nodes:
        for parent in node.parent_nodes:
            if not parent.is_input:
                consumers[parent.operation.name].append(node.operation)
    ends = {id(tensor) for tensor in model.outputs}
    for node in nodes:
        if any(id(tensor) in ends for tensor in node.output_tensors):
            consumers[node.operation.name] = []
    return [node.operation for node in nodes], consumers, {node.operation.name: node.outputs[0] for node in nodes}


def _rebuilt(model, stacks):
    """A copy of a model with its weights, in which some layers, by name, are replaced by lists of layers."""
    import keras

    old = {layer.name: layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)}
    stacks = {name: [_copy(layer)] for name, layer in old.items()} | stacks

    def call(operation, *args, **kwargs):
        first, *others = stacks.get(operation.name, [operation]) or [lambda value, **_: value]
        value = first(*args, **kwargs)
        for other in others:
            value = other(value)
        return value

    if isinstance(model, keras.Sequential):
        [old_input] = model.inputs
        new_input = keras.Input(batch_shape=old_input.shape, dtype=old_input.dtype)
        new = keras.Sequential([new_input, *(layer for name in old for layer in stacks[name])], name=model.name)
    else:
        new = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    for name, layer in old.items():
        for copy in stacks[name][:1]:
            if len(copy.weights) == len(layer.weights):   # `fold` may have added a bias
                copy.set_weights(layer.get_weights())
                for one, other in zip([copy, *all_layers(copy)], [layer, *all_layers(layer)], strict=True):
                    state = {}   # what `adapt` has found becomes part of a layer only in this way
                    other.save_own_variables(state)
                    one.load_own_variables(state)
    return new


def _copy(layer, **changes):
    import keras

    if isinstance(layer, keras.layers.Lambda):   # its configuration would hold the code of the function alone
        return keras.layers.Lambda(layer.function, output_shape=layer._output_shape, mask=layer.mask,
                                   arguments=layer.arguments, name=layer.name, dtype=layer.dtype_policy)
    if isinstance(layer, keras.Model) and getattr(layer, "inputs", None):
        return keras.models.clone_model(layer, clone_function=_copy)
    return type(layer).from_config(layer.get_config() | changes)


def _array(variable, default=None):
    """A variable in float64, or the default for a layer without it."""
    return np.asarray(default if variable is None else variable, "float64")
