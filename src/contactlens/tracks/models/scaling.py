"""The scale of a dataset, kept in the model."""

from dataclasses import dataclass

from contactlens.tracks.data.batch import TrackBatch


@dataclass(frozen=True)
class Scaling:
    """One scale for the whole dataset: the driver's typical size and the signal's mean and standard deviation."""

    driver_scale: float
    signal_mean: float
    signal_sd: float

    @classmethod
    def of(cls, train: TrackBatch) -> "Scaling":
        """Measured on the observed frames of the training split."""
        distance = train.driver[:, -1][train.observed]
        signal = train.signal[train.observed].double()
        return cls(
            driver_scale=float(distance.abs().median()),
            signal_mean=float(signal.mean()),
            signal_sd=float(signal.std()) or 1.0,
        )
