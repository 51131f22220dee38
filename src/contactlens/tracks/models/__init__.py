"""Models of the tracks branch."""

from contactlens.tracks.models.config import ModelConfig
from contactlens.tracks.models.gate import DistanceGate, GateConfig
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.track_model import TrackModel

__all__ = ["DistanceGate", "GateConfig", "ModelConfig", "Scaling", "TrackModel"]
