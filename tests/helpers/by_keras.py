"""What a run of fit_many is compared with: model.fit on the same batches, from the same weights."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from course_utils.training import batches, initial_weights

keras.config.set_dtype_policy("float32")   # otherwise, whoever asks first gets the float type of that moment


def fit(build_model, split, *, optimizer="sgd", learning_rate=None, seed=0, batch_size=32, epochs=5, steps=None,
        dtype="float64", initial_scale=1.0, label_noise=0.0, loss="sparse_categorical_crossentropy",
        metrics=("accuracy",), class_weight=None, sample_weight=None, callbacks=(), eagerly=False, **draw):
    """Train one model with one call of model.fit; the model and its history, a dict of arrays (epochs,).

    `build_model` takes no arguments, `optimizer` is a name or a function that makes one; an "epoch" has `steps` steps.
    A network that is trained once gets there sooner `eagerly`.
    """
    keras.config.set_floatx(dtype)   # of the optimizer's learning rate and of the metrics
    try:
        with initial_weights.seeded(seed, dtype):
            model = build_model()
        for variable in model.trainable_variables:
            if variable.name == "kernel":
                variable.assign(variable * initial_scale)
        optimizer = keras.optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer()
        if learning_rate is not None:
            optimizer.learning_rate = learning_rate
        model.compile(optimizer, loss, metrics=list(metrics), run_eagerly=eagerly)
        y = batches.noisy_labels(split.y_train, seed, label_noise, split.classes) if label_noise else split.y_train
        steps = steps or len(split.x_train) // batch_size
        stream = batches.indices(len(split.x_train), seed, batch_size=batch_size, **draw)
        order = np.concatenate(list(itertools.islice(stream, epochs * steps)))
        parts = [split.x_train.astype(dtype), y, *([] if sample_weight is None else [sample_weight])]
        data = tf.data.Dataset.from_tensor_slices(tuple(part[order] for part in parts)).batch(batch_size)
        fitted = model.fit(data, epochs=epochs, steps_per_epoch=steps, shuffle=False, verbose=0,
                           class_weight=class_weight, callbacks=list(callbacks),
                           validation_data=(split.x_val.astype(dtype), split.y_val),
                           validation_batch_size=len(split.x_val))
        return model, {name: np.array(values) for name, values in fitted.history.items()}
    finally:
        keras.config.set_floatx("float32")


def train(*arguments, **options):
    """The history of `fit`."""
    return fit(*arguments, **options)[1]


def adding_up(optimizer):
    """An optimizer that gets the gradient of an Embedding as one array, as fit_many's and those of Keras on JAX.

    On TensorFlow, Keras hands it over as one part for each token of the batch; if a token occurs twice, most optimizers
    square or clip its two parts, and not their sum.
    """
    apply = optimizer.apply
    optimizer.apply = lambda gradients, *variables: apply(
        [tf.convert_to_tensor(gradient) for gradient in gradients], *variables)
    return optimizer


def expect_equal(runs, history, tolerance, names=("loss", "accuracy", "val_loss", "val_accuracy")):
    """Every score of a run is that of model.fit."""
    for name in names:
        np.testing.assert_allclose(runs[name].values, history[name], rtol=0, atol=tolerance, err_msg=name)
