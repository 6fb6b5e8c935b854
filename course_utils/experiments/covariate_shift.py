"""Layer inputs whose distribution moves at every step: the experiment on internal covariate shift.

A layer of noise after each batch normalization brings back the shift that batch norm is said to reduce.

Source: Santurkar, Tsipras, Ilyas & Madry (2018), How does batch normalization help optimization?,
section 2.1; the draws here are uniform throughout.
"""

import itertools

import keras
from keras import layers

from course_utils.experiments import numpy_nets
from course_utils.training import noise

ARMS = ["plain", "batch norm", "moved", "moved twice as far"]
STRETCH, JITTER = 1.25, 0.1   # the paper's


class MovingInputs(layers.Layer):
    """In training, each unit gets a new random mean and scale at every step, and each sample a small change of both.

    Parameters
    ----------
    shift : float
        The mean of a unit is uniform between -shift and shift.
    stretch : float, at least 1
        The scale of a unit is uniform between 1 and `stretch`.
    jitter : float
        Mean and scale differ between the samples of a batch by up to this much.

    The noise comes from `training.noise`, so `fit_many` can train it: run and step decide the draw.
    At inference, all units have the mean scale and no shift.
    """

    def __init__(self, shift, stretch=STRETCH, jitter=JITTER, **arguments):
        super().__init__(**arguments)
        self.shift, self.stretch, self.jitter = shift, stretch, jitter

    def call(self, inputs, training=False):
        """Move the inputs (samples, units)."""
        middle = (1 + self.stretch) / 2
        if not training:
            return middle * inputs
        if noise.current() is None:
            raise RuntimeError("MovingInputs draws its noise from the stream of a run, and there is none here; train "
                               "the model with fit_many.")
        units, values = inputs.shape[1:], inputs.shape
        mean, scale, each_mean, each_scale = (2 * noise.current().uniform(shape, inputs.dtype) - 1
                                              for shape in (units, units, values, values))
        scale = middle + (self.stretch - middle) * scale + self.jitter * each_scale
        return scale * inputs + self.shift * mean + self.jitter * each_mean

    def get_config(self):
        """What builds this layer again."""
        return super().get_config() | {"shift": self.shift, "stretch": self.stretch, "jitter": self.jitter}


def network(arm="plain", *, input_shift=0.5, depth=3, width=64, momentum=0.9):
    """A multilayer perceptron without batch norm, with it, or with it and its outputs moved at random.

    Parameters
    ----------
    arm : str, one of `ARMS`
    input_shift : float
        The shift of `MovingInputs`, which follows each batch norm in "moved"; twice that in "moved twice as far".
    depth, width, momentum
        As in `models.mlp`.

    Returns
    -------
    keras.Sequential for 64 inputs and ten classes, not compiled.
    """
    stack = [keras.Input((64,))]
    for _ in range(depth):
        stack.append(layers.Dense(width, use_bias=arm == "plain", kernel_initializer="he_normal"))
        if arm != "plain":
            stack.append(layers.BatchNormalization(momentum=momentum))
        if "moved" in arm:
            stack.append(MovingInputs(input_shift * (1 + ("twice" in arm))))
        stack.append(layers.Activation("relu"))
    return keras.Sequential([*stack, layers.Dense(10, activation="softmax")])


def matching_shift(data, seeds, *, learning_rate=0.2, steps=33):
    """The smallest multiple of 0.25 that moves the inputs of the activations as far as training a plain network does.

    `data`, `seeds`, `learning_rate`, and `steps` are those of `numpy_nets.drift`.
    """
    def drift(**network):
        return numpy_nets.drift(data, seeds, steps=steps, learning_rate=learning_rate, **network).mean()

    plain = drift()
    return next(shift for shift in itertools.count(0.25, 0.25)
                if drift(batch_norm=True, shift=shift, stretch=STRETCH, jitter=JITTER) >= plain)
