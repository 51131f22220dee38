"""The likelihood of a track's signal given how likely the promoter was to switch in every block, with its derivatives.

Forwards and backwards over the compound states of `response`. The derivatives follow from Fisher's identity: that of
log p(y) is the posterior mean of the derivative of log p(y, states), so one pass gives them all, for every switching
probability and every parameter of the signal.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[Any]
NEGLIGIBLE = 1e-9  # states less probable than this are passed over


@njit(nogil=True, cache=True, error_model="numpy")
def forward_backward(
    signal: Floats,
    up: Floats,
    down: Floats,
    amplitude: Floats,
    unit: float,
    background: float,
    variance: float,
    tables: Floats,
    want: bool,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Likelihood and derivatives of N tracks of B blocks.

    signal: (N, B), NaN where missing
    up, down: (N, B) probability to be on at the end of a block for a promoter off at its start, and of the reverse; the
        first column is not read: the first state is the stationary one of each track's mean probabilities
    amplitude: (N,) a.u. per second while on; unit, background, variance: of `response` (variance of a block's noise)
    tables: of `Response`
    want: whether derivatives are wanted

    Gives log likelihood (N,); its derivatives by amplitude, unit, background and variance (N, 4); by `up` and `down`
    (N, B) each; and the posterior probability to be on at the end of each block (N, B).
    """
    n, blocks = signal.shape
    states = tables.shape[0]
    logs = np.zeros(n)
    by_signal, by_up, by_down = np.zeros((n, 4)), np.zeros((n, blocks)), np.zeros((n, blocks))
    on = np.zeros((n, blocks))
    alpha, density = np.zeros((blocks, states)), np.ones((blocks, states))
    predicted, beta, new_beta = np.zeros(states), np.zeros(states), np.zeros(states)
    slope, scale, norm, alone_scale, alone_norm = (
        np.zeros(states),
        np.zeros(states),
        np.zeros(states),
        np.zeros(states),
        np.zeros(states),
    )
    sums = np.zeros((states, 9))
    initial = np.zeros(states)
    for i in range(n):
        a = amplitude[i]
        for c in range(states):
            v0 = a * a * tables[c, 2] + a * unit * tables[c, 5] + variance
            v1 = a * a * tables[c, 3] + a * unit * tables[c, 6] + variance
            cov = a * a * tables[c, 4] + a * unit * tables[c, 7]
            slope[c] = cov / v1
            v = v0 - slope[c] * cov
            scale[c], norm[c] = 1 / v, -0.5 * np.log(2 * np.pi * v)
            alone_scale[c], alone_norm[c] = 1 / v0, -0.5 * np.log(2 * np.pi * v0)
        last = -1
        for b in range(blocks):
            if not np.isnan(signal[i, b]):
                last = b
        if last < 0:
            continue
        mean_up, mean_down = 0.0, 0.0
        for b in range(1, last + 1):
            mean_up += up[i, b] / max(last, 1)
            mean_down += down[i, b] / max(last, 1)
        if last == 0:
            mean_up, mean_down = up[i, 0], down[i, 0]
        _initial(initial, mean_up, mean_down)
        for b in range(last + 1):
            if b == 0:
                predicted[:] = initial
            else:
                predicted[:] = 0
                for c in range(states):
                    weight = alpha[b - 1, c]
                    if weight < NEGLIGIBLE:
                        continue
                    to_on = up[i, b] if c & 1 == 0 else 1 - down[i, b]
                    nxt = (c << 1) & (states - 1)
                    predicted[nxt] += weight * (1 - to_on)
                    predicted[nxt | 1] += weight * to_on
            y = signal[i, b]
            if np.isnan(y):
                density[b] = 1.0
                alpha[b] = predicted
                continue
            paired = b > 0 and not np.isnan(signal[i, b - 1])
            top = -1e300
            for c in range(states):
                if predicted[c] < NEGLIGIBLE:
                    density[b, c] = -1e300
                    continue
                r = y - background - a * tables[c, 0]
                if paired:
                    r -= slope[c] * (signal[i, b - 1] - background - a * tables[c, 1])
                    density[b, c] = norm[c] - 0.5 * r * r * scale[c]
                else:
                    density[b, c] = alone_norm[c] - 0.5 * r * r * alone_scale[c]
                top = max(top, density[b, c])
            total = 0.0
            for c in range(states):
                density[b, c] = np.exp(density[b, c] - top) if density[b, c] > top - 200 else 0.0
                alpha[b, c] = predicted[c] * density[b, c]
                total += alpha[b, c]
            for c in range(states):
                alpha[b, c] /= total
                density[b, c] /= total
            logs[i] += np.log(total) + top
        for b in range(last + 1):
            p = 0.0
            for c in range(1, states, 2):
                p += alpha[b, c]
            on[i, b] = p
        if not want:
            continue
        sums[:] = 0
        beta[:] = 1
        for b in range(last, -1, -1):
            y = signal[i, b]
            p = 0.0
            for c in range(states):
                gamma = alpha[b, c] * beta[c]
                if gamma < NEGLIGIBLE:
                    continue
                if c & 1:
                    p += gamma
                if np.isnan(y):
                    continue
                e0 = y - background - a * tables[c, 0]
                if b > 0 and not np.isnan(signal[i, b - 1]):
                    e1 = signal[i, b - 1] - background - a * tables[c, 1]
                    sums[c, 0] += gamma
                    sums[c, 1] += gamma * e0
                    sums[c, 2] += gamma * e1
                    sums[c, 3] += gamma * e0 * e0
                    sums[c, 4] += gamma * e0 * e1
                    sums[c, 5] += gamma * e1 * e1
                else:
                    sums[c, 6] += gamma
                    sums[c, 7] += gamma * e0
                    sums[c, 8] += gamma * e0 * e0
            on[i, b] = p
            if b == 0:
                break
            new_beta[:] = 0
            g_up, g_down = 0.0, 0.0
            for c in range(states):
                weight = alpha[b - 1, c]
                if weight < NEGLIGIBLE:
                    continue
                nxt = (c << 1) & (states - 1)
                stay_off = density[b, nxt] * beta[nxt]
                go_on = density[b, nxt | 1] * beta[nxt | 1]
                if c & 1 == 0:
                    new_beta[c] = (1 - up[i, b]) * stay_off + up[i, b] * go_on
                    g_up += weight * (go_on - stay_off)
                else:
                    new_beta[c] = down[i, b] * stay_off + (1 - down[i, b]) * go_on
                    g_down += weight * (stay_off - go_on)
            by_up[i, b], by_down[i, b] = g_up, g_down
            beta[:] = new_beta
        g_up, g_down = _by_initial(alpha[0] * beta, mean_up, mean_down)
        if last > 0:
            for b in range(1, last + 1):
                by_up[i, b] += g_up / last
                by_down[i, b] += g_down / last
        else:
            by_up[i, 0], by_down[i, 0] = g_up, g_down
        _by_signal(sums, slope, scale, alone_scale, a, unit, tables, by_signal[i], variance)
    return logs, by_signal, by_up, by_down, on


