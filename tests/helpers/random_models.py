"""Random models for tests/training/test_fuzz.py: a seed decides about layers, optimizer, loss, data, and dtype."""

import dataclasses
import functools
import operator

import keras
import numpy as np
from keras import layers, optimizers

from course_utils import datasets
from course_utils.models import all_layers

SAMPLES, VALIDATION, BATCH = 24, 10, 5
LARGEST = 150   # numbers per sample that a layer may give
ACTIVATIONS = ["relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "softsign", "hard_sigmoid",
               "exponential", "leaky_relu", "relu6", "mish", "log_softmax", "softmax", "linear"]


def one(rng, *options):
    return options[rng.integers(len(options))]


def flip(rng):
    return bool(rng.integers(2))


# A maker takes the generator and the shape of one sample, and returns what to call.

def by_axis(rng, shape):
    return {"axis": int(rng.integers(1, len(shape) + 1))}


def extras(rng):
    """Now and then a regularizer and a constraint."""
    return {"kernel_regularizer": one(rng, None, None, "l2", keras.regularizers.L1(0.01)),
            "bias_regularizer": one(rng, None, None, "l1"), "activity_regularizer": one(rng, None, None, None, "l2"),
            "kernel_constraint": one(rng, None, None, keras.constraints.MaxNorm(1.0), "non_neg", "unit_norm"),
            "use_bias": flip(rng)}


def window(rng, shape, rank):
    """How far a convolution or a pooling reaches along each axis, how far it moves, and how it pads."""
    size = tuple(int(rng.integers(1, min(3, length) + 1)) for length in shape[:rank])
    return size, tuple(int(rng.integers(1, 3)) for _ in size), one(rng, "valid", "same")


def convolution(kind, rank, *, filters=True, **options):
    def make(rng, shape):
        size, strides, padding = window(rng, shape, rank)
        if kind in (layers.DepthwiseConv2D, layers.SeparableConv2D):   # TensorFlow has them for squares alone
            strides = strides[:1] * 2
        given = {"filters": int(rng.integers(1, 5))} if filters else {}
        given |= {"activation": one(rng, None, *ACTIVATIONS), "use_bias": flip(rng)} | options
        if kind is layers.Conv2D:
            given |= extras(rng)
        if kind in (layers.Conv1D, layers.Conv2D) and flip(rng):
            given["dilation_rate"] = tuple(1 + (2 * (n - 1) < length and flip(rng))
                                           for n, length in zip(size, shape, strict=False))
            strides = (1,) * rank
        if rank == 1:
            size, strides = size[0], strides[0]
        return kind(kernel_size=size, strides=strides, padding=padding, **given)

    return make


def grouped(rng, shape):
    size, strides, padding = window(rng, shape, 2)
    return layers.Conv2D(2 * shape[-1], size, strides, padding, groups=shape[-1])


def pooling(kind, rank):
    def make(rng, shape):
        size, strides, padding = window(rng, shape, rank)
        strides = one(rng, None, strides)
        return kind(size[0], strides and strides[0], padding) if rank == 1 else kind(size, strides, padding)

    return make


def recurrent(kind, **options):
    def make(rng, shape):
        given = {"return_sequences": flip(rng), "go_backwards": flip(rng), "unroll": one(rng, False, False, True)}
        if kind is layers.GRU:
            given["reset_after"] = flip(rng)
        return kind(int(rng.integers(1, 4)), **given | options)

    return make


def merge(kind):
    """Two branches and the layer that joins them."""
    def make(rng, shape):
        branch = layers.Dense(shape[-1], activation=one(rng, *ACTIVATIONS))
        other = one(rng, lambda x: x, layers.Activation(one(rng, *ACTIVATIONS)), layers.Dense(shape[-1]))
        joined = kind()
        return lambda x: joined([branch(x), other(x)])

    return make


def shared(rng, shape):
    twice = layers.Dense(shape[-1], activation="tanh")
    return lambda x: twice(twice(x))


def nested(rng, shape):
    return keras.Sequential([keras.Input(shape), layers.Dense(3), layers.BatchNormalization(), layers.ReLU()])


