"""Separation of two loci on a Rouse chain in a viscoelastic medium, in a trap or free, exact in time.

Chromatin subdiffuses with exponents below Rouse's 1/2. A chain whose friction has a power-law memory keeps Rouse's
conformations and normal modes, and a mode of stiffness s relaxes as a Mittag-Leffler function E_g(-w s t^g) in place of
an exponential; the MSD grows with exponent g / 2 (Weber, Spakowitz and Theriot, Phys. Rev. Lett. 2010). A harmonic trap
adds the same stiffness to every mode.

E_g(-x^g) is a mixture of exponentials with positive weights for 0 < g < 1 (Gorenflo and Mainardi, Fractals and
Fractional Calculus in Continuum Mechanics, 1997): E_g(-x^g) = integral of K(r) exp(-r x) dr. So the covariance is again
a sum of decaying exponentials, here over a grid that is even in log r, on which the trapezoidal rule converges
exponentially.
"""

from dataclasses import dataclass
from math import gamma

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.rouse import RouseChain, sum_of_modes

Floats = NDArray[np.float64]
TAIL = 1e-9  # share of the weights beyond the ends of the grid


@dataclass(frozen=True)
class ViscoelasticChain:
    """chain: its conformations; its Gamma is per s^exponent
    exponent: of the separation's MSD = Gamma t^exponent at short times, in [0.1, 0.5]
    confinement_time_s: relaxation time of the trap alone; None for a free chain
    """

    chain: RouseChain
    exponent: float
    confinement_time_s: float | None = None

    @property
    def memory(self) -> float:
        """g, the exponent of the medium; 1 is a fluid without memory."""
        return 2 * self.exponent

    @property
    def spring_rate(self) -> float:
        """w (s^-g): MSD = 4 b^2 sqrt(w t^g / pi) G(3/2) / G(1 + g/2) in the limit of a long chain, G the gamma
        function. Averaging Rouse's 4 b^2 sqrt(w u t^g / pi) over u of the Mittag-Leffler distribution gives it.
        """
        return self.chain.spring_rate_per_s * (gamma(1 + self.exponent) / gamma(1.5)) ** 2

    def stiff_modes(self) -> tuple[Floats, Floats]:
        """Variance (nm^2, per axis) of each normal mode in the trap, and w s of it (s^-g)."""
        variance, rate = self.chain.modes()
        free = rate * (self.spring_rate / self.chain.spring_rate_per_s)
        if self.confinement_time_s is None:
            return variance, free
        held = free + self.confinement_time_s**-self.memory
        return variance * free / held, held

    def modes(self) -> tuple[Floats, Floats]:
        """Variance (nm^2, per axis) and relaxation rate (1/s) of the exponentials that sum to the covariance."""
        variance, stiffness = self.stiff_modes()
        g = self.memory
        if g == 1:
            return variance, stiffness
        rate = stiffness ** (1 / g)
        width = min(np.pi * (1 - g) / g, np.pi / 2)  # of the strip around the real axis in which log r may move
        reach = -np.log(TAIL) / g
        grid = np.arange(np.log(rate.min()) - reach, np.log(rate.max()) + reach, 0.3 * width)
        weight = np.zeros_like(grid)
        for share, centre in zip(variance, np.log(rate), strict=True):
            x = np.clip(g * (grid - centre), -500, 500)
            weight += share / (np.cosh(x) + np.cos(np.pi * g))
        return weight * (variance.sum() / weight.sum()), np.exp(grid)

    def covariance(self, lag_s: Floats) -> Floats:
        """Covariance of the separation along one axis, nm^2, at each lag."""
        return sum_of_modes(*self.modes(), lag_s)
