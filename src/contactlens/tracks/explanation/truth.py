"""What a simulation knows that an explanation should find: when there was contact, and how the target answers it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.data.track_set import DISTANCE_COLUMN, TrackSet
from contactlens.tracks.models.tasks import Task
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.simulate import contact_kernel, simulation_of, state_kernel
from contactlens.tracks.simulation.simulate_toy import SOURCE

Floats = NDArray[np.float64]
TRUE_KERNEL = "true_kernel"
MEMORY_SHARE = 0.1


@dataclass(frozen=True)
class Response:
    """The true mean response of the target to a contact: kernel at lag_s (s, rising, from 0), in any unit."""

    lag_s: Floats
    kernel: Floats

    def at(self, lags: Floats) -> Floats:
        """The kernel at other lags, scaled to a peak of 1; 0 outside its range (before the contact)."""
        values = np.interp(lags, self.lag_s, self.kernel, left=0.0, right=0.0)
        return np.asarray(values / np.abs(values).max())

    @property
    def memory_s(self) -> float:
        """How long a contact is felt: the last lag with a tenth of the largest response."""
        size = np.abs(self.kernel)
        return float(self.lag_s[size >= MEMORY_SHARE * size.max()][-1])


@dataclass(frozen=True)
class TrueCauses:
    """contact: (N, T) bool, whether the loci were in contact at each frame, without localisation noise; None where that
        says nothing, as only the present frame is felt
    profile_known: whether a faithful lag profile must look like the response. Not where the model sees MS2: it may tell
        a burst by the MS2 after it, and rightly so
    """

    response: Response
    contact: NDArray[np.bool_] | None
    profile_known: bool = True


def true_response(simulation: SimulationConfig, task: Task, lag_max_s: float) -> Response:
    """The signal answers a contact by the simulator's mean signal after it, the promoter's state by the probability
    that the burst it began still lasts."""
    lags = np.arange(0.0, lag_max_s + 1, 1.0)
    kernel = state_kernel if task.target == "state" else contact_kernel
    return Response(lags, kernel(simulation, lags))


def instant_response(frame_interval_s: float) -> Response:
    """A target that answers the driver of its own frame alone."""
    return Response(np.array([0.0, frame_interval_s]), np.array([1.0, 0.0]))


def true_memories(tracks: TrackSet, task: Task, lag_max_s: float) -> dict[str, float]:
    """How long before a frame a contact can matter to it, s: `response`, as long as the target answers a contact
    (`Response.memory_s`), and for the signal `ms2`, as long as one polymerase is seen; nothing for real tracks."""
    simulation = simulation_of(tracks)
    if simulation is None:
        return {}
    response = {"response": true_response(simulation, task, lag_max_s).memory_s}
    return response if task.target == "state" else {"ms2": simulation.ms2_dwell_s} | response


def true_causes(
    tracks: TrackSet, task: Task, track_ids: Sequence[str], n_frames: int, lag_max_s: float
) -> TrueCauses | None:
    """The true causes of the target, for tracks as `batch_of` lays them out; None for real tracks and for tasks without
    a driver."""
    if task.simulator == "random_walk" and tracks.source == SOURCE:
        return TrueCauses(instant_response(tracks.frame_interval_s), contact=None)
    simulation = simulation_of(tracks)
    if simulation is None or not task.driver_input:
        return None
    contact = true_contact(tracks, track_ids, n_frames, simulation.contact_radius_nm)
    return TrueCauses(true_response(simulation, task, lag_max_s), contact, profile_known=not task.sees_signal)


def true_contact(tracks: TrackSet, track_ids: Sequence[str], n_frames: int, radius_nm: float) -> NDArray[np.bool_]:
    """Whether the true separation is below the contact radius, (N, n_frames) from each track's first observed
    frame on. Raises ValueError without a truth."""
    if tracks.truth is None:
        raise ValueError("these tracks come without a truth")
    names = list(track_ids)
    first = tracks.frames.groupby("track_id")["frame"].min().loc[names].to_numpy()
    distance = tracks.truth.separation.pivot(index="track_id", columns="frame", values=DISTANCE_COLUMN).loc[names]
    index = first[:, None] + np.arange(n_frames)
    inside = np.isin(index, distance.columns)
    column = np.where(inside, index - int(distance.columns[0]), 0)
    return inside & (np.take_along_axis(distance.to_numpy(), column, axis=1) < radius_nm)
