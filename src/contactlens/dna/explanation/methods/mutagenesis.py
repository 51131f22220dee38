"""What a model's score does when bases are changed: single ones (in-silico mutagenesis), or many in order of rank."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contactlens.attribution.centring import centred
from contactlens.base.progress import counted
from contactlens.dna.data.tokens import BASES
from contactlens.dna.explanation.methods import AttributionSettings
from contactlens.dna.explanation.methods.lrp import known_bases

Array = np.ndarray


def scores(model: nn.Module, ids: Tensor, regions: Tensor, rows_per_pass: int) -> Tensor:
    """The model's score (N,) float64 of ids (N, L), at most `rows_per_pass` at a time."""
    with torch.no_grad():
        parts = zip(ids.split(rows_per_pass), regions.split(rows_per_pass), strict=True)
        return torch.cat([model(tokens, inside).double() for tokens, inside in parts])


def mutated_scores(
    model: nn.Module, ids: Tensor, regions: Tensor, window: Tensor, position: Tensor, base: Tensor, rows_per_pass: int
) -> Tensor:
    """Scores (M,) of M copies of single windows in each of which one base is exchanged.

    ids: (B, L); window, position, base: (M,) row of ids, place in it, token put there
    """
    found = [torch.zeros(0, dtype=torch.float64, device=ids.device)]
    passes = torch.arange(len(window), device=ids.device).split(rows_per_pass)
    for rows in counted(passes, "batches of mutants"):
        mutants = ids[window[rows]]
        mutants[torch.arange(len(rows), device=ids.device), position[rows]] = base[rows]
        found.append(scores(model, mutants, regions[window[rows]], rows_per_pass))
    return torch.cat(found)


def mutation_effects(model: nn.Module, ids: Tensor, regions: Tensor, spans: Tensor, rows_per_pass: int) -> Tensor:
    """Change of the score (B, L, 4), float64, when a base becomes A, C, G or T; zero for the base that is there.

    spans: (B, L) bool, bases to change; elsewhere, and at N, the result is zero. Costs three passes a base.
    """
    bases = torch.tensor(BASES, device=ids.device)
    changed = (spans & known_bases(ids)).unsqueeze(-1) & (ids.unsqueeze(-1) != bases)  # (B, L, 4)
    window, position, letter = changed.nonzero(as_tuple=True)
    before = scores(model, ids, regions, rows_per_pass)
    after = mutated_scores(model, ids, regions, window, position, bases[letter], rows_per_pass)
    effects = torch.zeros(changed.shape, dtype=torch.float64, device=ids.device)
    effects[changed] = after - before[window]
    return effects


def mutagenesis(model: nn.Module, ids: Tensor, regions: Tensor, settings: AttributionSettings) -> Tensor:
    """In-silico mutagenesis of all bases inside the regions; zero outside of them.

    The effect of a base is relative to the mean of the four, so the base that is there gets minus the mean effect of
    replacing it. Three passes of the model a base: for small regions.
    """
    return centred(mutation_effects(model, ids, regions, regions.any(1), settings.rows_per_pass))


@dataclass(frozen=True)
class Mutations:
    """K single-base changes of each of N windows, drawn without repetition, and what they do to the score.

    position: (N, K); before, after: (N, K) columns 0 to 3 of A, C, G, T; effect: (N, K) change of the score
    """

    position: Array
    before: Array
    after: Array
    effect: Array

    def predicted(self, hypothetical: Array) -> Array:
        """The change (N, K) that contributions (N, L, 4) foresee."""
        row = np.arange(len(self.position))[:, None]
        return hypothetical[row, self.position, self.after] - hypothetical[row, self.position, self.before]


