"""Compare sound that was sent with sound that arrived, for tests and benchmarks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sip_edge.media.g711 import ulaw_to_linear


def correlation(a: bytes, b: bytes, max_lag_samples: int) -> tuple[float, int]:
    """How alike two stretches of µ-law are at the best shift: (correlation, lag in samples).

    The correlation is 1.0 for equal sound at any volume, about 0 for strangers, -1.0 for the
    inverse. A positive lag means that `b` is late. Shifts from -max to max are tried, each judged
    by the samples that overlap, if these are at least half of the shorter stretch; (0.0, 0) if
    there is no such shift, or only silence.
    """
    if not a or not b:
        return 0.0, 0
    x, y = _samples(a), _samples(b)
    lags = np.arange(-min(max_lag_samples, len(x) - 1), min(max_lag_samples, len(y) - 1) + 1)
    size = 1 << (len(x) + len(y) - 1).bit_length()
    products = np.fft.irfft(np.conj(np.fft.rfft(x, size)) * np.fft.rfft(y, size), size)[lags]
    # At lag d, x[i] lies over y[i + d]: the overlap begins at max(0, -d) in x, max(0, d) in y.
    begin_x, begin_y = np.maximum(0, -lags), np.maximum(0, lags)
    overlap = np.minimum(len(x) - begin_x, len(y) - begin_y)
    energy = np.sqrt(_energy(x, begin_x, overlap) * _energy(y, begin_y, overlap))
    is_judged = (overlap >= min(len(x), len(y)) // 2) & (energy > len(x))
    scores = np.where(is_judged, products / np.maximum(energy, 1.0), 0.0)
    best = int(np.argmax(np.abs(scores)))
    if scores[best] == 0.0:
        return 0.0, 0
    return float(scores[best]), int(lags[best])


def _samples(ulaw: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(ulaw_to_linear(ulaw), dtype="<i2").astype(np.float64)


def _energy(
    samples: npt.NDArray[np.float64], begin: npt.NDArray[np.int64], length: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """The sum of squares of each stretch."""
    sums = np.concatenate(([0.0], np.cumsum(samples**2)))
    return np.asarray(sums[begin + length] - sums[begin])
