"""A real pretrained network, with its weights, for use without a network connection.

    >>> base = pretrained.efficientnet_lite0((96, 96, 3), include_top=False)
    >>> x = pretrained.features(images)

network          EfficientNet-Lite0 and its weights
extraction       its features of images, kept on disk

Others than the authors of the course made the weights: see NOTICE.md.
"""

from course_utils.pretrained.extraction import features
from course_utils.pretrained.network import efficientnet_lite0

__all__ = ["efficientnet_lite0", "features"]
