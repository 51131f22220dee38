"""A track set measured and written: all its tracks as one group, or its groups with one radius, as configured."""

from pathlib import Path

from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.radius.config import RadiusConfig
from contactlens.tracks.radius.group_tables import joint_metrics, write_joint_measurement
from contactlens.tracks.radius.groups import measure_groups
from contactlens.tracks.radius.measure import measure
from contactlens.tracks.radius.tables import (
    context_of,
    group_names,
    headline_metrics,
    known_gain,
    some_observations,
    write_measurement,
)
from contactlens.tracks.radius.verdict import Verdict
from contactlens.tracks.simulation.reporter import Reporter


def measure_and_write(
    track_set: TrackSet, reporter: Reporter, config: RadiusConfig, seed: int, folder: Path | str
) -> tuple[Verdict, dict[str, float]]:
    """The verdict and what MLflow gets; everything else is in `folder`, whole or not at all.

    Raises InputError where the tracks can't carry the measurement.
    """
    observations = some_observations(track_set, config)
    context = context_of(track_set, observations, config)
    if config.joint:
        joint = measure_groups(observations, group_names(track_set), reporter, config, seed)
        write_joint_measurement(joint, folder, context)
        return joint.verdict, joint_metrics(joint)
    measurement = measure(observations, reporter, config, seed)
    write_measurement(measurement, folder, context, known_gain(config, reporter))
    return measurement.verdict, headline_metrics(measurement)
