"""What the joint measurement of several groups leaves on the disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contactlens.base.files import write_aside, write_json
from contactlens.tracks.radius.groups import JointMeasurement
from contactlens.tracks.radius.measure import stated
from contactlens.tracks.radius.model.laws import contact_rate, contact_share
from contactlens.tracks.radius.tables import (
    calibration_table,
    check_table,
    evidence_content,
    experiment_table,
    headline_of,
    law_table,
)


def write_joint_measurement(measurement: JointMeasurement, folder: Path | str, context: dict[str, Any]) -> None:
    """Write verdict, groups, posterior and tables into `folder`, whole or not at all.

    context: said in verdict.json beside the verdict
    """
    interval, evidence = measurement.interval, measurement.evidence
    with write_aside(folder) as aside:
        aside.mkdir()
        if measurement.verdict.kind != "not shared":
            posterior(measurement).to_parquet(aside / "posterior.parquet", index=False)
        frames = {
            "groups": group_table(measurement),
            "laws": law_table(evidence.laws),
            "checks": check_table(evidence, measurement.shuffled, measurement.rules),
            "calibration": calibration_table(interval.calibration),
            "experiments": experiment_table(interval.calibration, interval.fit.names).assign(
                not_shared=interval.calibration.experiments.not_shared
            ),
        }
        for name, frame in frames.items():
            frame.to_csv(aside / f"{name}.csv", index=False)
        write_json(aside / "verdict.json", {**joint_content(measurement), **context})


def joint_content(measurement: JointMeasurement) -> dict[str, Any]:
    """The verdict with the numbers it rests on, the test of sharing, and the groups."""
    test = measurement.interval.test
    return {
        **evidence_content(measurement.evidence, measurement.verdict),
        "sharing": {"statistic": test.statistic, "p": test.p, "experiments": test.experiments},
        "groups": measurement.names,
    }


def joint_metrics(measurement: JointMeasurement) -> dict[str, float]:
    """What MLflow gets."""
    calibration, test = measurement.interval.calibration, measurement.interval.test
    metrics = headline_of(measurement.evidence, measurement.verdict, calibration, measurement.rules)
    return {**metrics, "sharing_p": test.p}


def group_table(measurement: JointMeasurement) -> pd.DataFrame:
    """A row per group, from its own tracks alone, and one of all together.

    group, tracks, median_distance, bursts (expected, within the films), verdict, estimate, low, high (0: open below),
    k_on_per_min as fitted, share_in_contact of the time at that radius
    """
    joint = measurement.interval
    rows: list[dict[str, Any]] = []
    for name, interval, (evidence, verdict) in zip(measurement.names, measurement.alone, measurement.own, strict=True):
        grid, theta = interval.prepared.likelihood.exposure.grid, interval.fit.theta
        answer = stated(interval, evidence.level)
        rows.append(
            {
                "group": name,
                "tracks": interval.prepared.observations.n_tracks,
                "median_distance": float(np.nanmedian(interval.prepared.observations.distance)),
                "bursts": expected_bursts(measurement, len(rows)),
                "verdict": verdict.kind,
                "estimate": answer.estimate,
                "low": answer.low,
                "high": answer.high,
                "k_on_per_min": contact_rate("step", theta[:3], grid) * 60,
                "share_in_contact": contact_share(float(theta[0]), grid)[0],
            }
        )
    together: dict[str, Any] = {"group": "joint", "verdict": measurement.verdict.kind}
    together |= {name: sum(row[name] for row in rows) for name in ("tracks", "bursts")}
    if measurement.verdict.kind != "not shared":
        answer = stated(joint, measurement.evidence.level)
        together |= {"estimate": answer.estimate, "low": answer.low, "high": answer.high}
        together["k_on_per_min"] = float(joint.sharing.k_on(joint.fit.theta[None])[0]) * 60
    return pd.DataFrame([*rows, together])


def expected_bursts(measurement: JointMeasurement, group: int) -> float:
    """Bursts that end within the films of a group: the time it is on, by its fit, times k_off."""
    interval = measurement.alone[group]
    likelihood = interval.prepared.likelihood
    on = likelihood.states(interval.fit.theta)
    return float(on.sum() * likelihood.response.block_s * np.exp(interval.fit["log_k_off"]))


def posterior(measurement: JointMeasurement) -> pd.DataFrame:
    """Draws of the shared radius and rate; of each group the mean rate of switching on and k_off. Rates per minute."""
    joint = measurement.interval
    draws = joint.calibration.draws
    radius, k_on = np.exp(draws[:, 0]), joint.sharing.k_on(draws) * 60
    columns = {"radius": radius, "k_on_per_min": k_on, "radius_cubed_k_on": radius**3 * k_on}
    for g, name in enumerate(measurement.names):
        part = joint.parts(draws, g)
        columns[f"mean_on_rate_per_min {name}"] = np.exp(part[:, 1]) * 60
        columns[f"k_off_per_min {name}"] = np.exp(part[:, 3]) * 60
    return pd.DataFrame(columns)
