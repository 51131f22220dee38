"""A small convolutional network, as users of DeepBind, Basset or SPEID would build it."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.base.torch_setup import resolve_device
from contactlens.dna.data.batch import StoredWindows, stored
from contactlens.dna.data.tokens import one_hot_bases
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines.logistic import Array
from contactlens.dna.evaluation.config import CnnConfig

POOL = 4


class Cnn(nn.Module):
    """One-hot bases and one channel a region; two convolutions; maximum over each region and over the window; dense.

    Convolution and maximum as in DeepBind (Alipanahi et al. 2015, Nature Biotechnology 33:831), batch normalisation
    as in Basset (Kelley et al. 2016, Genome Research 26:990). That of the maxima matters: without it the dense layer
    does not find out which elements match.
    Maxima by element, for the dense layer to compare, as in SPEID (Singh et al. 2019, Quantitative Biology 7:122).
    """

    def __init__(self, regions: int, config: CnnConfig) -> None:
        super().__init__()
        pooled = (regions + 1) * config.filters
        self.first = nn.Conv1d(4 + regions, config.filters, config.kernel_size, padding="same")
        self.second = nn.Conv1d(config.filters, config.filters, 5, padding="same")
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) for width in (config.filters, config.filters, pooled)])
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(pooled, config.hidden)
        self.last = nn.Linear(config.hidden, 1)

    def forward(self, ids: Tensor, regions: Tensor) -> Tensor:
        """ids (B, L) and regions (B, R, L) -> logit (B,)."""
        x = torch.cat([one_hot_bases(ids).transpose(1, 2), regions.float()], dim=1)  # (B, 4 + R, L)
        h = F.max_pool1d(F.relu(self.norms[0](self.first(x))), POOL, ceil_mode=True)  # (B, F, L / POOL)
        h = F.relu(self.norms[1](self.second(h)))
        inside = F.max_pool1d(regions.float(), POOL, ceil_mode=True)  # (B, R, L / POOL)
        # Activations are not negative, so what is outside of a region and masked to 0 is never its maximum.
        pooled = [h.amax(-1), *((h * mask[:, None]).amax(-1) for mask in inside.unbind(1))]
        features = self.dropout(self.norms[2](torch.cat(pooled, dim=1)))
        return self.last(self.dropout(F.relu(self.hidden(features)))).squeeze(-1)


@dataclass(frozen=True)
class CnnBaseline:
    """A trained `Cnn`. The probability is that of the mean logit of both strands."""

    model: Cnn
    config: CnnConfig

    @classmethod
    def fit(cls, train: WindowSet, validation: WindowSet, config: CnnConfig, seed: int) -> "CnnBaseline":
        """Train on windows turned to a random strand; stop and choose by validation NLL. Same seed, same weights."""
        both = stored(train), stored(validation)
        runs = [_train(*both, config, seed + start) for start in range(config.starts)]
        return cls(min(runs, key=lambda run: run[0])[1], config)

    def predict(self, windows: WindowSet) -> Array:
        logit = _logits(self.model, stored(windows), self.config.batch_size)
        return torch.sigmoid(logit).cpu().numpy()


def _train(train: StoredWindows, validation: StoredWindows, config: CnnConfig, seed: int) -> tuple[float, Cnn]:
    """The lowest validation NLL, and the model that had it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Cnn(train.bounds.shape[1], config).to(resolve_device(config.device))
        optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        best, kept, since = np.inf, copy.deepcopy(model), 0
        for _ in range(config.max_epochs):
            _epoch(model, optimiser, train, config.batch_size)
            loss = _nll(model, validation, config.batch_size)
            since = 0 if loss < best else since + 1
            if loss < best:
                best, kept = loss, copy.deepcopy(model)
            if since >= config.patience:
                break
    return best, kept.eval()


def _epoch(model: Cnn, optimiser: torch.optim.Optimizer, train: StoredWindows, batch_size: int) -> None:
    model.train()
    for rows in torch.randperm(len(train)).tensor_split(max(1, len(train) // batch_size)):
        batch = train.read(rows).to(_device(model))
        if torch.rand(()) < 0.5:
            batch = batch.reverse_complement()
        loss = F.binary_cross_entropy_with_logits(model(batch.ids, batch.regions), batch.label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _nll(model: Cnn, windows: StoredWindows, batch_size: int) -> float:
    logit = _logits(model, windows, batch_size)
    return float(F.binary_cross_entropy_with_logits(logit, windows.label.to(logit.device).double()))


@torch.no_grad()
def _logits(model: Cnn, windows: StoredWindows, batch_size: int) -> Tensor:
    """Mean logit of both strands, (N,) float64."""
    model.eval()
    parts = (windows.read(rows).to(_device(model)) for rows in torch.arange(len(windows)).split(batch_size))
    both = [[model(b.ids, b.regions) for b in (part, part.reverse_complement())] for part in parts]
    return torch.cat([(forward + reverse).double() / 2 for forward, reverse in both])


def _device(model: Cnn) -> torch.device:
    return model.last.weight.device
