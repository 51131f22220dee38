"""Words of the sequence: logistic regression on k-mer counts, without and with enhancer-promoter products."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines.composition import element_sequences, labels
from contactlens.dna.evaluation.baselines.logistic import Array, fit_logistic, nll, positive
from contactlens.dna.evaluation.config import KmerConfig

UNKNOWN = 4
_DIGIT = np.full(256, UNKNOWN, dtype=np.int64)
_DIGIT[[ord(base) for base in "ACGT"]] = range(4)


@dataclass(frozen=True)
class KmerFeatures:
    """From windows to features (N, F): normalised k-mer counts of each element, then products of components.

    components: one fitted PCA for each element; none where elements only add up
    scale: brings the products to mean square norm 1, which the counts have
    """

    k: int
    components: tuple[PCA, ...]
    scale: float

    @classmethod
    def fit(cls, train: WindowSet, k: int, components: int, seed: int) -> "KmerFeatures":
        counts = element_counts(train, k)
        if components == 0 or len(counts) < 2:
            return cls(k, (), 1.0)
        count = min(components, *(min(block.shape) - 1 for block in counts))
        fitted = tuple(PCA(count, svd_solver="arpack", random_state=seed).fit(block) for block in counts)
        return cls(k, fitted, float(1 / np.sqrt(np.mean(np.sum(_products(fitted, counts) ** 2, axis=1)))))

    def __call__(self, windows: WindowSet) -> sparse.csr_array:
        counts = element_counts(windows, self.k)
        products = [sparse.csr_array(self.scale * _products(self.components, counts))] if self.components else []
        return sparse.hstack([*counts, *products], format="csr")


@dataclass(frozen=True)
class KmerLogistic:
    """L2-penalised logistic regression on `KmerFeatures`; k and the penalty have the lowest validation NLL."""

    features: KmerFeatures
    classifier: Any

    @classmethod
    def fit(cls, train: WindowSet, validation: WindowSet, config: KmerConfig, seed: int) -> "KmerLogistic":
        y, y_validation = labels(train), labels(validation)
        candidates = []
        for k in config.lengths:
            features = KmerFeatures.fit(train, k, config.interaction_components, seed)
            x, x_validation = features(train), features(validation)
            model = fit_logistic(x, y, x_validation, y_validation, config.inverse_penalties)
            candidates.append((nll(model, x_validation, y_validation), cls(features, model)))
        return min(candidates, key=lambda candidate: candidate[0])[1]

    def predict(self, windows: WindowSet) -> Array:
        return positive(self.classifier, self.features(windows))


def element_counts(windows: WindowSet, k: int) -> list[sparse.csr_array]:
    """Canonical k-mer counts of each element, rows scaled to length 1: one (N, K) for each element."""
    return [normalize(kmer_counts(element, k)) for element in element_sequences(windows).values()]


def kmer_counts(sequences: list[str], k: int) -> sparse.csr_array:
    """How often each k-mer occurs on either strand, (N, K) float64: a k-mer and its reverse complement are one.

    A k-mer with a letter other than A, C, G, T counts for nothing.
    """
    canonical = canonical_columns(k)
    columns = [canonical[_codes(bases, k)] for bases in sequences]
    ends = np.cumsum([0, *map(len, columns)])
    shape = (len(sequences), int(canonical.max()) + 1)
    counts = sparse.csr_array((np.ones(ends[-1]), np.concatenate(columns), ends), shape=shape)
    counts.sum_duplicates()
    return counts


@cache
def canonical_columns(k: int) -> Array:
    """The column of each of the 4^k k-mers, in the order AA..A, AA..C, ...; shared with its reverse complement."""
    code = np.arange(4**k)
    other = np.zeros_like(code)
    for place in range(k):
        other = 4 * other + 3 - code // 4**place % 4
    return np.unique(np.minimum(code, other), return_inverse=True)[1]


def _codes(bases: str, k: int) -> Array:
    """The k-mers of a sequence as numbers in base 4, without those that hold an unknown letter."""
    digits = _DIGIT[np.frombuffer(bases.encode("latin-1", "replace"), dtype=np.uint8)]
    if digits.size < k:
        return digits[:0]
    words = np.lib.stride_tricks.sliding_window_view(digits, k)
    return (words @ 4 ** np.arange(k)[::-1])[(words != UNKNOWN).all(axis=1)]


def _products(components: tuple[PCA, ...], counts: list[sparse.csr_array]) -> Array:
    """Every product of an enhancer's and a promoter's component, (N, components squared)."""
    enhancer, promoter = (pca.transform(block) for pca, block in zip(components, counts, strict=True))
    return (enhancer[:, :, None] * promoter[:, None, :]).reshape(len(enhancer), -1)
