"""Names that the DNA branch's tables share, for those who write them and those who read them."""

from typing import Literal

Task = Literal["pair", "region"]
NETWORK = "network"
CEILING = "ceiling"  # the Bayes rule given the true sites of simulated windows: a bound, no rival
RECALIBRATED = "_recalibrated"
# Column of the history whose least value names the epoch that is kept: the NLL of the validation windows as they are,
# which keeps logits in a range where they can be explained.
CRITERION = "validation_loss"
CHECKPOINT = "data/import_dna/checkpoint"  # where a run keeps a copy of the backbone that it was given
