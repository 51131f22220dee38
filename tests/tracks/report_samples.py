"""Synthetic outputs of the pipeline's stages, in the schema that figures and report read."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from contactlens.tracks.data.track_set import Driver

RADIUS, ALPHA, STEP_S, FRAMES, TRACKS = 100.0, 0.05, 30.0, 120, 12
DISTANCE = Driver("vector", "E-P distance", "nm")
KNIRPS = Driver("scalar", "Knirps", "a.u.")
FEATURES = ["ep_x_nm", "ep_y_nm", "ep_z_nm", "ep_distance_nm"]
METHODS = ["integrated_gradients", "saliency", "random"]
MODELS = ["network", "network_recalibrated", "constant_gaussian", "contact_filter", "boosted_trees"]


def kernel(lags: np.ndarray) -> np.ndarray:
    """A response that rises over 2 and falls after 6 frames."""
    return np.where((lags >= 0) & (lags < 12), np.clip(lags / 2, 0, 1) * np.clip((12 - lags) / 6, 0, 1), 0.0)


def predictions(driver: Driver = DISTANCE, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for track in range(TRACKS):
        distance = np.abs(300 + np.cumsum(rng.normal(0, 60, FRAMES + 20)) * 0.8)[20:]
        contact = expit(ALPHA * (RADIUS - distance))
        mean = np.convolve(contact, kernel(np.arange(12)))[:FRAMES]
        sd = 0.15 + 0.1 * mean
        part = pd.DataFrame({"track_id": f"t{track:03d}", "frame": np.arange(FRAMES)})
        part["time_s"] = part["frame"] * STEP_S
        part[driver.gate_column] = distance
        part["contact"] = contact
        part["ms2"] = mean + rng.normal(0, 1 + 0.1 * track, FRAMES) * sd
        part = part.assign(mean=mean, sd=sd, low90=mean - 1.645 * sd, high90=mean + 1.645 * sd)
        part["frame_nll"] = -norm.logpdf(part["ms2"], mean, sd)
        part = part.assign(aleatoric=0.8 * sd, epistemic=0.6 * sd)
        parts.append(part[rng.random(FRAMES) > 0.05] if track % 2 else part)
    return pd.concat(parts, ignore_index=True)


def promoter_state() -> pd.DataFrame:
    rows = [(f"t{track:03d}", 600.0 + 60 * track, 1500.0 + 60 * track) for track in range(TRACKS)]
    return pd.DataFrame(rows, columns=["track_id", "start_s", "end_s"])


def seeds() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "seed": [0, 1, 2],
            "best_epoch": [9, 8, 10],
            "validation_nll": [0.51, 0.5, 0.53],
            "gate_midpoint": [96.0, 104.0, 110.0],
            "gate_alpha": [0.05, 0.06, 0.04],
        }
    )


def history() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    parts = []
    for row in seeds().itertuples():
        epoch = np.arange(15.0)
        fall = np.exp(-epoch / 4)
        part = pd.DataFrame({"seed": row.seed, "epoch": epoch, "train_nll": 0.4 + fall})
        part["train_variance"], part["train_contact"] = 0.3 * fall**2, 0.02 + 0.01 * fall
        part["train_loss"] = part["train_nll"] + part["train_variance"] + part["train_contact"]
        part["validation_nll"] = 0.5 + fall + rng.normal(0, 0.02, 15)
        part["validation_crps"] = 0.2 + 0.2 * fall
        part["gate_midpoint"] = row.gate_midpoint + (200 - row.gate_midpoint) * fall
        part["gate_alpha"] = row.gate_alpha * (1 - 0.7 * fall)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def metrics() -> pd.DataFrame:
    nll = dict(zip(MODELS, [0.5, 0.47, 1.42, 0.81, 0.66], strict=True))
    rows = []
    for model, level in nll.items():
        values = {
            "nll": level,
            "crps": 0.3 * level + 0.1,
            "mae": 0.4 * level,
            "r2": 1 - 0.6 * level,
            "coverage_90": 0.84,
        }
        values |= {"mace": 0.03, "ence": 0.12, "sharpness": 0.3}
        if model == "network_recalibrated":
            values |= {"coverage_90": 0.901, "mace": 0.006, "ence": 0.05}
        rows += [(model, name, value, value - 0.02, value + 0.02) for name, value in values.items()]
    for other in MODELS[2:]:
        gap = nll["network"] - nll[other]
        rows.append(("network", f"nll_minus_{other}", gap, gap - 0.01, gap + 0.01))
    return pd.DataFrame(rows, columns=["model", "metric", "estimate", "low", "high"])


def reliability() -> pd.DataFrame:
    level = np.linspace(0.05, 0.95, 19)
    parts = []
    for model, factor in (("network", 1.35), ("network_recalibrated", 1.02)):
        observed = norm.cdf(norm.ppf(level) / factor)
        part = pd.DataFrame({"model": model, "level": level, "expected": level, "observed": observed})
        parts.append(part.assign(low=observed - 0.02, high=observed + 0.02))
    return pd.concat(parts, ignore_index=True)


def pit() -> pd.DataFrame:
    edges = np.linspace(0, 1, 11)
    parts = []
    for model, bend in (("network", 1.2), ("network_recalibrated", 0.05)):
        density = 1 + bend * ((edges[:-1] - 0.45) ** 2 - 0.0825) * 6
        part = pd.DataFrame({"model": model, "bin_left": edges[:-1], "bin_right": edges[1:], "density": density})
        parts.append(part.assign(low=density - 0.1, high=density + 0.1))
    return pd.concat(parts, ignore_index=True)


def ence_bins() -> pd.DataFrame:
    rmv = np.linspace(0.15, 0.5, 10)
    before = pd.DataFrame({"model": "network", "bin": range(10), "rmv": rmv, "rmse": 1.3 * rmv})
    after = pd.DataFrame({"model": "network_recalibrated", "bin": range(10), "rmv": 1.3 * rmv, "rmse": 1.31 * rmv})
    return pd.concat([before, after], ignore_index=True)


def trials() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for number in range(30):
        fixed = number < 12
        start = [50.0, 150.0, 300.0, 500.0][number] if number < 4 else 150.0
        weight = 0.0 if number < 4 else 10.0 ** (number % 4 - 3) if fixed else 10 ** rng.uniform(-3, 0)
        midpoint = 200 + 0.08 * (start - 200) - 110 * min(1.0, weight * 3) + rng.normal(0, 6)
        rows.append(
            {
                "trial": number,
                "kind": "fixed" if fixed else "search",
                "lambda_contact": weight,
                "gate_sharpness": rng.uniform(2, 10),
                "learning_rate": 10 ** rng.uniform(-4, -2),
                "width": int(rng.choice([8, 16, 32])),
                "radius_init": start,
                "seed_offset": int(8 <= number < 12),
                "budget": 12 if number % 3 else 4,
                "epochs": 12 if number % 3 else 4,
                "gate_midpoint": midpoint,
                "validation_nll": 9.0 if number == 20 else 0.5 + 0.3 * weight**2 + abs(rng.normal(0, 0.03)),
                "validation_crps": 0.2,
                "validation_mace": 0.02,
            }
        )
    return pd.DataFrame(rows)


def matrix(frames: int = FRAMES) -> np.ndarray:
    """(T, T), causal: entry (t, s) is the kernel at lag t - s times how strongly frame s is in contact."""
    lag = np.arange(frames)[:, None] - np.arange(frames)
    return kernel(lag) * np.sin(np.arange(frames) / 6)


def lag_profile() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    lags = np.arange(-20, 41)
    parts = []
    for output, sign in (("mean", 1.0), ("logvar", -1.0)):
        for method in METHODS:
            size = 0.0 if method == "random" else sign
            part = pd.DataFrame({"method": method, "output": output, "lag_s": lags * STEP_S})
            part["attribution"] = size * kernel(lags) + rng.normal(0, 0.02, len(lags))
            part = part.assign(low=part["attribution"] - 0.05, high=part["attribution"] + 0.05, peak=0.4)
            parts.append(part)
    truth = pd.DataFrame({"method": "true_kernel", "output": "mean", "lag_s": lags * STEP_S, "peak": 1.0})
    parts.append(truth.assign(attribution=kernel(lags), low=kernel(lags), high=kernel(lags)))
    return pd.concat(parts, ignore_index=True)


def faithfulness() -> pd.DataFrame:
    base = {"lag_peak_s": 60.0, "infidelity": 0.02, "sensitivity": 0.3, "deletion_area": 0.6}
    base["lag_correlation"] = 0.9
    rows = [
        (method, output, metric, value * factor, value * factor * 0.9, value * factor * 1.1)
        for method, factor in zip(METHODS, (1.0, 0.8, 0.1), strict=True)
        for output in ("mean", "logvar")
        for metric, value in base.items()
    ]
    rows.append(("integrated_gradients", "mean", "completeness_error", 1e-3, np.nan, np.nan))
    rows.append(("true_kernel", "mean", "lag_peak_s", 75.0, 75.0, 75.0))
    return pd.DataFrame(rows, columns=["method", "output", "metric", "estimate", "low", "high"])


def deletion_curve() -> pd.DataFrame:
    fraction = np.linspace(0, 1, 11)
    parts = []
    for output in ("mean", "logvar"):
        for method, power in zip(METHODS, (0.25, 0.35, 1.0), strict=True):
            score = fraction**power
            part = pd.DataFrame({"method": method, "output": output, "fraction": fraction, "score": score})
            parts.append(part.assign(low=score - 0.04, high=score + 0.04))
    return pd.concat(parts, ignore_index=True)


def msd() -> pd.DataFrame:
    lag = np.array([3.0, 6, 12, 24, 48, 96, 192])
    value = 4000 * lag**0.5
    return pd.DataFrame({"lag_s": lag, "msd_nm2": value * 1.02, "low": value * 0.9, "high": value * 1.1})


TABLES = {
    "history": history,
    "seeds": seeds,
    "metrics": metrics,
    "reliability": reliability,
    "pit": pit,
    "ence_bins": ence_bins,
    "trials": trials,
    "lag_profile": lag_profile,
    "faithfulness": faithfulness,
    "deletion_curve": deletion_curve,
}


def write_reports(folder: Path, driver: Driver = DISTANCE) -> Path:
    """All files of reports/tracks/ that the report reads."""
    folder.mkdir(parents=True)
    for name, table in TABLES.items():
        table().to_csv(folder / f"{name}.csv", index=False)
    predictions(driver).to_parquet(folder / "predictions.parquet", index=False)
    ids = np.array(["t004", "t001"])
    stack = np.stack([matrix(), 0.5 * matrix()]).astype(np.float32)
    one_frame = np.outer([0.1, -0.2, 0.05, 1.0], matrix()[60]).astype(np.float32)
    np.savez(
        folder / "attribution.npz",
        ig_mean=stack,
        ig_logvar=-0.2 * stack,
        track_ids=ids,
        frame_interval_s=np.array(STEP_S),
        channels=np.array(FEATURES),
        channel_track=np.array("t004"),
        channel_frame=np.array(60),
        channel_mean=one_frame,
        channel_logvar=-0.3 * one_frame,
    )
    return folder


REASONS = [
    "passed: NLL of network less that of boosted_trees, -0.1900 [-0.2000, -0.1800], lies below 0",
    "failed: MACE, 0.03, is not below the limit, 0.02",
]
