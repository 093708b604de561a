"""Loops over arrays that Paddle has no fast operation for on a CPU, compiled by Numba.

Paddle's depthwise convolution on a CPU is one scalar loop on one thread. All images are float32
[lines, channels, height, width], C-contiguous. Each channel is one thread's, and is added up in the
same order whatever the number of threads.
"""

from __future__ import annotations

import os
from pathlib import Path

import numba  # type: ignore[import-not-found]
import numpy as np

from finetuning.weights import Array

# The other layers bring an OpenMP of their own, whose idle threads take the cores from Paddle's.
numba.config.THREADING_LAYER = "workqueue"
_OPTIONS = {
    "fastmath": True,
    "error_model": "numpy",
    # What was compiled once is kept beside this file, for the next job on the same machine.
    "cache": os.access(Path(__file__).parent, os.W_OK),
}


@numba.njit(inline="always", **_OPTIONS)  # type: ignore[untyped-decorator]
def _add_row(total: Array, row: Array, kernel: Array) -> None:
    """Add a row of weights times a padded row; unrolled for the sizes that recognizers have."""
    width = total.shape[0]
    if kernel.shape[0] == 5:
        a, b, c, d, e = kernel[0], kernel[1], kernel[2], kernel[3], kernel[4]
        for x in range(width):
            total[x] += (
                a * row[x] + b * row[x + 1] + c * row[x + 2] + d * row[x + 3] + e * row[x + 4]
            )
    elif kernel.shape[0] == 3:
        a, b, c = kernel[0], kernel[1], kernel[2]
        for x in range(width):
            total[x] += a * row[x] + b * row[x + 1] + c * row[x + 2]
    else:
        for column in range(kernel.shape[0]):
            weight = kernel[column]
            for x in range(width):
                total[x] += weight * row[x + column]


@numba.njit(inline="always", **_OPTIONS)  # type: ignore[untyped-decorator]
def _add_products(totals: Array, row: Array, padded: Array) -> None:
    """Add the products of a row with a padded one, once per shift between them."""
    for shift in range(totals.shape[0]):
        product = np.float32(0.0)
        for x in range(row.shape[0]):
            product += row[x] * padded[x + shift]
        totals[shift] += product


@numba.njit(parallel=True, **_OPTIONS)  # type: ignore[untyped-decorator]
def depthwise(images: Array, kernels: Array, down: int, across: int, result: Array) -> None:
    """Convolve every channel with its kernel [channels, 1, size, size], padded by size // 2.

    `down` and `across` are the strides.
    """
    lines, channels, height, width = images.shape
    size = kernels.shape[2]
    pad = size // 2
    for channel in numba.prange(channels):
        padded = np.zeros((height + 2 * pad, width + 2 * pad), dtype=np.float32)
        total = np.empty(width, dtype=np.float32)
        for line in range(lines):
            padded[pad : pad + height, pad : pad + width] = images[line, channel]
            for y in range(result.shape[2]):
                total[:] = 0.0
                for row in range(size):
                    _add_row(total, padded[y * down + row], kernels[channel, 0, row])
                for x in range(result.shape[3]):
                    result[line, channel, y, x] = total[x * across]


@numba.njit(parallel=True, **_OPTIONS)  # type: ignore[untyped-decorator]
def depthwise_gradients(
    images: Array,
    kernels: Array,
    down: int,
    across: int,
    gradients: Array,
    of_images: Array,
    of_kernels: Array,
) -> None:
    """Compute what `depthwise` hands back of the result's gradients."""
    lines, channels, height, width = images.shape
    size = kernels.shape[2]
    pad = size // 2
    for channel in numba.prange(channels):
        padded = np.zeros((height + 2 * pad, width + 2 * pad), dtype=np.float32)
        # The gradients where a stride of one would have put them, zero between.
        spread = np.zeros((height + 2 * pad, width + 2 * pad), dtype=np.float32)
        turned = kernels[channel, 0, ::-1, ::-1].copy()
        found = np.zeros((size, size), dtype=np.float32)
        for line in range(lines):
            padded[pad : pad + height, pad : pad + width] = images[line, channel]
            for y in range(gradients.shape[2]):
                for x in range(gradients.shape[3]):
                    spread[pad + y * down, pad + x * across] = gradients[line, channel, y, x]
            for y in range(height):
                total = of_images[line, channel, y]
                total[:] = 0.0
                for row in range(size):
                    _add_row(total, spread[y + row], turned[row])
            for y in range(gradients.shape[2]):
                given = spread[pad + y * down, pad : pad + width]
                for row in range(size):
                    _add_products(found[row], given, padded[y * down + row])
        of_kernels[channel, 0] = found


@numba.njit(parallel=True, **_OPTIONS)  # type: ignore[untyped-decorator]
def activate(images: Array, bias: Array, affine: Array, result: Array) -> None:
    """Compute `c * hardswish(a * (images + bias) + b) + d`; affine is [a, b, c, d]."""
    lines, channels, height, width = images.shape
    a, b, c, d = affine
    for channel in numba.prange(channels):
        shift = a * bias[channel] + b
        for line in range(lines):
            for y in range(height):
                for x in range(width):
                    inner = a * images[line, channel, y, x] + shift
                    gate = min(max(inner + np.float32(3.0), np.float32(0.0)), np.float32(6.0))
                    result[line, channel, y, x] = c * inner * gate / np.float32(6.0) + d


@numba.njit(parallel=True, **_OPTIONS)  # type: ignore[untyped-decorator]
def activate_gradients(
    images: Array,
    bias: Array,
    affine: Array,
    gradients: Array,
    of_images: Array,
    of_bias: Array,
    of_affine: Array,
) -> None:
    """Compute what `activate` hands back; `of_affine` is [channels, 4] in double precision, to be
    added up."""
    lines, channels, height, width = images.shape
    a, b, c, _ = affine
    for channel in numba.prange(channels):
        totals = np.zeros(5, dtype=np.float64)
        for line in range(lines):
            for y in range(height):
                # Rows are added up in single precision, which is fast, and their sums in double.
                plain = by_a = by_b = by_c = by_d = np.float32(0.0)
                for x in range(width):
                    biased = images[line, channel, y, x] + bias[channel]
                    inner = a * biased + b
                    given = gradients[line, channel, y, x]
                    gate = min(max(inner + np.float32(3.0), np.float32(0.0)), np.float32(6.0))
                    slope = gate / np.float32(6.0)
                    by_c += given * inner * slope
                    by_d += given
                    if np.float32(-3.0) < inner < np.float32(3.0):
                        slope += inner / np.float32(6.0)
                    step = given * c * slope
                    by_a += step * biased
                    by_b += step
                    of_images[line, channel, y, x] = step * a
                    plain += step * a
                totals[0] += by_a
                totals[1] += by_b
                totals[2] += by_c
                totals[3] += by_d
                totals[4] += plain
        of_affine[channel] = totals[:4]
        of_bias[channel] = totals[4]