def attention(kind, **options):
    def make(rng, shape):
        layer = kind(**options)
        return lambda x: layer([x, x]) if kind in (layers.Attention, layers.AdditiveAttention) else layer(x, x)

    return make


ANY = {   # of vectors, sequences, and images
    "Dense": lambda rng, shape: layers.Dense(int(rng.integers(1, 6)), one(rng, *ACTIVATIONS), **extras(rng)),
    "Activation": lambda rng, shape: layers.Activation(one(rng, *ACTIVATIONS)),
    "BatchNormalization": lambda rng, shape: layers.BatchNormalization(
        momentum=one(rng, 0.5, 0.9), epsilon=0.01, center=flip(rng), scale=flip(rng),
        trainable=one(rng, True, True, False), **by_axis(rng, shape)),
    "LayerNormalization": lambda rng, shape: layers.LayerNormalization(
        epsilon=0.01, center=flip(rng), scale=flip(rng), **by_axis(rng, shape)),
    "GroupNormalization": lambda rng, shape: layers.GroupNormalization(one(rng, 1, -1, shape[-1]), epsilon=0.01),
    "RMSNormalization": lambda rng, shape: layers.RMSNormalization(epsilon=0.01),
    "UnitNormalization": lambda rng, shape: layers.UnitNormalization(),
    "Rescaling": lambda rng, shape: layers.Rescaling(0.5, offset=0.1),
    "Dropout": lambda rng, shape: layers.Dropout(0.3),
    "GaussianDropout": lambda rng, shape: layers.GaussianDropout(0.3),
    "GaussianNoise": lambda rng, shape: layers.GaussianNoise(0.3),
    "AlphaDropout": lambda rng, shape: layers.AlphaDropout(0.3),
    "ReLU": lambda rng, shape: layers.ReLU(one(rng, None, 1.0), one(rng, 0.0, 0.1), one(rng, 0.0, 0.2)),
    "LeakyReLU": lambda rng, shape: layers.LeakyReLU(0.2),
    "ELU": lambda rng, shape: layers.ELU(0.7),
    "PReLU": lambda rng, shape: layers.PReLU(alpha_initializer="uniform", shared_axes=one(rng, None, [1])),
    "Softmax": lambda rng, shape: layers.Softmax(**by_axis(rng, shape)),
    "ActivityRegularization": lambda rng, shape: layers.ActivityRegularization(l1=0.01, l2=0.01),
    "Lambda": lambda rng, shape: layers.Lambda(one(rng, keras.ops.sin, lambda x: x * keras.ops.sigmoid(x))),
    "Identity": lambda rng, shape: layers.Identity(),
    "Flatten": lambda rng, shape: layers.Flatten(),
    "Reshape": lambda rng, shape: layers.Reshape(one(rng, (-1, 1), (1, -1), (*shape[:-1], 1, shape[-1])[-3:]
                                                     if len(shape) < 3 else (-1, shape[-1]))),
    "SpectralNormalization": lambda rng, shape: layers.SpectralNormalization(layers.Dense(3)),
    "Add": merge(layers.Add), "Subtract": merge(layers.Subtract), "Multiply": merge(layers.Multiply),
    "Average": merge(layers.Average), "Maximum": merge(layers.Maximum), "Minimum": merge(layers.Minimum),
    "Concatenate": merge(layers.Concatenate), "a layer called twice": shared, "a model inside": nested,
}
VECTORS = {
    "RepeatVector": lambda rng, shape: layers.RepeatVector(2),
    "EinsumDense": lambda rng, shape: layers.EinsumDense("ab,bc->ac", output_shape=3, bias_axes="c"),
    "Dot": merge(lambda: layers.Dot(axes=1)),
}
SEQUENCES = {
    "Permute": lambda rng, shape: layers.Permute((2, 1)),
    "Conv1D": convolution(layers.Conv1D, 1), "SeparableConv1D": convolution(layers.SeparableConv1D, 1),
    "DepthwiseConv1D": convolution(layers.DepthwiseConv1D, 1, filters=False),
    "Conv1DTranspose": convolution(layers.Conv1DTranspose, 1),
    "MaxPooling1D": pooling(layers.MaxPooling1D, 1), "AveragePooling1D": pooling(layers.AveragePooling1D, 1),
    "GlobalAveragePooling1D": lambda rng, shape: layers.GlobalAveragePooling1D(keepdims=flip(rng)),
    "GlobalMaxPooling1D": lambda rng, shape: layers.GlobalMaxPooling1D(keepdims=flip(rng)),
    "ZeroPadding1D": lambda rng, shape: layers.ZeroPadding1D((1, 2)),
    "Cropping1D": lambda rng, shape: layers.Cropping1D((shape[0] > 1, 0)),
    "UpSampling1D": lambda rng, shape: layers.UpSampling1D(2),
    "SpatialDropout1D": lambda rng, shape: layers.SpatialDropout1D(0.3),
    "SimpleRNN": recurrent(layers.SimpleRNN), "LSTM": recurrent(layers.LSTM), "GRU": recurrent(layers.GRU),
    "LSTM with dropout": recurrent(layers.LSTM, dropout=0.3),
    "Bidirectional": lambda rng, shape: layers.Bidirectional(layers.GRU(2, return_sequences=flip(rng))),
    "Masking": lambda rng, shape: layers.Masking(0.0),
    "MultiHeadAttention": attention(layers.MultiHeadAttention, num_heads=2, key_dim=2),
    "MultiHeadAttention with dropout": attention(layers.MultiHeadAttention, num_heads=2, key_dim=2, dropout=0.3),
    "GroupedQueryAttention": attention(layers.GroupQueryAttention, head_dim=2, num_query_heads=2,
                                       num_key_value_heads=1),
    "Attention": attention(layers.Attention, use_scale=True), "AdditiveAttention": attention(layers.AdditiveAttention),
    "TimeDistributed": lambda rng, shape: layers.TimeDistributed(layers.Dense(3, activation="tanh")),
}
IMAGES = {
    "Permute": lambda rng, shape: layers.Permute(one(rng, (3, 1, 2), (2, 1, 3))),
    "Conv2D": convolution(layers.Conv2D, 2), "SeparableConv2D": convolution(layers.SeparableConv2D, 2),
    "Conv2D in groups": grouped,
    "DepthwiseConv2D": convolution(layers.DepthwiseConv2D, 2, filters=False),
    "Conv2DTranspose": convolution(layers.Conv2DTranspose, 2),
    "MaxPooling2D": pooling(layers.MaxPooling2D, 2), "AveragePooling2D": pooling(layers.AveragePooling2D, 2),
    "GlobalAveragePooling2D": lambda rng, shape: layers.GlobalAveragePooling2D(keepdims=flip(rng)),
    "GlobalMaxPooling2D": lambda rng, shape: layers.GlobalMaxPooling2D(keepdims=flip(rng)),
    "ZeroPadding2D": lambda rng, shape: layers.ZeroPadding2D(((1, 0), (0, 2))),
    "Cropping2D": lambda rng, shape: layers.Cropping2D(((shape[0] > 1, 0), (0, shape[1] > 1))),
    "UpSampling2D": lambda rng, shape: layers.UpSampling2D((2, 1)),
    "UpSampling2D, bilinear": lambda rng, shape: layers.UpSampling2D((2, 1), interpolation="bilinear"),
    "Resizing": lambda rng, shape: layers.Resizing(3, 3, interpolation=one(rng, "nearest", "bilinear")),
    "SpatialDropout2D": lambda rng, shape: layers.SpatialDropout2D(0.3),
    "RandomFlip": lambda rng, shape: layers.RandomFlip(),
    "ConvLSTM1D": lambda rng, shape: layers.ConvLSTM1D(2, 1, return_sequences=flip(rng)),
    "TimeDistributed": lambda rng, shape: layers.TimeDistributed(layers.Conv1D(2, 1)),
}
BY_RANK = {1: ANY | VECTORS, 2: ANY | SEQUENCES, 3: ANY | IMAGES}
ENLARGING = {"RepeatVector", "UpSampling1D", "UpSampling2D", "UpSampling2D, bilinear", "ZeroPadding1D", "ZeroPadding2D",
             "Concatenate", "Resizing", "Conv1DTranspose", "Conv2DTranspose"}
