"""Deterministic stand-in weights for a TensorFlow Object Detection API (TFOD) checkpoint.

No published weights can be had on the build machines, so every golden in this folder was made
with weights drawn from this formula, keyed by the checkpoint's own variable names.  A test can
therefore rebuild the very checkpoint the reference implementation used, with NumPy alone.
"""

import zlib

import numpy as np


def synthetic_value(key: str, shape) -> np.ndarray:
    """Float32 value of the variable `key` (without '/.ATTRIBUTES/VARIABLE_VALUE')."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    noise = rng.standard_normal(tuple(shape))
    leaf = key.rsplit("/", 1)[-1]
    if leaf in ("kernel", "pointwise_kernel"):
        fan_in = float(np.prod(shape[:-1]))
        value = noise * np.sqrt(2.0 / fan_in)
    elif leaf == "depthwise_kernel":
        value = noise * np.sqrt(2.0 / float(shape[0] * shape[1]))
    elif leaf == "gamma":
        value = 0.6 + 0.1 * noise
    elif leaf == "moving_variance":
        value = 1.0 + 0.2 * np.abs(noise)
    elif leaf in ("beta", "moving_mean"):
        value = 0.1 * noise
    elif leaf == "bias":
        value = 0.1 * noise - (2.0 if "_class_predictor_layers" in key or "_class_prediction_head" in key else 0.0)
    else:
        raise ValueError(f"no rule for {key}")
    return value.astype(np.float32)


def synthetic_image(seed: int, height: int, width: int) -> np.ndarray:
    """uint8 [height, width, 3]: smooth blobs plus noise, so that resizing and cropping matter."""
    rng = np.random.Generator(np.random.PCG64(seed))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.zeros((height, width, 3))
    for _ in range(6):
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        sy, sx = rng.uniform(0.05, 0.3) * height, rng.uniform(0.05, 0.3) * width
        colour = rng.uniform(-160, 160, size=3)
        image += np.exp(-(((y - cy) / sy) ** 2 + ((x - cx) / sx) ** 2))[..., None] * colour
    image += 127 + rng.normal(0, 8, size=image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def synthetic_groundtruth(seed: int, count: int, num_classes: int):
    """(boxes float32 [count, 4] as ymin, xmin, ymax, xmax in [0, 1]; classes int32 [count], 0-based)."""
    rng = np.random.Generator(np.random.PCG64(10_000 + seed))
    centre = rng.uniform(0.2, 0.8, size=(count, 2))
    half = rng.uniform(0.04, 0.3, size=(count, 2))
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    boxes = np.concatenate([low, high], axis=1).astype(np.float32)
    classes = rng.integers(0, num_classes, size=count).astype(np.int32)
    return boxes, classes
