"""Synthetic outputs of the stages of tasks other than the main one, in the schema that figures and report read."""

from pathlib import Path

import numpy as np
import pandas as pd
import report_samples as samples

from contactlens.base.files import write_json

STATE_MODELS = ["network", "contact_logistic", "ms2_threshold", "compound_hmm"]
LEVELS = dict(zip(STATE_MODELS, [0.9, 0.72, 0.7, 0.86], strict=True))
LOADING_MODELS = {
    "network": 0.6,
    "deconvolution": 0.5,
    "deconvolution_gated": 0.55,
    "rate_matched_random": 0.2,
    "circular_shift": 0.25,
}


def state_predictions() -> pd.DataFrame:
    frames = samples.predictions()[["track_id", "frame", "time_s", "ep_distance_nm", "contact", "ms2"]]
    number = frames["track_id"].str[1:].astype(int)
    start = 600 + 60 * number  # as in samples.promoter_state
    state = (frames["time_s"] >= start) & (frames["time_s"] < start + 900)
    noise = np.random.default_rng(4).normal(0, 0.12, len(frames))
    p_on = np.clip(0.1 + 0.75 * state - 0.02 * number + noise, 0.01, 0.99)
    return frames.assign(state=state, p_on=p_on, on=p_on > 0.5)


def state_metrics() -> pd.DataFrame:
    rows = []
    for model, level in LEVELS.items():
        values = {"auroc": level + 0.03, "auprc": level - 0.1, "accuracy": level, "balanced_accuracy": level}
        values |= {"f1": level - 0.2, "nll": 1 - level, "brier": 0.15 * level, "ece": 0.02}
        for form in (model, f"{model}_recalibrated"):
            rows += [(form, name, value, value - 0.01, value + 0.01) for name, value in values.items()]
        if model != "network":
            gap = LEVELS["network"] - level
            rows.append(("network", f"balanced_accuracy_minus_{model}", gap, gap - 0.02, gap + 0.02))
            rows.append(("network_recalibrated", f"auroc_minus_{model}_recalibrated", gap, gap - 0.02, gap + 0.02))
    return pd.DataFrame(rows, columns=["model", "metric", "estimate", "low", "high"])


def roc() -> pd.DataFrame:
    rate = np.linspace(0, 1, 25)
    parts = [
        pd.DataFrame({"model": model, "threshold": 1 - rate, "fpr": rate, "tpr": rate ** (1 / level - 1)})
        for model, level in LEVELS.items()
    ]
    return pd.concat(parts, ignore_index=True)


def state_reliability() -> pd.DataFrame:
    predicted = np.linspace(0.05, 0.95, 10)
    parts = []
    for model, power in (("network", 1.4), ("network_recalibrated", 1.02)):
        share = predicted**power
        part = pd.DataFrame({"model": model, "bin": range(1, 11), "predicted": predicted, "observed": share})
        parts.append(part.assign(low=share - 0.03, high=share + 0.03, count=100))
    return pd.concat(parts, ignore_index=True)


def segments() -> pd.DataFrame:
    edges_s = np.geomspace(15, 4000, 9)
    left, right = edges_s[:-1], edges_s[1:]
    parts = []
    for model, factor in {"truth": 1.0, **{m: 0.5 + 0.5 * level for m, level in LEVELS.items()}}.items():
        for state, mean_s in (("off", 1200.0), ("on", 300.0)):
            scale = mean_s * factor
            density = (np.exp(-left / scale) - np.exp(-right / scale)) / (right - left)
            density[-1] *= model != "compound_hmm"  # a bin that nothing fell into
            part = pd.DataFrame({"model": model, "state": state, "left_s": left, "right_s": right})
            parts.append(part.assign(density=density, low=0.8 * density, high=1.2 * density))
    return pd.concat(parts, ignore_index=True)


def dwell() -> pd.DataFrame:
    rows = []
    for model, factor in {"truth_exact": 0.95, "truth": 1.0, **LEVELS}.items():
        values = {"mean_off_s": 1200 * factor, "mean_on_s": 300 * factor}
        values |= {
            "k_on_per_s": 1 / values["mean_off_s"],
            "k_off_per_s": 1 / values["mean_on_s"],
            "on_share": 0.2,
            "switches_per_h": 4.8,
        }
        if not model.startswith("truth"):
            values |= {"k_on_per_s_minus_truth": values["k_on_per_s"] - 1 / 1200, "length_distance_on": 1 - factor}
        rows += [(model, name, value, 0.9 * value, 1.1 * value) for name, value in values.items()]
    return pd.DataFrame(rows, columns=["model", "quantity", "estimate", "low", "high"])


def per_track() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    parts = []
    for model, level in LEVELS.items():
        on = rng.uniform(0.1, 0.4, samples.TRACKS)
        part = pd.DataFrame({"model": model, "track_id": [f"t{i:03d}" for i in range(samples.TRACKS)], "frames": 120})
        part = part.assign(on_share=on, called_share=on + rng.normal(0, 0.03, len(on)))
        parts.append(part.assign(accuracy=np.clip(level + rng.normal(0, 0.05, len(on)), 0, 1)))
    return pd.concat(parts, ignore_index=True)