# A model of these alone trains many runs at once; the course teaches with them.
COURSE = {"Dense", "Activation", "BatchNormalization", "LayerNormalization", "Rescaling", "Dropout", "GaussianDropout",
          "GaussianNoise", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "ActivityRegularization", "Identity",
          "Flatten", "Reshape", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate",
          "a layer called twice", "a model inside", "RepeatVector", "Permute", "GlobalAveragePooling1D",
          "GlobalMaxPooling1D", "SpatialDropout1D", "Conv2D", "MaxPooling2D", "AveragePooling2D",
          "GlobalAveragePooling2D", "GlobalMaxPooling2D", "ZeroPadding2D", "Cropping2D", "SpatialDropout2D",
          "Embedding", "Normalization"}
RANDOM = {"Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D"}
FLOAT32 = {"UpSampling2D, bilinear", "Resizing"}
# They draw numbers that no test can know.
DRAWING = {"AlphaDropout", "LSTM with dropout", "MultiHeadAttention with dropout", "RandomFlip"}

# The large epsilon keeps rounding errors, which are the gradient of a bias before a batch norm, from becoming steps.
OPTIMIZERS = {
    "SGD": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9),
    "Nesterov, clipnorm": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipnorm=0.5),
    "SGD, weight decay": lambda: optimizers.SGD(0.05, weight_decay=0.01),
    "Adam": lambda: optimizers.Adam(0.01, epsilon=1e-3),
    "AMSGrad, global_clipnorm": lambda: optimizers.Adam(0.01, epsilon=1e-3, amsgrad=True, global_clipnorm=0.5),
    "AdamW": lambda: optimizers.AdamW(0.01, epsilon=1e-3, weight_decay=0.1),
    "RMSprop": lambda: optimizers.RMSprop(0.01, epsilon=1e-3, momentum=0.5, centered=True),
    "Nadam, clipvalue": lambda: optimizers.Nadam(0.01, epsilon=1e-3, clipvalue=0.1),
    "Adagrad": lambda: optimizers.Adagrad(0.05, epsilon=1e-3),
    "Adamax": lambda: optimizers.Adamax(0.01, epsilon=1e-3),
    "Adam, decaying": lambda: optimizers.Adam(optimizers.schedules.CosineDecay(0.02, 10), epsilon=1e-3),
}
LOSSES = {   # the loss (of the float type at the time), the outputs and their activation, and the targets
    "sparse": (lambda: "sparse_categorical_crossentropy", 3, "softmax", "classes"),
    "sparse, logits": (lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True), 3, None, "classes"),
    "one-hot": (lambda: "categorical_crossentropy", 3, "softmax", "one-hot"),
    "smoothed": (lambda: keras.losses.CategoricalCrossentropy(label_smoothing=0.1), 3, "softmax", "one-hot"),
    "binary": (lambda: "binary_crossentropy", 1, "sigmoid", "binary"),
    "binary, logits": (lambda: keras.losses.BinaryCrossentropy(from_logits=True), 1, None, "binary"),
    "mse": (lambda: "mse", 2, None, "numbers"),
    "mae": (lambda: "mae", 1, None, "numbers"),
    "huber": (lambda: "huber", 1, None, "numbers"),
    "sum of squares": (lambda: keras.losses.MeanSquaredError(reduction="sum"), 1, None, "numbers"),
}
INPUTS = {"vector": (6,), "sequence": (5, 3), "image": (5, 4, 2), "tokens": (5,)}


