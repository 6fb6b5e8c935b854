"""What a run of fit_many is compared with: model.fit on the same batches, from the same weights."""

import keras
import numpy as np
import tensorflow as tf

from course_utils.training import batches, initial_weights


def train(build_model, split, *, optimizer="sgd", learning_rate=None, seed=0, batch_size=32, epochs=5, steps=None,
          dtype="float64", initial_scale=1.0, label_noise=0.0, loss="sparse_categorical_crossentropy",
          metrics=("sparse_categorical_accuracy",), class_weight=None, sample_weight=None, eagerly=False, **draw):
    """Train one model with model.fit; its history, a dict of arrays (epochs,).

    `build_model` takes no arguments, `optimizer` is a name or a function that makes one; an
    "epoch" has `steps` steps. A network that is trained once gets there sooner `eagerly`.
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
        stream = batches.indices(len(split.x_train), seed, batch_size=batch_size, **draw)
        steps = steps or len(split.x_train) // batch_size
        history = []
        for _ in range(epochs):
            order = np.concatenate([next(stream) for _ in range(steps)])
            fitted = model.fit(split.x_train[order].astype(dtype), y[order], batch_size=batch_size,
                               shuffle=False, verbose=0, class_weight=class_weight,
                               sample_weight=None if sample_weight is None else sample_weight[order],
                               validation_data=(split.x_val.astype(dtype), split.y_val),
                               validation_batch_size=len(split.x_val))
            history.append({name: values[0] for name, values in fitted.history.items()})
        return {name.replace("sparse_categorical_", ""): np.array([epoch[name] for epoch in history])
                for name in history[0]}
    finally:
        keras.config.set_floatx("float32")


def adding_up(optimizer):
    """An optimizer that gets the gradient of an Embedding as one array, as fit_many's and those of Keras on JAX.

    On TensorFlow, Keras hands it over as one part for each token of the batch; if a token occurs twice, most optimizers
    square or clip its two parts, and not their sum.
    """
    apply = optimizer.apply
    optimizer.apply = lambda gradients, *variables: apply(
        [tf.convert_to_tensor(gradient) for gradient in gradients], *variables)
    return optimizer


def expect_equal(runs, history, tolerance):
    """Every score of a run is that of model.fit."""
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(runs[name].values, history[name], rtol=0, atol=tolerance, err_msg=name)
