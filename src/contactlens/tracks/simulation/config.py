"""Parameters of the simulated tracks: polymer, promoter, polymerases and microscope. Needs numpy alone."""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from contactlens.base.settings import (
    ClosedUnit,
    Field,
    NonNegativeFloat,
    OpenUnit,
    PositiveFloat,
    PositiveInt,
    rule,
    settings,
)

if TYPE_CHECKING:
    from contactlens.tracks.simulation.rouse import RouseChain
    from contactlens.tracks.simulation.viscoelastic import ViscoelasticChain

ContactLaw = Literal["step", "gaussian", "logistic", "none"]
Start = Literal["off", "stationary"]
AxisNoise = tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat]
FIRST_ABSENT = "msd_exponent"  # this field and those after it describe processes that are absent by default


@settings
class SimulationConfig:
    """Parameters of the simulation, near the literature; a rate is per second, a length in nm.

    n_tracks, n_frames: tracks and frames of each; 601 frames of 30 s are 5 h
    n_groups: experiments that the tracks are dealt to in turn
    frame_interval_s: 30 s as in two-locus imaging of mouse ES cells (Mach et al., Nat. Genet. 2022); 20-30 s is usual
        (Gabriele et al., Science 2022: 20 s; Bruckner et al., Science 2023: 28 s)
    substeps_per_frame: contact is sampled this much finer than the frame (3 s)
    contact_radius_nm: 100 nm, the order at which simulated and imaged loci are called in contact (150 nm in Mach et
        al. 2022; microscopy resolves no less)
    mean_distance_nm: 300 nm, the order for loci of some 100 kb (Mach et al. 2022; Gabriele et al. 2022)
    msd_amplitude_nm2_per_sqrt_s: 4,000 nm^2 s^-1/2 = 0.004 um^2 s^-1/2 with Rouse's exponent 1/2, within the range
        of some 10^-3 to 10^-2 of two-locus MSDs in live cells (Gabriele et al. 2022; Bruckner et al. 2023)
    beads, loci: a chain of 500 beads with the loci 100 bonds apart and away from the ends; a discretisation, fine
        enough for the MSD to be within 1 % of an infinite chain's from 3 s on
    k_on_per_s: candidate on-events, one in 15 s: a choice, fast enough for contact and not initiation to be limiting,
        the regime in which contact is visible in MS2 at all (a visit below the radius lasts some 7 s, and visits come
        in clusters)
    k_off_per_s: bursts of 3 min on average, the order found in fly embryos (Lammers et al., PNAS 2020; Zoller et al.,
        Cell 2018)
    loading_rate_per_s: one polymerase in 6 s while on, the order of Garcia et al. (Curr. Biol. 2013) and Lammers et al.
    ms2_ramp_s, ms2_dwell_s: 28 s and 140 s, the loop and whole-gene elongation times of the eve reporter in Lammers et
        al. 2020 (1.4 and 7 steps of 20 s)
    polymerase_signal: signal of one polymerase, which sets the arbitrary unit
    localisation_noise_nm: SD of the measured separation along x, y, z, or of each of the two loci's positions along
        them; 30 nm each for the separation, the order of sub-diffraction localisation of two colours
    ms2_noise: SD of the signal's noise, 2 polymerases: about a tenth of a fully loaded gene
    bleaching_time_s: decay time of the signal by bleaching; none where null
    missing_fraction: share of frames that were not observed, at random

    Processes that are absent by default:

    msd_exponent: of the separation's MSD = Gamma t^exponent at short times, in [0.1, 0.5]; below 1/2 the chain moves in
        a viscoelastic medium (`viscoelastic.py`) and Gamma (`msd_amplitude_nm2_per_sqrt_s`) is per s^exponent
    confinement_time_s: relaxation time of a harmonic trap that holds every bead; `mean_distance_nm` is that of the free
        chain, the trapped one is shorter
    contact_law: candidates take effect with probability 1 below the contact radius r and 0 above (`step`),
        exp(-(d / r)^2) (`gaussian`), 1 / (1 + exp((d - r) / contact_width_nm)) (`logistic`), or always (`none`)
    contact_width_nm: width of the logistic law
    release_radius_nm: contact that began below `contact_radius_nm` lasts up to this distance (hysteresis)
    contact_between_substeps: whether a candidate's distance is drawn for its own time, between the sub-steps before and
        after it, and not that of the sub-step before: for radii that the loci cross within less than a sub-step
    activation_steps: effective candidates that it takes to switch on, without loss in between (Zuin et al., Nature
        2022, describe mouse ES cells with five)
    activation_delay_s: fixed time from the last of them to the burst
    start: the promoter's state when the simulation begins: off, or drawn near its stationary state
    burn_in_bursts: mean burst lengths that are simulated before the first frame; what the start leaves behind decays at
        least as fast as exp(-burn_in_bursts)
    loading_fano: variance over mean of the number of polymerases loaded in a long time: loading is a renewal process
        with gamma waiting times, regular below 1, in convoys above (Tantale et al., Nat. Commun. 2016)
    loading_cv_between_tracks: coefficient of variation of the loading rate between cells, gamma distributed
    unresponsive_fraction: share of cells whose promoter never switches on
    exposure_s: the position is averaged over this time, centred at the frame (motion blur)
    drift_nm_per_s: SD along each axis of a track's constant drift between the two channels
    ms2_background, ms2_background_sd: offset of the signal (a.u.) and its SD between cells
    crosstalk_to_ms2: signal (a.u.) that the enhancer's label adds where both loci are at one place
    crosstalk_width_nm: SD of the point spread function with which that falls off with the distance
    crosstalk_to_separation: MS2 light of signal S pulls the enhancer's measured position to the promoter: the
        separation shrinks by 1 + crosstalk_to_separation S
    """

    n_tracks: PositiveInt = 1000
    n_frames: PositiveInt = 601
    n_groups: PositiveInt = 20
    frame_interval_s: PositiveFloat = 30.0
    substeps_per_frame: PositiveInt = 10
    contact_radius_nm: PositiveFloat = 100.0
    mean_distance_nm: PositiveFloat = 300.0
    msd_amplitude_nm2_per_sqrt_s: PositiveFloat = 4e3
    beads: PositiveInt = 500
    loci: tuple[int, int] = (200, 300)
    k_on_per_s: PositiveFloat = 1 / 15
    k_off_per_s: PositiveFloat = 1 / 180
    loading_rate_per_s: PositiveFloat = 1 / 6
    ms2_ramp_s: PositiveFloat = 28.0
    ms2_dwell_s: PositiveFloat = 140.0
    polymerase_signal: PositiveFloat = 1.0
    localisation_noise_nm: AxisNoise | tuple[AxisNoise, AxisNoise] = (30.0, 30.0, 30.0)
    ms2_noise: NonNegativeFloat = 2.0
    bleaching_time_s: PositiveFloat | None = None
    missing_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    msd_exponent: Annotated[float, Field(ge=0.1, le=0.5)] = 0.5
    confinement_time_s: PositiveFloat | None = None
    contact_law: ContactLaw = "step"
    contact_width_nm: PositiveFloat = 25.0
    release_radius_nm: PositiveFloat | None = None
    contact_between_substeps: bool = False
    activation_steps: PositiveInt = 1
    activation_delay_s: NonNegativeFloat = 0.0
    start: Start = "off"
    burn_in_bursts: NonNegativeFloat = 10.0
    loading_fano: PositiveFloat = 1.0
    loading_cv_between_tracks: NonNegativeFloat = 0.0
    unresponsive_fraction: ClosedUnit = 0.0
    exposure_s: NonNegativeFloat = 0.0
    drift_nm_per_s: NonNegativeFloat = 0.0
    ms2_background: float = 0.0
    ms2_background_sd: NonNegativeFloat = 0.0
    crosstalk_to_ms2: NonNegativeFloat = 0.0
    crosstalk_width_nm: PositiveFloat = 250.0
    crosstalk_to_separation: NonNegativeFloat = 0.0

    @rule
    def _lengths_and_times_fit(self) -> None:
        self._require("ms2_ramp_s", self.ms2_ramp_s <= self.ms2_dwell_s, "must lie in (0, ms2_dwell_s]")
        self._require("exposure_s", self.exposure_s <= self.frame_interval_s, "must lie in [0, frame_interval_s]")
        holds = 0 <= self.loci[0] < self.loci[1] < self.beads
        self._require("loci", holds, f"must be two beads in order, below beads = {self.beads}")

    @rule
    def _contact_laws_fit(self) -> None:
        release = self.release_radius_nm
        holds = release is None or (self.contact_law == "step" and self.contact_radius_nm <= release)
        self._require("release_radius_nm", holds, "must be null, or at least contact_radius_nm of a step law")
        holds = release is None or not self.contact_between_substeps
        self._require("contact_between_substeps", holds, "must be false with a release_radius_nm")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"{name} {rule}, got {getattr(self, name)}")

    @property
    def separation_noise_nm(self) -> NDArray[np.float64]:
        """(3,) SD of the measured separation along each axis; the noise of two loci adds in quadrature."""
        noise = np.asarray(self.localisation_noise_nm, dtype=np.float64)
        return noise if noise.ndim == 1 else np.sqrt((noise**2).sum(axis=0))

    @property
    def chain(self) -> "RouseChain | ViscoelasticChain":
        from contactlens.tracks.simulation.rouse import RouseChain
        from contactlens.tracks.simulation.viscoelastic import ViscoelasticChain

        chain = RouseChain(self.beads, self.loci, self.mean_distance_nm, self.msd_amplitude_nm2_per_sqrt_s)
        if self.msd_exponent == 0.5 and self.confinement_time_s is None:
            return chain
        return ViscoelasticChain(chain, self.msd_exponent, self.confinement_time_s)

    @property
    def duration_s(self) -> float:
        return (self.n_frames - 1) * self.frame_interval_s

    @property
    def burn_in_frames(self) -> int:
        """Frames simulated before the first, so that promoter and MS2 start in their stationary state."""
        before_s = self.burn_in_bursts / self.k_off_per_s + self.ms2_dwell_s + self.activation_delay_s
        return int(np.ceil(before_s / self.frame_interval_s))

    def recorded(self) -> dict[str, Any]:
        """The parameters as JSON can hold them; those of processes that are absent are left out."""
        names = [f.name for f in fields(self)]
        absent = {f.name: f.default for f in fields(self)[names.index(FIRST_ABSENT) :]}
        kept = {name: v for name, v in asdict(self).items() if name not in absent or v != absent[name]}
        return {name: _as_lists(value) for name, value in kept.items()}

    @classmethod
    def from_record(cls, values: dict[str, Any]) -> "SimulationConfig":
        """The configuration that `recorded` gave."""
        return cls(**{name: _as_tuples(value) for name, value in values.items()})


def _as_lists(value: Any) -> Any:
    return [_as_lists(v) for v in value] if isinstance(value, tuple) else value


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(v) for v in value) if isinstance(value, list) else value


@settings
class RandomWalkConfig:
    """Walks between 0 and 1 that are reflected at both ends; lengths have no unit.

    n_tracks, n_frames: walks, and frames of each
    n_groups: among which the walks are shared out
    step: SD of a frame's step; a visit below the contact distance lasts some (contact_distance / step)**2 frames
    contact_distance: the signal is 1 below it and 0 above
    signal_noise: SD of the noise on the signal
    """

    n_tracks: PositiveInt = 200
    n_frames: PositiveInt = 201
    n_groups: PositiveInt = 20
    step: PositiveFloat = 0.03
    contact_distance: OpenUnit = 0.05
    signal_noise: NonNegativeFloat = 0.1