@dataclasses.dataclass
class Case:
    """What to train: how the model is built, and everything else that a seed has decided."""

    seed: int
    build: callable
    labels: list     # of the layers, those of the tables above
    split: datasets.Split
    optimizer: str
    loss: str
    dtype: str
    sample_weight: np.ndarray | None
    silent: bool     # whether the random layers are to draw nothing

    @property
    def exact(self):
        """Whether the results are known: nothing in the model draws."""
        return DRAWING.isdisjoint(self.labels) and (self.silent or RANDOM.isdisjoint(self.labels))

    def build_silently(self):
        """The model with random layers that draw nothing, for `model.fit`."""
        model = self.build()
        for layer in all_layers(model):
            for strength in ("rate", "stddev"):
                if hasattr(layer, strength):
                    setattr(layer, strength, 0.0)
        return model

    def __str__(self):
        return (f"seed {self.seed}: {self.split.name} -> {' -> '.join(self.labels)}; {self.optimizer}; {self.loss}; "
                f"{self.dtype}{'; sample weights' * (self.sample_weight is not None)}")


def case(seed):
    """The case of a seed; every second one has only layers of the course."""
    rng = np.random.default_rng([seed, 0])
    kind, loss = one(rng, *INPUTS, "image", "sequence"), one(rng, *LOSSES)
    shape = (SAMPLES + VALIDATION, *INPUTS[kind])
    x = rng.integers(0, 7, shape).astype("int32") if kind == "tokens" else rng.normal(size=shape)
    model, labels = _model(seed, kind, loss, x)
    y = _targets(rng, model.output_shape[1:], LOSSES[loss][3])
    split = datasets.Split(kind, x[:SAMPLES], y[:SAMPLES], x[SAMPLES:], y[SAMPLES:])
    weights = one(rng, None, None, None, rng.uniform(0.2, 2, SAMPLES))
    if len(model.output_shape) > 2:   # Keras would take the weights of the samples for those of the steps
        weights = None
    return Case(seed, lambda: _model(seed, kind, loss, x)[0], labels, split, one(rng, *OPTIMIZERS), loss,
                one(rng, "float64", "float64", "float64", "float32"), weights, silent=rng.random() < 0.8)


