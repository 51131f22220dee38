"""Track sets in, tables out: what the measurement reads of a track set, and what it leaves on the disk."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside, write_json
from contactlens.tracks.data.track_set import SIGNAL_COLUMN, VECTOR_COLUMNS, TrackSet
from contactlens.tracks.radius.calibrate import RADIUS, Calibration
from contactlens.tracks.radius.compare import LawRow
from contactlens.tracks.radius.config import RadiusConfig, VerdictRules
from contactlens.tracks.radius.measure import Measurement, chosen_tracks
from contactlens.tracks.radius.model.laws import contact_rate, hazard, parameter_names, step_distances
from contactlens.tracks.radius.model.likelihood import SIGNAL_PARAMETERS
from contactlens.tracks.radius.model.observations import Observations
from contactlens.tracks.radius.statistics import COUPLING_FRAMES, ONSET_FRAMES
from contactlens.tracks.radius.verdict import WITHOUT_RADIUS, Evidence, Verdict, failed_checks
from contactlens.tracks.simulation.reporter import Reporter

Floats = NDArray[Any]
LEVELS = (0.5, 0.8, 0.9, 0.95)
NUMBERS = ("estimate", "low", "high", "bound")  # of the radius
SHARING_CHECK = "groups: nats gained by radii and rates of their own"
FILES = (
    "posterior.parquet", "hazard.csv", "laws.csv", "checks.csv", "calibration.csv", "verdict.json", "onsets.csv",
    "coupling.csv", "experiments.csv", "halves.csv", "groups.csv", ".gitignore",
)  # fmt: skip


def observations_of(track_set: TrackSet) -> Observations:
    """The grid of all tracks. Raises InputError where the set has no signal."""
    if not track_set.has_signal:
        raise InputError(
            f"{track_set.source}: the tracks have no {SIGNAL_COLUMN} column; a radius needs the signal (--signal)"
        )
    frames = track_set.frames
    track = frames.groupby("track_id", sort=False).ngroup().to_numpy()
    frame = (frames["frame"] - frames.groupby("track_id", sort=False)["frame"].transform("min")).to_numpy()
    shape = (int(track.max()) + 1, int(frame.max()) + 1)
    kind = track_set.driver.kind
    columns = VECTOR_COLUMNS if kind == "vector" else [track_set.driver.gate_column]
    driver, signal = np.full((*shape, len(columns)), np.nan), np.full(shape, np.nan)
    driver[track, frame] = frames[columns].to_numpy(dtype=np.float64)
    signal[track, frame] = frames[SIGNAL_COLUMN].to_numpy(dtype=np.float64)
    groups = frames.groupby("track_id", sort=False)["group"].first()
    code = pd.factorize(groups, sort=True)[0].astype(np.int64)
    return Observations(driver, signal, track_set.frame_interval_s, kind, code)


def some_observations(track_set: TrackSet, config: RadiusConfig) -> Observations:
    """At most `config.tracks` tracks, evenly from all."""
    observations = observations_of(track_set)
    return observations.only(chosen_tracks(observations.n_tracks, config.tracks))


def group_names(track_set: TrackSet) -> list[str]:
    """Of the groups, by the index that `observations_of` gives them."""
    return [str(name) for name in pd.factorize(track_set.frames["group"], sort=True)[1]]


def known_gain(config: RadiusConfig, reporter: Reporter) -> float | None:
    """Signal of a polymerase where it was measured."""
    return reporter.polymerase_signal if config.gain_known else None


def context_of(track_set: TrackSet, observations: Observations, config: RadiusConfig) -> dict[str, Any]:
    """What verdict.json says of the data and of what was given."""
    noise = config.localisation_noise_nm
    scalar = observations.kind == "scalar"
    return {
        "tracks_used": observations.n_tracks,
        "tracks_in_all": int(track_set.frames["track_id"].nunique()),
        "frames": observations.n_frames,
        "frame_interval_s": observations.frame_interval_s,
        "driver": track_set.driver.name,
        "localisation_noise": "none" if scalar else "fitted" if noise is None else f"given, {noise:g} nm per axis",
        "gain_is": "given" if config.gain_known else "fitted, with Poisson loading",
    }


def write_measurement(
    measurement: Measurement, folder: Path | str, context: dict[str, Any], gain: float | None
) -> None:
    """Write everything the report and a notebook need into `folder`, whole or not at all.

    context: said in verdict.json beside the verdict: how many tracks of how many, and what was given
    gain: signal of a polymerase where it was measured; None where loading is taken as Poisson
    """
    with write_aside(folder) as aside:
        aside.mkdir()
        posterior(measurement, gain).to_parquet(aside / "posterior.parquet", index=False)
        frames = {
            "hazard": hazard_curves(measurement),
            "laws": law_table(measurement.comparison.rows),
            "checks": check_table(measurement.evidence, measurement.shuffled, measurement.rules),
            "calibration": calibration_table(measurement.interval.calibration),
            "onsets": onset_table(measurement),
            "coupling": coupling_table(measurement),
            "experiments": experiment_table(measurement.interval.calibration, measurement.interval.fit.names),
            "halves": halves_table(measurement),
        }
        for name, frame in frames.items():
            frame.to_csv(aside / f"{name}.csv", index=False)
        write_json(aside / "verdict.json", {**verdict_content(measurement), **context})


def verdict_content(measurement: Measurement) -> dict[str, Any]:
    """The verdict with the numbers it rests on; a number that does not exist is null."""
    motion = measurement.interval.prepared.motion
    content = evidence_content(measurement.evidence, measurement.verdict)
    return {**content, "motion": None if motion is None else asdict(motion)}


def evidence_content(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    """Of a verdict that gives no radius its numbers are null, so that nobody quotes them."""
    given = {key: value for key, value in asdict(evidence).items() if isinstance(value, (int, float))}
    numbers = {key: (float(value) if np.isfinite(value) else None) for key, value in given.items()}
    return {
        "verdict": verdict.kind,
        "sentence": verdict.sentence,
        "remarks": verdict.remarks,
        "unit": evidence.unit,
        **numbers,
        **(dict.fromkeys(NUMBERS) if verdict.kind in WITHOUT_RADIUS else {}),
    }


def headline_metrics(measurement: Measurement) -> dict[str, float]:
    """What MLflow gets."""
    return headline_of(measurement.evidence, measurement.verdict, measurement.interval.calibration, measurement.rules)


def headline_of(
    evidence: Evidence, verdict: Verdict, calibration: Calibration, rules: VerdictRules
) -> dict[str, float]:
    """Of the radius nothing where the verdict gives none."""
    gaussian = next(row for row in evidence.laws if row.law == "gaussian")
    radius = {
        "contact_radius": evidence.estimate,
        "contact_radius_low": evidence.low,
        "contact_radius_high": evidence.high,
    }
    return {
        **({} if verdict.kind in WITHOUT_RADIUS else radius),
        "gain_over_none_nats": evidence.gain_nats,
        "smooth_minus_step_nats": gaussian.difference,
        "calibration_coverage_95": float((np.abs(calibration.p_values - 0.5) < 0.475).mean()),
        "calibration_bias_log": float(calibration.errors.mean()),
        "checks_failed": float(len(failed_checks(evidence.checks, rules))),
    }


def posterior(measurement: Measurement, gain: float | None) -> pd.DataFrame:
    """Draws in the units of the field; rates per minute."""
    interval = measurement.interval
    grid, scale = interval.prepared.likelihood.exposure.grid, interval.prepared.scale
    draws = interval.calibration.draws
    names = [*parameter_names("step"), *SIGNAL_PARAMETERS]
    column = {name: draws[:, i] for i, name in enumerate(names)}
    k_on = np.array([contact_rate("step", q[:3], grid) for q in draws]) * 60
    unit = np.exp(column["log_unit"]) * scale
    signal = unit if gain is None else np.full(len(draws), gain)
    radius = np.exp(column["log_radius"])
    return pd.DataFrame(
        {
            "radius": radius,
            "k_on_per_min": k_on,
            "k_off_per_min": np.exp(column["log_k_off"]) * 60,
            "loading_per_min": np.exp(column["log_amplitude"]) * scale / signal * 60,
            "loading_dispersion": unit / signal,
            "gain": signal,
            "background": column["background"] * scale,
            "noise": np.exp(column["log_noise"]) * scale,
            "radius_cubed_k_on": radius**3 * k_on,
            "mean_on_rate_per_min": np.exp(column["log_mean_rate"]) * 60,
            "floor_share": np.exp(column["log_floor"]),
        }
    )


def hazard_curves(measurement: Measurement) -> pd.DataFrame:
    """distance, rate_per_min, low, high of the piecewise law; step and gaussian as fitted; share of the time there."""
    interval, comparison = measurement.interval, measurement.comparison
    grid = interval.prepared.likelihood.exposure.grid
    fit = comparison.fits["monotone"][0]
    pieces = len(parameter_names("monotone"))
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(fit.covariance[:pieces, :pieces])
    drawn = fit.theta[:pieces] + rng.standard_normal((1000, pieces)) @ root.T
    curves = np.array([hazard("monotone", q, grid)[0] for q in drawn]) * 60
    tail = (1 - measurement.evidence.level) / 2
    low, high = np.quantile(curves, [tail, 1 - tail], axis=0)
    at = {law: hazard(law, comparison.fits[law][0].theta[:3], grid)[0] * 60 for law in ("step", "gaussian")}
    shown = grid.middles <= step_distances(grid)[-2] * 1.6 if grid.low >= 0 else np.ones(len(low), dtype=bool)
    return pd.DataFrame(
        {
            "distance": grid.middles,
            "rate_per_min": hazard("monotone", fit.theta[:pieces], grid)[0] * 60,
            "low": low,
            "high": high,
            **at,
            "time_share": grid.occupancy,
        }
    )[shown]


def law_table(laws: list[LawRow]) -> pd.DataFrame:
    return pd.DataFrame([asdict(row) for row in laws])


def check_table(evidence: Evidence, shuffled: Floats, rules: VerdictRules) -> pd.DataFrame:
    rows = [{"check": f"predictive: {c.group}", "value": c.ratio, "p": c.p} for c in evidence.checks]
    rows += [{"check": f"shuffled pairs {i + 1}: nats gained", "value": g, "p": np.nan} for i, g in enumerate(shuffled)]
    rows.append({"check": "halves: difference in standard errors", "value": evidence.halves_z, "p": np.nan})
    failed = {f"predictive: {c.group}" for c in failed_checks(evidence.checks, rules)}
    if evidence.sharing is not None:
        rows.append({"check": SHARING_CHECK, "value": evidence.sharing.statistic / 2, "p": evidence.sharing.p})
        failed |= {SHARING_CHECK} if evidence.sharing.p <= rules.min_sharing_p else set()
    table = pd.DataFrame(rows)
    return table.assign(passed=~table["check"].isin(failed))


def calibration_table(calibration: Calibration) -> pd.DataFrame:
    """Coverage of the interval over the simulated experiments, cross-validated, with its binomial error; and bias."""
    p, errors = calibration.p_values, calibration.errors
    finite = errors[np.isfinite(errors)]
    rows = []
    for level in LEVELS:
        share = float((np.abs(p - 0.5) < level / 2).mean())
        rows.append(
            {
                "quantity": f"coverage of the {100 * level:g} % interval",
                "value": share,
                "standard_error": np.sqrt(level * (1 - level) / len(p)),
            }
        )
    rows.append(
        {
            "quantity": "bias of the log radius",
            "value": finite.mean(),
            "standard_error": finite.std(ddof=1) / np.sqrt(len(finite)),
        }
    )
    rows.append(
        {
            "quantity": "spread of the log radius",
            "value": finite.std(ddof=1),
            "standard_error": finite.std(ddof=1) / np.sqrt(2 * len(finite)),
        }
    )
    rows.append({"quantity": "simulated experiments", "value": float(len(p)), "standard_error": np.nan})
    return pd.DataFrame(rows)


def onset_table(measurement: Measurement) -> pd.DataFrame:
    """Mean distance around onsets, data against the model, with its 95 % band."""
    dt = measurement.interval.prepared.observations.frame_interval_s
    own, simulated = measurement.predictive.onset, measurement.predictive.onset_simulated
    known = np.isfinite(simulated).sum(axis=0) > 2
    low, mid, high = np.full((3, own.size), np.nan)
    if known.any():  # of no column, NumPy gives no quantiles
        low[known], mid[known], high[known] = np.nanquantile(simulated[:, known], [0.025, 0.5, 0.975], axis=0)
    return pd.DataFrame({"lag_s": np.array(ONSET_FRAMES) * dt, "data": own, "model": mid, "low": low, "high": high})


def coupling_table(measurement: Measurement) -> pd.DataFrame:
    """Mean MS2, less the overall mean, at each lag after a frame whose distance lies in a class, data against model."""
    dt = measurement.interval.prepared.observations.frame_interval_s
    own, simulated = measurement.predictive.coupling, measurement.predictive.coupling_simulated
    low, mid, high = np.quantile(simulated, [0.025, 0.5, 0.975], axis=0)
    lags, classes = own.shape
    return pd.DataFrame(
        {
            "lag_s": np.repeat(np.array(COUPLING_FRAMES) * dt, classes),
            "distance_class": np.tile(np.arange(classes), lags),
            "data": own.ravel(),
            "model": mid.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
        }
    )


def experiment_table(calibration: Calibration, names: list[str]) -> pd.DataFrame:
    """Truth and fitted parameters of every simulated experiment of the calibration."""
    experiments = calibration.experiments
    truth = pd.DataFrame(experiments.truth, columns=[f"true_{name}" for name in names])
    return pd.concat([truth, pd.DataFrame(experiments.estimate, columns=[f"fitted_{name}" for name in names])], axis=1)


def halves_table(measurement: Measurement) -> pd.DataFrame:
    fits = {
        "first half": measurement.comparison.halves[0],
        "second half": measurement.comparison.halves[1],
        "all": measurement.interval.fit,
    }
    rows = [
        {
            "tracks": name,
            "fitted_radius": float(np.exp(fit.theta[RADIUS])),
            "standard_error": float(np.exp(fit.theta[RADIUS]) * fit.standard_error("log_radius")),
        }
        for name, fit in fits.items()
    ]
    return pd.DataFrame(rows)