def as_logit(table: pd.DataFrame) -> pd.DataFrame:
    """An explanation of a mean as one of log odds."""
    return table[table["output"] == "mean"].assign(output="logit")


def of_states(table: pd.DataFrame) -> pd.DataFrame:
    """An explanation of a mean and a log-variance as one of a state; DeepLift is not allowed for the uncertainty."""
    table = table.assign(output=table["output"].map({"mean": "logit", "logvar": "uncertainty"}))
    return table[(table["output"] == "logit") | (table["method"] != "deep_lift")]


STATE_TABLES = {
    "metrics": state_metrics,
    "roc": roc,
    "reliability": state_reliability,
    "segments": segments,
    "dwell": dwell,
    "per_track": per_track,
    "history": lambda: samples.history().drop(columns="train_variance").assign(train_entropy=0.01),
    "seeds": samples.seeds,
    "lag_profile": lambda: of_states(samples.lag_profile()),
    "faithfulness": lambda: of_states(samples.faithfulness()),
    "deletion_curve": lambda: of_states(samples.deletion_curve()),
    "insertion_curve": lambda: of_states(samples.deletion_curve()),
}
BESIDE = ("metrics", "history", "seeds", "lag_profile", "faithfulness", "deletion_curve", "insertion_curve")


def attention() -> dict[str, np.ndarray]:
    """Two layers of two heads, each looking back by another lag; the second layer's rows share one."""
    frames = np.arange(samples.FRAMES)
    weights = np.stack([np.exp(-0.5 * ((frames - 60 + lag) / 2.0) ** 2) for lag in (0, 4, 8, 8)])
    weights /= weights.sum(axis=1, keepdims=True)
    return {"attention": weights.reshape(2, 2, -1), "attention_rollout": weights.mean(axis=0)}


def write_state_reports(folder: Path) -> Path:
    """All files of reports/tracks/ of a Transformer that decodes states, in the folders that the stages use."""
    (folder / "evaluation").mkdir(parents=True)
    for name, table in STATE_TABLES.items():
        table().to_csv((folder if name in BESIDE else folder / "evaluation") / f"{name}.csv", index=False)
    state_predictions().to_parquet(folder / "predictions.parquet", index=False)
    methods = pd.DataFrame(
        [
            ("saliency", "logit", True, ""),
            ("deep_lift", "logit", False, "no rule for LayerNorm"),
            ("saliency", "uncertainty", True, ""),
            ("deep_lift", "uncertainty", False, "no rule for LayerNorm, StateVariance"),
        ],
        columns=["method", "output", "used", "reason"],
    )
    methods.to_csv(folder / "attribution_methods.csv", index=False)
    np.savez(
        folder / "attribution.npz",
        ig_logit=samples.matrix()[None].astype(np.float32),
        ig_uncertainty=0.2 * samples.matrix()[None].astype(np.float32),
        track_ids=np.array(["t004"]),
        frame_interval_s=np.array(samples.STEP_S),
        channels=np.array([*samples.FEATURES, "ms2"]),
        channel_track=np.array("t004"),
        channel_frame=np.array(60),
        channel_logit=np.outer([0.1, -0.2, 0.05, 1.0, 0.5], samples.matrix()[60]),
        channel_uncertainty=0.1 * np.outer([0.1, 0.2, 0.05, -1.0, 0.5], samples.matrix()[60]),
        **attention(),
    )
    return folder


def loading_metrics() -> pd.DataFrame:
    rows = []
    for model, level in LOADING_MODELS.items():
        for tolerance, gain in (("30", 1.0), ("15", 0.7), ("60", 1.2)):
            scores = {"precision": gain * level, "recall": 0.9 * gain * level, "f1": 0.95 * gain * level}
            rows += [(model, f"{s}_within_{tolerance}s", v, v - 0.02, v + 0.02) for s, v in scores.items()]
        if model != "network":
            gap = 0.95 * (LOADING_MODELS["network"] - level)
            rows.append(("network", f"f1_within_30s_minus_{model}", gap, gap - 0.03, gap + 0.03))
    return pd.DataFrame(rows, columns=["model", "metric", "estimate", "low", "high"])


def loading_events(track_id: str = "t006") -> pd.DataFrame:
    rng = np.random.default_rng(6)
    true = np.sort(rng.uniform(900, 1800, 40))
    found = {"truth": true, "network": true[::2] + 5, "deconvolution": np.sort(rng.uniform(0, 3500, 30))}
    parts = [pd.DataFrame({"model": model, "track_id": track_id, "time_s": times}) for model, times in found.items()]
    return pd.concat(parts, ignore_index=True)