def _targets(rng, shape, kind):
    """What a model should answer, for all samples."""
    shape = (SAMPLES + VALIDATION, *shape)
    if kind == "numbers":
        return rng.normal(size=one(rng, shape, shape[:-1]) if shape[-1] == 1 else shape)
    classes = rng.permutation(np.arange(np.prod(shape[:-1])) % 3).reshape(shape[:-1])
    return {"classes": classes, "one-hot": np.eye(3)[classes], "binary": (classes > 0).astype("int32")}[kind]


def _model(seed, kind, loss, samples):
    """A new model of a seed, and the labels of its layers; the same one every time."""
    rng, labels = np.random.default_rng([seed, 1]), []
    _, outputs, activation, _ = LOSSES[loss]
    if kind == "tokens":
        inputs = keras.Input(INPUTS[kind], dtype="int32")
        x = layers.Embedding(7, 3, mask_zero=seed % 2 and flip(rng))(inputs)
        labels.append("Embedding")
    else:
        x = inputs = keras.Input(INPUTS[kind])
        if rng.random() < 0.2:
            first = layers.Normalization()
            first.adapt(samples)
            x = first(x)
            labels.append("Normalization")
    for _ in range(rng.integers(1, 7)):
        shape = tuple(x.shape[1:])
        known = BY_RANK[len(shape)]
        size = functools.reduce(operator.mul, shape)
        labels_here = [label for label in known if (seed % 2 or label in COURSE)
                       and not (label in ENLARGING and 2 * size > LARGEST)]
        special = [label for label in labels_here if label not in ANY]   # of sequences, or of images
        label = one(rng, *(special if len(special) > 3 and flip(rng) else labels_here))
        x = known[label](rng, shape)(x)
        labels.append(label)
        if len(x.shape) > 4:
            x = layers.Flatten()(x)
    if len(x.shape) == 4 or (len(x.shape) == 3 and rng.random() < 0.7):   # else an answer for each step
        x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(outputs, activation=activation)(x))
    if keras.activations.selu in [getattr(layer, "activation", None) for layer in all_layers(model)]:
        labels.append("selu")   # its gradient at exactly 0 is 1.76 in XLA and 1.05 in TensorFlow
    return model, labels
