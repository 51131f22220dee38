"""What training minimises and how a prediction is scored: one objective per head."""

from contactlens.tracks.models.bernoulli_vae import BernoulliVae
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.losses import LossConfig
from contactlens.tracks.training.objectives.bernoulli import BernoulliObjective
from contactlens.tracks.training.objectives.elbo import ElboObjective
from contactlens.tracks.training.objectives.gaussian import GaussianObjective
from contactlens.tracks.training.objectives.objective import Objective

__all__ = ["Objective", "objective_of"]


def objective_of(model: TrackModel, loss: LossConfig) -> Objective:
    """The objective of a model's task, in the model's own scaling."""
    if isinstance(model.backbone, BernoulliVae):
        return ElboObjective(loss, model.signal_mean, model.signal_sd, model.backbone.config.prior)
    if model.task.head == "bernoulli":
        return BernoulliObjective(loss)
    return GaussianObjective(loss, model.signal_mean, model.signal_sd)