def loading_lags() -> pd.DataFrame:
    lag = np.array([0.0, 7.5, -7.5, 15.0])
    parts = [
        pd.DataFrame({"model": model, "lag_s": lag, "f1": level - 0.01 * np.abs(lag - best)})
        for model, level, best in (("network", 0.6, 0.0), ("deconvolution", 0.5, 7.5))
    ]
    return pd.concat(parts, ignore_index=True)


def ungated(table: pd.DataFrame) -> pd.DataFrame:
    """A table of training for a model without a gate."""
    return table.assign(gate_midpoint=np.nan, gate_alpha=np.nan)


def latent_history() -> pd.DataFrame:
    fall = samples.history()["train_contact"]
    return ungated(samples.history().drop(columns="train_contact")).assign(train_kl=0.3 - fall, train_sparsity=0.0)


def write_latent_reports(folder: Path) -> Path:
    """Files of reports/tracks/ of a Bernoulli VAE, of evaluation and training alone."""
    (folder / "evaluation").mkdir(parents=True)
    constant = samples.metrics().query("model in ['network', 'network_recalibrated', 'constant_gaussian']")
    metrics = pd.concat([constant, loading_metrics()])
    metrics = metrics[~metrics["metric"].str.contains("minus_contact|minus_boosted")]
    for name, table in {"metrics": metrics, "history": latent_history(), "seeds": ungated(samples.seeds())}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    tables = {"reliability": samples.reliability(), "pit": samples.pit(), "ence_bins": samples.ence_bins()}
    for name, table in {**tables, "loading_lags": loading_lags()}.items():
        table.to_csv(folder / "evaluation" / f"{name}.csv", index=False)
    events = pd.concat([loading_events(f"t{track:03d}") for track in range(samples.TRACKS)])
    events.to_csv(folder / "evaluation" / "loading_events.csv", index=False)
    samples.predictions().assign(contact=1.0).to_parquet(folder / "predictions.parquet", index=False)
    return folder


def motif_positions() -> pd.DataFrame:
    at = np.arange(-2, 8)
    contact = ((at >= 2) & (at <= 5)).astype(float)
    columns = {"pattern": "pos_0", "position": at, "kept": (at >= 0) & (at < 7), "lag_s": 30.0 * (9 - at)}
    table = pd.DataFrame(columns).assign(contact=contact, contribution_contact=contact, contribution_no_contact=-0.05)
    distance = 300 - 220 * contact
    return table.assign(distance=distance, distance_low=0.8 * distance, distance_high=1.2 * distance)


def motif_lags(size: float) -> pd.DataFrame:
    lags = np.arange(-20, 41)
    shape = samples.kernel(lags)
    parts = [
        pd.DataFrame({"pattern": pattern, "lag_s": lags * samples.STEP_S, "contact": 0.1 + height * shape})
        for pattern, height in (("pos_0", 0.5 * size), ("all_windows", 0.1 * size))
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(contribution=table["contact"] - 0.1, distance=300 - 200 * table["contact"])


def write_motifs(folder: Path) -> None:
    """The folders of `write_temporal_motifs` of a model and of its control, which has no pattern."""
    row = {"pattern": "pos_0", "n_seqlets": 80, "n_tracks": 11, "width_frames": 7, "history": "0011110"}
    row |= {
        "contribution": 3.9,
        "total": 312.0,
        "contact_first_lag_s": 210.0,
        "contact_last_lag_s": 120.0,
        "within_ms2": 0.55,
        "within_response": 0.97,
    }
    patterns = pd.DataFrame([row])
    for name, size in (("network", 1.0), ("control", 0.05)):
        (folder / name).mkdir(parents=True)
        found = patterns if name == "network" else patterns.head(0)
        found.to_csv(folder / name / "patterns.csv", index=False)
        motif_positions().query("pattern in @found.pattern").to_csv(folder / name / "positions.csv", index=False)
        lags = motif_lags(size).query("pattern in @found.pattern or pattern == 'all_windows'")
        lags.to_csv(folder / name / "lags.csv", index=False)
        reason = "" if len(found) else "12 seqlets, more than 100 are needed"
        write_json(folder / name / "summary.json", {"windows": 500, "radius": 104.0, "reason": reason})


def systems() -> pd.DataFrame:
    """systems.csv of one or two systems of each kind of score."""
    latent = pd.concat([samples.metrics().query("model == 'network'"), loading_metrics()])
    tables = {
        ("ep_to_ms2", "unet_resnet", ""): samples.metrics(),
        ("ep_to_ms2", "unet_resnet", " --set tracks.model.gated=false"): samples.metrics(),
        ("epms2_to_states", "transformer", ""): state_metrics(),
        ("ms2_to_ms2_vae", "bernoulli_vae", ""): latent,
    }
    parts = [
        metrics.rename(columns={"model": "row"}).assign(
            command=f"contactlens tracks run --task {task} --model {model}{flags}", task=task, model=model
        )
        for (task, model, flags), metrics in tables.items()
    ]
    return pd.concat(parts, ignore_index=True)
