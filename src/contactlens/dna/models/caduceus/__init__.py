"""Caduceus: bidirectional Mamba for DNA, equivariant under reverse complement, in the published parameter names.

Source: Schiff et al., "Caduceus: bi-directional equivariant long-range DNA sequence modeling", ICML 2024
(arXiv 2403.03234). Needs torch and numpy alone.
"""

from contactlens.dna.models.caduceus.checkpoint import load_caduceus, save_caduceus
from contactlens.dna.models.caduceus.config import CaduceusConfig, SsmConfig
from contactlens.dna.models.caduceus.model import Caduceus, CaduceusForMaskedLM

__all__ = ["Caduceus", "CaduceusConfig", "CaduceusForMaskedLM", "SsmConfig", "load_caduceus", "save_caduceus"]
