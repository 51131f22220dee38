"""The figure of pre-training: epochs as a reader counts them, and every baseline as a level."""

import numpy as np
import pandas as pd

from contactlens.dna.report.figures.training import pretraining_figure, pretraining_frame

HISTORY = pd.DataFrame({"epoch": [0, 1], "train_loss": [1.36, 1.33], "validation_loss": [1.37, 1.34]})
LOSSES = pd.DataFrame({"model": ["network", "composition", "context_3"], "loss": [1.34, 1.38, 1.35]})


def test_baselines_are_levels_and_the_network_is_its_curves() -> None:
    frame = pretraining_frame(HISTORY, LOSSES)
    curves = frame.dropna(subset="epoch")
    assert curves["epoch"].tolist() == [1, 2, 1, 2] and curves["loss"].tolist() == [1.36, 1.33, 1.37, 1.34]
    assert frame[frame["epoch"].isna()]["loss"].tolist() == [1.38, 1.35]
    (axis,) = pretraining_figure(frame).axes
    levels = [np.asarray(line.get_ydata()).tolist() for line in axis.lines if line.get_linestyle() == "--"]
    assert levels == [[1.35, 1.35], [1.38, 1.38]]
    assert [text.get_text() for text in axis.texts] == ["context 3", "composition"]
    assert pretraining_frame(HISTORY, None)["epoch"].notna().all()
