"""EfficientNet-Lite0 in plain NumPy, from the tensors of the PyTorch file: slow, and shares no code with the course."""

import numpy as np

STRIDE_2 = {1, 3, 5, 11}   # of the 16 blocks


def forward(tensors, image):
    """Features (1280,) and probabilities (1000,) of one image (height, width, 3) in [0, 1], in float64."""

    def norm(x, name):
        gamma, beta, mean, variance = (tensors[f"{name}.{part}"].astype(float)[:, None, None]
                                       for part in ("weight", "bias", "running_mean", "running_var"))
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def conv(x, name, norm_name, stride=1):
        return norm(convolved(x, tensors[f"{name}.weight"].astype(float), stride), norm_name)

    x = (image.astype(float).transpose(2, 0, 1) * 255 - 127) / 128
    x = relu6(conv(x, "_conv_stem", "_bn0", 2))
    for number in range(16):
        block, before = f"_blocks.{number}", x
        if number:
            x = relu6(conv(x, f"{block}._expand_conv", f"{block}._bn0"))
        x = relu6(conv(x, f"{block}._depthwise_conv", f"{block}._bn1", 2 if number in STRIDE_2 else 1))
        x = conv(x, f"{block}._project_conv", f"{block}._bn2")
        if x.shape == before.shape:
            x = x + before
    features = relu6(conv(x, "_conv_head", "_bn1")).mean((1, 2))
    scores = tensors["_fc.weight"].astype(float) @ features + tensors["_fc.bias"]
    powers = np.exp(scores - scores.max())
    return features, powers / powers.sum()


def relu6(x):
    return np.minimum(np.maximum(x, 0), 6)


def convolved(x, kernel, stride):
    """(channels, height, width) with a kernel (out, in, k, k), or (channels, 1, k, k) for one channel at a time.

    Zeros around the image as TensorFlow's "same" adds them: of an odd number, more at the bottom and on the right.
    """
    k = kernel.shape[-1]
    sizes = [-(-side // stride) for side in x.shape[1:]]
    missing = [max((size - 1) * stride + k - side, 0) for size, side in zip(sizes, x.shape[1:], strict=True)]
    x = np.pad(x, [(0, 0), *((total // 2, total - total // 2) for total in missing)])
    how = "cij,c->cij" if kernel.shape[1] == 1 < len(x) else "cij,oc->oij"
    return sum(np.einsum(how, x[:, row:row + stride * (sizes[0] - 1) + 1:stride,
                                column:column + stride * (sizes[1] - 1) + 1:stride],
                         kernel[:, 0, row, column] if how.startswith("cij,c-") else kernel[:, :, row, column],
                         optimize=True)
               for row in range(k) for column in range(k))
