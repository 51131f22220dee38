"""Names that the DNA branch's tables share, for those who write them and those who read them."""

NETWORK = "network"
RECALIBRATED = "_recalibrated"
# Column of the history whose least value names the epoch that is kept: see `contactlens.dna.training.fit.refined_loss`.
CRITERION = "validation_refined_loss"
CHECKPOINT = "data/import_dna/checkpoint"  # where a run keeps a copy of the backbone that it was given
