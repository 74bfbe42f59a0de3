"""3x3 convolutions by Winograd's minimal filtering: a quarter of the multiplications, for inference on CPUs.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016: F(4x4, 3x3). A patch of 6x6 values and the
kernel are both evaluated at six points in either direction, multiplied there, and 4x4 results are interpolated from
the products. The points decide the rounding error; 0, the square roots of 1/2 and 2 with both signs, and infinity keep
it at some six times that of the direct sum (1e-6 of the results' size), half of what the usual 0, 1, -1, 2, -2 give.
"""

import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
import tf_keras

TILE, PATCH = 4, 6
POINTS = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2.0), -math.sqrt(2.0))
# With fewer channels the transforms cost more than the multiplications that they save.
LEAST_CHANNELS = 64


class WinogradConvolutions:
    """Winograd versions of those convolutions of the given layers that get faster, made from their current kernels.

    `variables` holds the transformed kernels; they are not updated when a layer's own kernel changes.
    """

    def __init__(self, layers: Iterable[tf_keras.layers.Layer]):
        self._kernels = {id(conv): _transformed(conv) for conv in layers if _gains(conv)}
        self.variables = list(self._kernels.values())

    def __call__(self, conv: tf_keras.layers.Layer, maps: list[tf.Tensor]) -> list[tf.Tensor]:
        """Applies the layer to each of these maps [batch, h, w, channels]; to all of them at once if it is faster."""
        kernel = self._kernels.get(id(conv))
        if kernel is None:
            return [conv(one) for one in maps]
        return _convolve(maps, kernel, conv.bias if conv.use_bias else None)


def _gains(layer: tf_keras.layers.Layer) -> bool:
    if type(layer) is not tf_keras.layers.Conv2D or min(layer.kernel.shape[2:]) < LEAST_CHANNELS:
        return False
    plain = (layer.kernel_size, layer.strides, layer.dilation_rate) == ((3, 3), (1, 1), (1, 1)) and layer.groups == 1
    return plain and layer.padding == "same" and layer.activation is tf_keras.activations.linear


def _transformed(conv: tf_keras.layers.Conv2D) -> tf.Variable:
    """The kernel [3, 3, channels, filters] evaluated at the points: [36, channels, filters]."""
    _, evaluate, _ = matrices()
    kernel = np.einsum("iy,jx,yxcf->ijcf", evaluate, evaluate, conv.kernel.numpy(), dtype=np.float64)
    kernel = kernel.reshape(PATCH * PATCH, *kernel.shape[2:])
    return tf.Variable(kernel, trainable=False, dtype=conv.kernel.dtype, name=f"{conv.name}_winograd")


def matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The transforms in one direction, float64: of the patch [6, 6], of the kernel [6, 3], of the products [4, 6].

    Toom and Cook's multiplication of polynomials at POINTS and infinity, transposed: a product of n values is
    evaluated by a Vandermonde matrix of n columns whose last row, infinity's, takes the leading one.
    """

    def evaluation(columns: int) -> np.ndarray:
        return np.vstack([np.vander(POINTS, columns, increasing=True), np.eye(columns)[-1]])

    return np.linalg.inv(evaluation(PATCH)).T, evaluation(PATCH - TILE + 1), evaluation(TILE).T


def _convolve(maps: list[tf.Tensor], kernel: tf.Variable, bias: tf.Variable | None) -> list[tf.Tensor]:
    """SAME convolutions of maps [batch, h, w, channels] with one transformed kernel [36, channels, filters]."""
    of_patch, _, of_products = (tf.constant(np.kron(one, one), kernel.dtype) for one in matrices())
    channels, filters = kernel.shape[1:]
    batch, sizes = tf.shape(maps[0])[0], [_size(one) for one in maps]
    patches, results = _indices(sizes)
    # The cells of all maps in one list, followed by the zeros that pad the borders.
    counts = [height * width for height, width in sizes]
    cells = [tf.reshape(one, [batch, count, channels]) for one, count in zip(maps, counts, strict=True)]
    cells = tf.concat([*cells, tf.zeros([batch, 1, channels], kernel.dtype)], axis=1)
    values = tf.gather(cells, patches, axis=1)
    values = of_patch @ tf.reshape(values, [batch, PATCH * PATCH, -1])
    products = tf.reshape(values, [batch, PATCH * PATCH, -1, channels]) @ kernel
    found = of_products @ tf.reshape(products, [batch, PATCH * PATCH, -1])
    found = tf.gather(tf.reshape(found, [batch, -1, filters]), results, axis=1)
    if bias is not None:
        found += bias
    parts = tf.split(found, counts, axis=1, num=len(maps))
    return [tf.reshape(part, [batch, *size, filters]) for part, size in zip(parts, sizes, strict=True)]


def _size(features: tf.Tensor) -> tuple:
    """(height, width), as Python numbers if they are static."""
    shape = features.shape[1:3]
    return tuple(tf.unstack(tf.shape(features)[1:3])) if None in shape else tuple(shape)


def _indices(sizes: list[tuple]) -> tuple[tf.Tensor, tf.Tensor]:
    """Indices that gather patches from cells, and cells' results from the tiles' results.

    The first, int32 [36, tiles], has for each tile the 36 cells of its patch, among the cells of all maps followed by
    one cell of zeros; the second has for each cell its result among the results [16, tiles], counted row by row.
    """
    num_cells = sum(height * width for height, width in sizes)
    tiles = [(-(-height // TILE), -(-width // TILE)) for height, width in sizes]
    num_tiles = sum(rows * columns for rows, columns in tiles)
    patches, results, first_cell, first_tile = [], [], 0, 0
    for (height, width), (rows, columns) in zip(sizes, tiles, strict=True):
        y, x = (TILE * tf.range(count)[:, None] + tf.range(PATCH) - 1 for count in (rows, columns))
        inside = _grid((y >= 0) & (y < height), (x >= 0) & (x < width), tf.logical_and)
        cell = first_cell + _grid(y * width, x, tf.add)
        patches.append(tf.reshape(tf.where(inside, cell, num_cells), [PATCH * PATCH, -1]))
        y, x = tf.range(height)[:, None], tf.range(width)
        within, tile = TILE * (y % TILE) + x % TILE, first_tile + y // TILE * columns + x // TILE
        results.append(tf.reshape(within * num_tiles + tile, [-1]))
        first_cell, first_tile = first_cell + height * width, first_tile + rows * columns
    return tf.concat(patches, axis=1), tf.concat(results, axis=0)


def _grid(of_rows: tf.Tensor, of_columns: tf.Tensor, combine) -> tf.Tensor:
    """Combines [rows, 6] and [columns, 6] to [6, 6, rows, columns]."""
    return combine(tf.transpose(of_rows)[:, None, :, None], tf.transpose(of_columns)[None, :, None, :])
