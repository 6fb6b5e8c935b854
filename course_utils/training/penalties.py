"""Penalties and bounds on norms, which restrain kernels with a strength that is a number of the run.

Both affect only the kernels, as ``kernel_regularizer`` and ``kernel_constraint`` of all layers of a Keras model would;
biases, γ, and β stay as they are.
"""

import keras
import tensorflow as tf


def penalty(variables, weights, l1, l2):
    """The penalty of one run: l1 · Σ|w| + l2 · Σw², as `keras.regularizers.L1L2` defines it.

    Parameters
    ----------
    variables : list of keras.Variable
        The trainable variables of the model.
    weights : list of tensors
        Their values in this run.
    l1, l2 : scalars
    """
    kernels = [weight for variable, weight in zip(variables, weights, strict=True) if _is_kernel(variable)]
    return (l1 * tf.add_n([tf.reduce_sum(tf.abs(kernel)) for kernel in kernels])
            + l2 * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels]))


def bounded(variables, weights, max_norm):
    """Kernels whose units have incoming weights of at most this norm, as `keras.constraints.MaxNorm` makes them.

    Parameters
    ----------
    variables, weights
        As in `penalty`.
    max_norm : scalar
        Infinity for no bound.
    """
    def bound(kernel):
        norm = tf.sqrt(tf.reduce_sum(tf.square(kernel), axis=range(len(kernel.shape) - 1), keepdims=True))
        shrunk = kernel * (tf.minimum(norm, max_norm) / (keras.config.epsilon() + norm))
        return tf.where(tf.math.is_inf(max_norm), kernel, shrunk)

    return [bound(weight) if _is_kernel(variable) else weight
            for variable, weight in zip(variables, weights, strict=True)]


def _is_kernel(variable):
    return variable.name == "kernel"
