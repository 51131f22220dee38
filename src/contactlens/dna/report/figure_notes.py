"""What is seen in each figure of the DNA report, and what would make it wrong."""

from contactlens.reporting.notes import FigureNotes, notes_of

NOTES = {
    "distance": FigureNotes(
        "Two outlined histograms of enhancer-promoter distance in bp, one a class, lying on each other where the "
        "classes are matched.",
        "Distances matched on average only would still let a model tell the ends apart.",
    ),
    "factors": FigureNotes(
        "Bars of how many elements carry each factor, positives beside negatives.",
        "Sites counted by a matrix of another version would not be those that were planted.",
    ),
    "combinations": FigureNotes(
        "Bars of how many windows carry each combination of factors, positives beside negatives.",
        "A combination of few windows tells its class by chance.",
    ),
    "pretraining": FigureNotes(
        "Loss in nats per base over steps, falling, with dashed lines of what the frequencies of bases alone reach.",
        "Repeats that stand in both training and held-out sequence would lower the loss for no reason of grammar.",
    ),
    "training": FigureNotes(
        "Training and validation loss over epochs with a dot at the epoch that was kept.",
        "The kept epoch was chosen on these validation windows: its loss there is too good.",
    ),
    "roc_epochs": FigureNotes(
        "ROC curves on validation windows, thin ones of each epoch, a thick one of the epoch that was kept.",
        "Few validation windows make the curves jump between epochs.",
    ),
    "pretraining_sweep": FigureNotes(
        "A panel a searched key: loss of the held-out masked bases of every trial as points over the key's values.",
        "A backbone that predicts masked bases better need not tell windows apart better: that takes a run of each.",
    ),
    "sweep": FigureNotes(
        "A panel a searched key: validation loss of every trial as points over the key's values.",
        "Few trials of few windows: another seed moves a point as far as another value does.",
    ),
    "curves": FigureNotes(
        "Left ROC curves, right precision against recall, a line a model with its area; dashed, no knowledge.",
        "Windows that share DNA across splits, or another ratio of classes than in use, would flatter these curves.",
    ),
    "comparison": FigureNotes(
        "A panel a score, a row a model, each with a point and its interval; hollow after recalibration.",
        "A baseline that got a smaller search than the network would make the network look good.",
    ),
    "scores": FigureNotes(
        "Two outlined histograms of the predicted probability from 0 to 1, one a class, a panel a model.",
        "Test chromosomes unlike those of use in composition would move both.",
    ),
    "reliability": FigureNotes(
        "Observed frequency against predicted probability around the dashed diagonal, with bars; below, a histogram "
        "of the predictions.",
        "Another share of positives in use than in this test set would break it.",
    ),
    "distribution": FigureNotes(
        "Distributions of the attribution of single bases with logarithmic counts: a peak at zero and two tails.",
        "A reference unlike the sequences would give every base an attribution.",
    ),
    "zoom": FigureNotes(
        "Above, attribution along a whole window with its elements; below, letters whose heights are the attribution "
        "of the bases around the strongest place.",
        "It shows the window that the model is surest of, not a typical one.",
    ),
    "regions": FigureNotes(
        "Heat maps of attribution, a row a window, lined up by enhancer and promoter; above them the mean.",
        "Elements of different length are stretched to one: a fixed distance between sites is blurred.",
    ),
    "helix": FigureNotes(
        "A double helix along one window, its rungs vermilion where a base raises the logit and blue where it lowers "
        "it.",
        "One window proves nothing, and the drawing's bend means nothing.",
    ),
    "motifs": FigureNotes(
        "A row a pattern: on the left its letters by mean contribution, on the right the letters of the JASPAR motif "
        "that it matches, with the factor's name and q.",
        "Factors of one family share a motif, and composition alone can look like one: the match names a family, and "
        "the shuffled copies say what chance finds.",
    ),
    "deletion": FigureNotes(
        "Logit over the share of bases replaced (left) or put back (right), a line a method, dotted for its "
        "permutation.",
        "Bases drawn at random can make a site by chance.",
    ),
    "faithfulness": FigureNotes(
        "A panel a measure, a row a method: a point with its interval beside that of its permutation.",
        "Measures that all replace bases at random share that choice's faults.",
    ),
    "conservation": FigureNotes(
        "Left, a dot a window: the relative gap of relevance on a logarithmic axis, with and without each rule; right, "
        "bars of what reaches bases and what biases keep.",
        "Conserved relevance can still stand on the wrong bases: conservation is needed, not enough.",
    ),
}


def figure_notes(name: str) -> FigureNotes:
    return notes_of(NOTES, name)
