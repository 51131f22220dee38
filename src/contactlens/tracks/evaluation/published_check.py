"""Decoders of promoter states on real traces, beside the states published for them.

A compound-state HMM is fitted to the real MS2, a network is trained on simulations with its rates and levels, and both
decode the real traces. The published states are the decoding of another compound-state HMM, so that agreement with
them is no accuracy, and comes easier to an HMM.

Spot detection sets a signal below its limit to exactly 0. `fill_undetected` gives such frames a value that noise of the
limit's size could have given, since a Gaussian emission takes a repeated exact 0 for a measurement without noise;
`simulate_undetected` does to simulated traces what detection did to the real ones.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.config import SplitConfig
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.knirps_states import ON, Agreement, PublishedStates, agreement
from contactlens.tracks.data.split import split_tracks
from contactlens.tracks.data.track_set import SIGNAL_COLUMN, TrackSet
from contactlens.tracks.evaluation.baselines.compound_hmm import CompoundHmm
from contactlens.tracks.evaluation.baselines.memory_kernel import memory_kernel
from contactlens.tracks.evaluation.config import CompoundHmmConfig
from contactlens.tracks.models.architectures import check_fit
from contactlens.tracks.models.tasks import model_input, task_named
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.simulate import simulate
from contactlens.tracks.training.config import TrainingConfig
from contactlens.tracks.training.fit import predict_state
from contactlens.tracks.training.training import spec_of, train_model

Array = np.ndarray
TASK = "ms2_to_states"
EVERYWHERE_NM = 1e9  # a contact radius that no distance exceeds: every candidate on-event takes effect
LOW_QUANTILE = 0.01
MEAN = "mean"  # what stands for the embryo in the rows of the mean over embryos


@dataclass(frozen=True)
class PublishedCheckConfig:
    """n_tracks: simulated traces, as long as the longest real one; split: their shares for training and validation
    training: of the network, whose task becomes `ms2_to_states`, its reporter gives the HMM and the simulation their
        memory
    bootstrap_replicates, confidence: of the intervals over embryos
    """

    n_tracks: int
    split: SplitConfig
    training: TrainingConfig
    compound_hmm: CompoundHmmConfig
    bootstrap_replicates: int
    confidence: float

    @property
    def network(self) -> TrainingConfig:
        """`training`, of the task that is compared."""
        return replace(self.training, task=TASK)


def check_published(published: PublishedStates, config: PublishedCheckConfig, seed: int) -> pd.DataFrame:
    """Agreement of raw MS2, its slope, the HMM and the network with the published states; same seed, same table.

    Columns: decoder (ms2, ms2_slope, compound_hmm, network), embryo, fragments, frames, metric (auroc, spearman),
    estimate, low, high. Rows of embryo `mean` hold the mean over embryos with its interval; the others have none.

    Raises InputError where no spot was detected, where no embryo has published states both on and off, and where the
    memory of MS2 is too long for the HMM at the traces' frame interval, or the model doesn't fit the task.
    """
    check_fit(task_named(TASK), config.training.model)
    batch = batch_of(published.track_set)
    states = published.grid(batch)
    _require_contrast(batch, states, published.track_set.source)
    decoded = decode_traces(batch, config, seed)
    tables = []
    for decoder, p_on in decoded.items():
        found = agreement(
            p_on, states, batch.observed.numpy(), batch.groups, config.bootstrap_replicates, config.confidence, seed
        )
        tables.append(_rows(found).assign(decoder=decoder))
    columns = ["decoder", "embryo", "fragments", "frames", "metric", "estimate", "low", "high"]
    return pd.concat(tables, ignore_index=True)[columns]


def decode_traces(batch: TrackBatch, config: PublishedCheckConfig, seed: int) -> dict[str, Array]:
    """What each decoder gives every frame of real traces, (N, T), larger where the promoter is rather on."""
    signal, observed = batch.signal.numpy().astype(np.float64), batch.observed.numpy()
    limit = detection_limit(signal, observed)
    filled = fill_undetected(signal, limit, seed)
    reporter = config.training.reporter
    kernel = memory_kernel(reporter.ramp_s, reporter.dwell_s, batch.frame_interval_s)
    hmm = CompoundHmm.fit(filled, observed, kernel, config.compound_hmm, seed)
    model = _matched_network(hmm, limit, batch.signal.shape[1], config, seed)
    x = model_input(model.task, batch)
    return {
        "ms2": signal,
        "ms2_slope": _slope(signal, observed),
        "compound_hmm": hmm.decode(filled, observed),
        "network": predict_state(model, x, batch.observed, config.training.fit.batch_size),
    }


def detection_limit(signal: Array, observed: Array) -> float:
    """The signal (a.u.) that 1 % of the detected frames lie below: signal (N, T) is 0 where nothing was detected."""
    values = signal[observed]
    return float(np.quantile(values[values > 0], LOW_QUANTILE))


def fill_undetected(signal: Array, limit: float, seed: int) -> Array:
    """`signal` (N, T) with noise of SD `limit` in place of what lies below `limit`."""
    noise = limit * np.random.default_rng(seed).standard_normal(signal.shape)
    return np.where(signal < limit, noise, signal)


def matched_config(hmm: CompoundHmm, ramp_s: float, dwell_s: float, n_tracks: int, n_frames: int) -> SimulationConfig:
    """A telegraph with the rates, loading, polymerase signal and noise of an HMM fitted to the real traces.

    The mean level of loading is rate = loading rate x polymerase signal, its variance per time loading rate x
    polymerase signal^2: their ratio is the signal of one polymerase.
    The HMM takes the noise of loading for independent between frames. Where few strong polymerases make the signal it
    explains part of that noise by switching, and its rates are too fast (k_off by 45 % with one polymerase in 2.5 s).
    """
    model = hmm.model
    polymerase = model.loading_variance / model.rate
    return SimulationConfig(
        n_tracks=n_tracks,
        n_frames=n_frames,
        frame_interval_s=model.kernel.frame_interval_s,
        substeps_per_frame=1,
        contact_radius_nm=EVERYWHERE_NM,
        beads=2,
        loci=(0, 1),
        k_on_per_s=hmm.k_on_per_s,
        k_off_per_s=hmm.k_off_per_s,
        loading_rate_per_s=model.rate / polymerase,
        polymerase_signal=polymerase,
        ms2_noise=float(np.sqrt(model.noise_variance)),
        ms2_ramp_s=ramp_s,
        ms2_dwell_s=dwell_s,
    )


def simulate_undetected(config: SimulationConfig, limit: float, seed: int) -> TrackSet:
    """Simulated tracks whose signal is 0 where it lies below the detection limit (a.u.)."""
    simulated = simulate(config, seed)
    signal = simulated.frames[SIGNAL_COLUMN]
    return replace(simulated, frames=simulated.frames.assign(**{SIGNAL_COLUMN: signal.where(signal >= limit, 0.0)}))


def _matched_network(
    hmm: CompoundHmm, limit: float, n_frames: int, config: PublishedCheckConfig, seed: int
) -> TrackModel:
    training = config.network
    matched = matched_config(hmm, training.reporter.ramp_s, training.reporter.dwell_s, config.n_tracks, n_frames)
    simulated = simulate_undetected(matched, limit, seed)
    splits = split_tracks(simulated, config.split, seed)
    train, validation = (batch_of(simulated, splits[name]) for name in ("train", "validation"))
    return train_model(spec_of(training, simulated, train), training, train, validation, seed).model.cpu()


def _slope(signal: Array, observed: Array) -> Array:
    """Central difference per frame (N, T) of the signal, linear over missing frames."""
    known = pd.DataFrame(np.where(observed, signal, np.nan)).interpolate(axis=1, limit_direction="both")
    return np.gradient(known.to_numpy(), axis=1)


def _require_contrast(batch: TrackBatch, states: Array, source: str) -> None:
    observed = batch.observed.numpy()
    if not (batch.signal.numpy()[observed] > 0).any():
        raise InputError(f"{source}: no frame has a signal above 0")
    on = pd.Series((states >= ON)[observed]).groupby(np.repeat(batch.groups, observed.sum(axis=1)))
    if not on.mean().between(0, 1, inclusive="neither").any():
        raise InputError(f"{source}: no embryo has published states both on and off")


def _rows(found: Agreement) -> pd.DataFrame:
    embryos = found.by_embryo.melt(["embryo", "fragments", "frames"], var_name="metric", value_name="estimate")
    fragments, frames = found.by_embryo["fragments"].sum(), found.by_embryo["frames"].sum()
    overall = found.overall.assign(embryo=MEAN, fragments=fragments, frames=frames)
    return pd.concat([embryos, overall], ignore_index=True)