@njit(nogil=True, cache=True, error_model="numpy")
def _initial(out: Floats, up: float, down: float) -> None:
    """Probability of each compound state of a stationary two-state chain."""
    states = out.size
    bits = 0
    while (1 << bits) < states:
        bits += 1
    for c in range(states):
        state = (c >> (bits - 1)) & 1
        p = up / (up + down) if state else down / (up + down)
        for k in range(bits - 2, -1, -1):
            new = (c >> k) & 1
            if state:
                p *= 1 - down if new else down
            else:
                p *= up if new else 1 - up
            state = new
        out[c] = p


@njit(nogil=True, cache=True, error_model="numpy")
def _by_initial(gamma: Floats, up: float, down: float) -> tuple[float, float]:
    """Derivatives by `up` and `down` of the log of `_initial`, weighted by gamma."""
    states = gamma.size
    bits = 0
    while (1 << bits) < states:
        bits += 1
    g_up, g_down = 0.0, 0.0
    for c in range(states):
        state = (c >> (bits - 1)) & 1
        g_up += gamma[c] * ((1 / up if state else 0.0) - 1 / (up + down))
        g_down += gamma[c] * ((0.0 if state else 1 / down) - 1 / (up + down))
        for k in range(bits - 2, -1, -1):
            new = (c >> k) & 1
            if state:
                g_down += gamma[c] * (-1 / (1 - down) if new else 1 / down)
            else:
                g_up += gamma[c] * (1 / up if new else -1 / (1 - up))
            state = new
    return g_up, g_down


@njit(nogil=True, cache=True, error_model="numpy")
def _by_signal(
    sums: Floats,
    slope: Floats,
    scale: Floats,
    alone_scale: Floats,
    a: float,
    unit: float,
    tables: Floats,
    out: Floats,
    variance: float,
) -> None:
    """Add up derivatives by amplitude, unit, background and variance from the posterior sums of each state."""
    for c in range(len(sums)):
        m0, m1, sv0, sv1, sv01, q0, q1, q01 = tables[c]
        d0, d1, d01 = 2 * a * sv0 + unit * q0, 2 * a * sv1 + unit * q1, 2 * a * sv01 + unit * q01
        if sums[c, 0] > 0:
            f, w = slope[c], scale[c]
            v1 = a * a * sv1 + a * unit * q1 + variance
            r = sums[c, 1] - f * sums[c, 2]
            rr = sums[c, 3] - 2 * f * sums[c, 4] + f * f * sums[c, 5]
            by_v = 0.5 * w * (rr * w - sums[c, 0])
            by_slope = w * (sums[c, 4] - f * sums[c, 5])
            out[0] += w * r * (m0 - f * m1) + by_v * (d0 - 2 * f * d01 + f * f * d1) + by_slope * (d01 - f * d1) / v1
            out[1] += a * (by_v * (q0 - 2 * f * q01 + f * f * q1) + by_slope * (q01 - f * q1) / v1)
            out[2] += w * r * (1 - f)
            out[3] += by_v * (1 + f * f) - by_slope * f / v1
        if sums[c, 6] > 0:
            w = alone_scale[c]
            by_v = 0.5 * w * (sums[c, 8] * w - sums[c, 6])
            out[0] += w * sums[c, 7] * m0 + by_v * d0
            out[1] += by_v * a * q0
            out[2] += w * sums[c, 7]
            out[3] += by_v