def sample_mutations(
    model: nn.Module, ids: Tensor, regions: Tensor, per_window: int, seed: int, rows_per_pass: int
) -> Mutations:
    """Changes of bases inside the regions, with their effects by running the model.

    Windows whose regions allow fewer changes repeat some, so that all have as many.
    """
    rng = np.random.default_rng(seed)
    code = ids.cpu().numpy() - BASES[0]
    candidates = (regions.any(1) & known_bases(ids)).cpu().numpy()
    position = np.empty((len(ids), per_window), dtype=np.int64)
    shift = np.empty_like(position)
    for row, inside in enumerate(candidates):
        # Three changes a base; without a base in the regions, any base of the window will do.
        places = np.flatnonzero(inside if inside.any() else code[row] >= 0)
        order = np.resize(rng.permutation(3 * len(places)), per_window)
        position[row], shift[row] = places[order // 3], order % 3 + 1
    before = np.take_along_axis(code, position, axis=1)
    after = (before + shift) % 4
    window = torch.arange(len(ids), device=ids.device).repeat_interleave(per_window)
    at, base = (torch.as_tensor(values.ravel(), device=ids.device) for values in (position, after + BASES[0]))
    mutated = mutated_scores(model, ids, regions, window, at, base, rows_per_pass)
    effect = mutated.view(len(ids), -1) - scores(model, ids, regions, rows_per_pass)[:, None]
    return Mutations(position, before, after, effect.cpu().numpy())


@dataclass(frozen=True)
class Replacement:
    """N windows and D random sequences without a base in common with them, from which bases are put in their place.

    known: (N, L) bases that can be replaced; other: (D, N, L) tokens
    intact, replaced: (N,) score of the windows, and mean score with every base replaced
    """

    model: nn.Module
    ids: Tensor
    regions: Tensor
    known: Tensor
    other: Tensor
    intact: Array
    replaced: Array
    rows_per_pass: int

    @classmethod
    def of(
        cls, model: nn.Module, ids: Tensor, regions: Tensor, span: Tensor, draws: int, seed: int, rows_per_pass: int
    ) -> "Replacement":
        """Every base of `span` (N, L) is replaced by one of the three others, all alike: what the model sees remains a
        sequence."""
        shift = np.random.default_rng(seed).integers(1, 4, size=(draws, *ids.shape))
        known = known_bases(ids) & span
        other = (ids - BASES[0] + torch.as_tensor(shift, device=ids.device)) % 4 + BASES[0]
        intact = scores(model, ids, regions, rows_per_pass).cpu().numpy()
        unscored = cls(model, ids, regions, known, other, intact, intact, rows_per_pass)
        replaced = unscored.kept_scores(torch.zeros_like(known)[None])
        return cls(model, ids, regions, known, other, intact, replaced, rows_per_pass)

    def kept_scores(self, kept: Tensor) -> Array:
        """Mean score (N,) over the draws where only bases `kept` (D or 1, N, L) stay."""
        mixed = torch.where(kept | ~self.known, self.ids, self.other)  # (D, N, L)
        regions = self.regions.expand(len(self.other), *self.regions.shape).flatten(0, 1)
        found = scores(self.model, mixed.flatten(0, 1), regions, self.rows_per_pass)
        return found.view(len(self.other), -1).mean(0).cpu().numpy()

    def curves(self, importance: Array, fractions: tuple[float, ...]) -> dict[str, Array]:
        """Scores (N, len(fractions)) with the most important share of the bases replaced, or as the only ones kept.

        importance: (N, L), or (D, N, L) to rank anew in each draw; the highest comes first
        """
        values = np.where(self.known.cpu().numpy(), importance, -np.inf)
        values = values if values.ndim == 3 else values[None]
        order = np.argsort(-values, axis=-1, kind="stable")
        rank = torch.as_tensor(np.argsort(order, axis=-1, kind="stable"), device=self.ids.device)
        n = self.known.sum(-1, keepdim=True)
        points: dict[str, list[Array]] = {"deletion": [], "insertion": []}
        for fraction in fractions:
            top = rank < (fraction * n).round()
            ends = {0.0: (self.intact, self.replaced), 1.0: (self.replaced, self.intact)}
            left = ends.get(fraction) or (self.kept_scores(~top), self.kept_scores(top))
            for name, point in zip(points, left, strict=True):
                points[name].append(point)
        return {name: np.stack(found, axis=1) for name, found in points.items()}
