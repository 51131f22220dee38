"""A trained model of tracks, on new tracks: predictions, states and explanations as tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.base.files import read_json
from contactlens.calibration.classification import Platt, logit_of
from contactlens.calibration.normal_scores import recalibration_from_json
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.checkpoint import ModelSpec, load_model
from contactlens.tracks.models.ensemble import Ensemble, load_ensemble
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.serving.conform import conform
from contactlens.tracks.serving.description import FILE, Description, Form, Interval
from contactlens.tracks.serving.frame_table import tracks_of
from contactlens.tracks.serving.predicted import LEVELS, PredictedSignal, PredictedState, on_intervals
from contactlens.tracks.training.fit import predict_state
from contactlens.tracks.training.predictive import predict_signal

WEIGHTS, ENSEMBLE, RECALIBRATION = "model.safetensors", "ensemble", "recalibration.json"
PARTS: dict[Form, tuple[bool, bool]] = {
    "network": (False, False),
    "network_recalibrated": (False, True),
    "ensemble": (True, False),
    "ensemble_recalibrated": (True, True),
}
FORMS = {parts: form for form, parts in PARTS.items()}  # (of an ensemble, recalibrated) -> its name
BATCH_SIZE = 16
CHUNK = 64  # most tracks in one batch
Array = np.ndarray
Tracks = TrackSet | pd.DataFrame | np.ndarray | Tensor


@dataclass(frozen=True)
class ModelInfo:
    """What a model takes and gives, and how it was evaluated.

    task: a row of the table of systems; target: `signal` or `state`; sees_signal: whether MS2 is an input
    driver, driver_unit, driver_columns: what switches the gene
    signal_unit: of MS2, and of predicted means; frame_interval_s: of its training tracks, which new ones must have
    evaluated: `network` or `ensemble` as it is, or `_recalibrated`; what is predicted is that
    networks: how many predict together
    metrics: of that form on the test split, {metric: {estimate, low, high}}; empty where they did not come with the
        model
    trained_on: in words; None where that did not come with the model
    gate_midpoint: distance at which the gate is half open, in the driver's unit; NaN without a gate. It is a
        regularised part of the predictor and no measurement of the contact radius

    >>> import contactlens as cl
    >>> info = cl.load("models/tracks/champion").info
    >>> info.task, info.driver, info.driver_unit, info.frame_interval_s
    ('ep_to_ms2', 'E-P distance', 'nm', 30.0)
    """

    task: str
    target: str
    sees_signal: bool
    driver: str
    driver_unit: str
    driver_columns: list[str]
    signal_unit: str
    frame_interval_s: float
    evaluated: Form
    networks: int
    metrics: dict[str, Interval]
    trained_on: str | None
    gate_midpoint: float

    def __str__(self) -> str:
        extra = " and the signal" if self.sees_signal else ""
        together = f" of {self.networks} networks" if self.networks > 1 else ""
        trained_on = self.trained_on or "tracks that are not described beside it"
        lines = [
            f"{self.task}: predicts the {self.target} from the {self.driver} ({self.driver_unit}){extra}",
            f"a frame every {self.frame_interval_s:g} s; signal in {self.signal_unit}",
            f"serves {self.evaluated}{together}; trained on {trained_on}",
        ]
        scores = [f"{name} {ends['estimate']:.4g}" for name, ends in self.metrics.items() if _is_own(name, ends)]
        return "\n".join([*lines, *([f"test split: {', '.join(scores)}"] if scores else [])])


def _is_own(name: str, ends: Interval) -> bool:
    return "_minus_" not in name and ends.get("estimate") is not None


class TracksModel:
    """A trained network or an ensemble of such, with the recalibration that it was evaluated with.

    network: predicts where there is no ensemble, and is what is explained
    ensemble: what predicts, of several seeds of which the network is one; None where one network predicts
    description: None where the model came without one; then it can't tell how far new tracks are from its own

    >>> import contactlens as cl
    >>> model = cl.load("models/tracks/champion")
    >>> tracks = cl.read_tracks("lab.csv", track="cell", time="t_s", distance="ep_nm", length_unit="nm")
    >>> model.predict(tracks).shape
    (488, 12)
    >>> print(model.info)  # doctest: +ELLIPSIS
    ep_to_ms2: predicts the signal from the E-P distance (nm)
    a frame every 30 s; signal in a.u.
    ...
    """

    def __init__(
        self,
        network: TrackModel,
        spec: ModelSpec,
        recalibration: dict[str, Any] | None,
        description: Description | None,
        ensemble: Ensemble | None = None,
    ) -> None:
        self.network, self.spec, self.description = network.eval(), spec, description
        self.evaluated: Form = (
            description.evaluated if description else FORMS[ensemble is not None, recalibration is not None]
        )
        of_ensemble, recalibrated = PARTS[self.evaluated]
        if recalibrated and recalibration is None:
            raise InputError(f"{RECALIBRATION} is missing: the model was evaluated with its recalibration")
        if of_ensemble and ensemble is None:
            raise InputError(f"{ENSEMBLE} is missing: the model was evaluated as an ensemble")
        self.ensemble = ensemble if of_ensemble else None
        self.recalibration, self.recalibrated = recalibration, recalibrated

    @classmethod
    def read(cls, path: Path | str) -> "TracksModel":
        """From a folder with model.safetensors, ensemble, recalibration.json and serving.json, such as
        models/tracks/champion, or from the path of its model.safetensors. Without serving.json what is there is served:
        all seeds of an ensemble, recalibrated if there is a recalibration.json.

        Raises InputError where a file is missing, damaged or of something else.
        """
        path = Path(path)
        weights = path / WEIGHTS if path.is_dir() else path
        beside = (weights.with_name(name) for name in (ENSEMBLE, RECALIBRATION, FILE))
        return cls.of_files([weights, *(file for file in beside if file.exists())])

    @classmethod
    def of_files(cls, files: Sequence[Path]) -> "TracksModel":
        """The same from the files themselves, the weights first, wherever they lie."""
        named = {path.name: path for path in files[1:]}
        network, spec = load_model(files[0])
        return cls(
            network,
            spec,
            read_json(named[RECALIBRATION]) if RECALIBRATION in named else None,
            Description.read(named[FILE]) if FILE in named else None,
            _ensemble(named[ENSEMBLE], spec) if ENSEMBLE in named else None,
        )

    @property
    def info(self) -> ModelInfo:
        spec, task, described = self.spec, self.spec.resolved_task, self.description
        trained_on = None
        if described:
            own = described.training
            trained_on = f"{own.tracks:,} tracks ({own.frames:,} frames, {own.groups:,} groups) of {own.source}"
        return ModelInfo(
            task=spec.task,
            target=task.target,
            sees_signal=task.sees_signal or task.latent,
            driver=spec.driver.name,
            driver_unit=spec.driver.unit,
            driver_columns=spec.driver.columns,
            signal_unit=spec.signal_unit,
            frame_interval_s=spec.frame_interval_s,
            evaluated=self.evaluated,
            networks=1 if self.ensemble is None else len(self.ensemble.members),
            metrics=described.metrics if described else {},
            trained_on=trained_on,
            gate_midpoint=self.network.gate_midpoint,
        )

    def taken(self, tracks: Tracks, resample: bool = False) -> TrackSet:
        """The tracks as the model takes them; see `conform` and, for tables and arrays, `tracks_of`."""
        found = tracks if isinstance(tracks, TrackSet) else tracks_of(tracks, self.spec)
        return conform(found, self.spec, resample)

    def check(self, tracks: Tracks, *, resample: bool = False, min_frames: int | None = None) -> TrackSet:
        """The tracks as the model takes them, if the expectations on its training set hold for them.

        min_frames: fewest observed frames of a track, in place of the training set's limit

        Raises InputError, with the failed expectations and their first rows; and where the model came without limits.

        >>> import contactlens as cl
        >>> model = cl.load("models/tracks/champion")
        >>> tracks = cl.read_tracks("lab.csv", track="cell", time="t_s", distance="ep_nm", length_unit="nm")
        >>> model.check(tracks).frames["track_id"].nunique()
        8
        >>> model.check(tracks, min_frames=100)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        contactlens.base.errors.InputError: ...
        """
        from contactlens.tracks.data.checks import validate_tracks

        taken, described = self.taken(tracks, resample), self.described("what is plausible in its tracks")
        limits = described.limits
        limits = limits if min_frames is None else replace(limits, min_frames_per_track=min_frames)
        validate_tracks(taken, limits, taken.source)
        return taken

    def drift(self, tracks: Tracks, *, resample: bool = False) -> pd.DataFrame:
        """How far the tracks are from the training set: see `TrainingSet.drift`.

        resample: interpolate tracks of another frame interval to the model's

        Raises InputError where the model came without a description of that.

        >>> import contactlens as cl
        >>> model = cl.load("models/tracks/champion")
        >>> tracks = cl.read_tracks("lab.csv", track="cell", time="t_s", distance="ep_nm", length_unit="nm")
        >>> drift = model.drift(tracks)
        >>> list(drift["quantity"].unique())
        ['E-P distance', 'frames per track']
        """
        return self.described("how far tracks are from its training set").training.drift(self.taken(tracks, resample))

    def described(self, what: str) -> Description:
        if self.description is None:
            raise InputError(f"the model came without {FILE}: {what} can't be said")
        return self.description

    def predict(self, tracks: Tracks, *, levels: Sequence[float] = LEVELS, resample: bool = False) -> pd.DataFrame:
        """One row for each frame of the tracks: track_id, frame, time_s, and what the model says of it.

        Of the signal: mean, sd, a quantile for each of `levels` (q05, ...), aleatoric and epistemic, in the signal's
        unit; see `PredictedSignal`. Of a state: p_on, on, aleatoric and epistemic; see `PredictedState`. With latents
        also loading, the expected number of polymerases loaded in the frame.

        tracks: a track set; or a table with the model's columns, or an array; see `tracks_of`
        resample: interpolate tracks of another frame interval to the model's

        Raises InputError where driver, unit, frame interval or signal are not the model's.

        >>> import contactlens as cl
        >>> model = cl.load("models/tracks/champion")
        >>> tracks = cl.read_tracks("lab.csv", track="cell", time="t_s", distance="ep_nm", length_unit="nm")
        >>> table = model.predict(tracks, levels=(0.1, 0.9))
        >>> list(table)
        ['track_id', 'frame', 'time_s', 'mean', 'sd', 'q10', 'q90', 'aleatoric', 'epistemic']
        >>> bool((table["q10"] < table["mean"]).all())
        True
        """
        taken = self.taken(tracks, resample)
        table = taken.frames[["track_id", "frame", "time_s"]].reset_index(drop=True)
        return table.assign(**self._by_frame(taken, levels))

    def states(self, tracks: Tracks, *, resample: bool = False) -> pd.DataFrame:
        """Stretches in which the promoter is decoded as on or off: see `on_intervals`.

        Raises InputError where the model predicts no states.

        >>> import contactlens as cl
        >>> model = cl.load("models/tracks/champion")
        >>> tracks = cl.read_tracks("lab.csv", track="cell", time="t_s", distance="ep_nm", length_unit="nm")
        >>> model.states(tracks)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        contactlens.base.errors.InputError: this model (task ep_to_ms2) predicts the signal, no states; ...
        """
        if self.spec.resolved_task.target != "state":
            known = "a model of a task such as epms2_to_states does"
            raise InputError(f"this model (task {self.spec.task}) predicts the signal, no states; {known}")
        return on_intervals(self.predict(tracks, resample=resample), self.spec.frame_interval_s)

    def explain(
        self,
        tracks: Tracks,
        frames: Sequence[int] | None = None,
        *,
        resample: bool = False,
    ) -> pd.DataFrame:
        """Which frames of a track drive what the network says of one of its frames: see `explain_frames`.

        Of an ensemble its best seed on validation is explained, as in the pipeline's report.

        frames: numbers of the frames explained, in every track; by default each track's highest prediction

        >>> import contactlens as cl
        >>> model = cl.load("models/tracks/champion")
        >>> tracks = cl.read_tracks("lab.csv", track="cell", time="t_s", distance="ep_nm", length_unit="nm")
        >>> why = model.explain(tracks, frames=[20])
        >>> sorted(set(why["output"])), set(why["frame"])
        (['logvar', 'mean'], {20})
        >>> float(why.loc[why["input_frame"] == 18, "lag_s"].iloc[0])  # a frame 60 s before the explained one
        60.0
        """
        from contactlens.tracks.serving.explanation import explain_frames  # needs captum, which predicting does without

        taken, described = self.taken(tracks, resample), self.description
        reference = None if described is None else torch.tensor(described.reference, dtype=torch.float32)
        steps = {} if described is None else {"ig_steps": described.ig_steps}
        return explain_frames(self.network, self.spec, taken, frames, reference, **steps)

    def _by_frame(self, tracks: TrackSet, levels: Sequence[float]) -> dict[str, Array]:
        """Columns of the prediction in the order of the rows of `tracks`."""
        found: dict[str, Array] = {}
        for rows, batch in _chunks(tracks):
            for name, values in self._columns(batch, levels).items():
                found.setdefault(name, np.empty(len(tracks.frames), dtype=values.dtype))[rows] = values
        return found

    def _columns(self, batch: TrackBatch, levels: Sequence[float]) -> dict[str, Array]:
        if self.spec.resolved_task.target == "state":
            return self._state(batch).columns()
        columns = self.signal(batch).columns(levels)
        return columns | ({"loading": self._loading(batch)} if self.spec.resolved_task.latent else {})

    def signal(self, batch: TrackBatch) -> PredictedSignal:
        """At the observed frames of a batch, track after track, in the form that was evaluated."""
        model = self.ensemble or self.network
        before = predict_signal(model, model_input(self.network.task, batch), batch.observed, BATCH_SIZE)
        if not self.recalibrated or self.recalibration is None:
            return PredictedSignal.of(before, before)
        return PredictedSignal.of(recalibration_from_json(self.recalibration).of(before), before)

    def _state(self, batch: TrackBatch) -> PredictedState:
        x = model_input(self.network.task, batch)
        raw = predict_state(self.network, x, batch.observed, BATCH_SIZE)[batch.observed.numpy()]
        if self.recalibration is None:
            return PredictedState.of_one_network(raw, raw >= 0.5)
        platt = Platt.from_json(self.recalibration["recalibration"])
        p_on = expit(platt(logit_of(raw))) if self.recalibrated else raw
        return PredictedState.of_one_network(p_on, raw >= self.recalibration["threshold"])

    @torch.no_grad()
    def _loading(self, batch: TrackBatch) -> Array:
        x, bins = model_input(self.network.task, batch), self.network.grid.bins_per_frame
        rows = torch.arange(len(batch)).split(BATCH_SIZE)
        latent = torch.cat([self.network.latent(x[i], batch.observed[i]) for i in rows])  # (N, T k)
        expected = latent.unflatten(1, (-1, bins)).sum(dim=2)  # (N, T)
        return expected.double().numpy()[batch.observed.numpy()]


def _ensemble(folder: Path, spec: ModelSpec) -> Ensemble | None:
    """The ensemble of a network's spec; None where it has one member, which is that network."""
    ensemble, own = load_ensemble(folder)
    if own != spec:
        raise InputError(f"{folder}: its networks are of another configuration than {WEIGHTS}")
    return ensemble if len(ensemble.members) > 1 else None


def _chunks(tracks: TrackSet) -> Iterator[tuple[Array, TrackBatch]]:
    """Rows of the frames, and their tracks as a batch. Tracks of one length go together: what is said of a track does
    not depend on how far its neighbours would have it padded."""
    codes, _ = pd.factorize(tracks.frames["track_id"])
    order = np.argsort(codes, kind="stable")
    of_track = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    frame = tracks.frames["frame"].to_numpy()
    length = np.array([frame[rows[-1]] - frame[rows[0]] for rows in of_track])
    for one in np.unique(length):
        alike = np.flatnonzero(length == one)
        for start in range(0, len(alike), CHUNK):
            rows = np.concatenate([of_track[i] for i in alike[start : start + CHUNK]])
            yield rows, batch_of(replace(tracks, frames=tracks.frames.iloc[rows]))
