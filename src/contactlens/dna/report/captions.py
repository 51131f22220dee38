"""What to see in each figure and table of the DNA report. The first sentence of a caption is its title."""

CAPTIONS = {
    "windows": """
        The windows. Whole chromosomes go to one split, so that no element and no neighbour of one is
        in two of them.""",
    "checks": "What was checked before anything was learned. One failed expectation stops the pipeline.",
    "distance": """
        Enhancer-promoter distance by class. Where the two outlines differ, distance alone tells the
        labels apart; the row `distance` of the comparison says how well.""",
    "factors": """
        Which factor each element carries, by class. A factor that is as frequent in positives as in
        negatives says nothing on its own.""",
    "combinations": """
        Which combination of factors each window carries, by class. A combination that is as frequent in
        both does not tell the label: what tells it is how the sites lie.""",
    "pretraining": """
        Predicting masked bases before any label is seen. Dashed: the loss of a base's frequency given
        that many neighbours, which needs no network; below the lowest of them the network has learned
        more than composition.""",
    "training": """
        Fine-tuning. Validation loss rising while training loss falls would be overfitting; the dot
        marks the epoch whose weights were kept.""",
    "roc_epochs": "The ROC curve on validation windows after each epoch. The thick curve is that of the epoch kept.",
    "curves": """
        ROC and precision-recall curves on the test chromosomes. Areas carry intervals over
        clusters of windows that share DNA; dashed is a model that knows nothing.""",
    "comparison": """
        The network and its baselines on the test chromosomes. Hollow: after recalibration, which
        changes no ranking.""",
    "scores": """
        Predicted probability by class. The further apart the two outlines, the better the labels are
        told apart.""",
    "accuracy": "Scores on the test chromosomes. In brackets the interval over clusters of windows.",
    "differences": """
        Network less baseline, on the same resamples. Above zero the network is better in AUROC and
        AUPRC, below zero in NLL and Brier score; an interval that holds zero decides nothing.""",
    "reliability": """
        Reliability of the predicted probability. On the dashed line windows called with probability p
        are positive with frequency p; bars are intervals over clusters of windows. Below: how the
        predictions spread.""",
    "calibration": """
        Calibration of the network on the test chromosomes. ECE is the mean distance from the dashed
        line; it can't be negative, so noise alone makes it positive.""",
    "distribution": """
        Attribution of single bases, by {method}. On a logarithmic scale: most bases get almost
        nothing, and what tells is in the tails{planted}.""",
    "zoom": """
        The window of the highest logit of this run's model, {window}. Above the whole window; below, as
        letters, the bases around its strongest place, by {method}{planted}.""",
    "regions": """
        The {n} windows of the highest logits of this run's model, lined up by element. A row a window, above it
        the mean; elements of different length are stretched to one{flank}. The colours end at the 99.9th
        percentile.""",
    "helix": """
        The window of the highest logit of this run's model, {window}, as a double helix. Vermilion bases raise the
        logit, blue ones lower it, by {method}; the backbone carries the element's colour. A drawing to find
        one's way by: its bend means nothing.""",
    "helix_page": """
        The same helix to turn and zoom. Drag to turn, scroll to zoom after a click, point at a rung to
        read it.""",
    "motifs": """
        The first patterns that TF-MoDISco finds in the attributions of the model, at most six (the table has all),
        beside the JASPAR motif that each matches best. Left the mean contribution of each base, right the
        information of the match; a pale match has q above {max_q:g} and is none.""",
    "patterns": """
        The patterns and their best matches. q is Tomtom's, after Benjamini and Hochberg over all motifs
        of the database; the last column is the smallest q among copies of the pattern with shuffled
        columns, which is what chance finds.""",
    "compared_patterns": """
        The patterns of the champion, and those of the challenger, the candidate that is not. A pattern is shared where
        one of the other model, of the same sign, matches it better than any shuffled copy of it is matched.""",
    "recovery": """
        The planted factors and the pattern that recovers each. Recall is the share of its planted sites
        that lie under a seqlet of its patterns, precision the share of these seqlets on such a site;
        of hits, which read as the pattern and contribute as it does, both again. Rank 1 means that no motif of the
        database fits better. A factor without sites is a decoy, which no pattern should recover.""",
    "deletion": """
        Deletion and insertion curves, one element at a time. Its bases are replaced at random (left) or put
        back (right), the largest contribution first: a method that knows what matters loses the logit sooner and brings
        it back sooner than its own contributions permuted within elements (dotted) or a random order.""",
    "faithfulness": """
        Faithfulness of each method. A method whose interval overlaps that of its permutation explains
        nothing by that measure beyond which element matters.""",
    "method_checks": """
        Methods that start from a reference, here with a quarter of each base in every place. Their contributions have
        to add up to the logit's change from it, and its logit has to be one that windows of these data have, or they
        say nothing. A method that fails is refused for this model, and the next takes its place.""",
    "faithfulness_table": """
        Faithfulness of each method, and of its permutation within elements. In brackets the interval over
        clusters of windows. Areas under deletion, and errors, are better when low, all else when high.""",
    "conservation": """
        Is relevance conserved? Left, a dot a window: how far relevance and what the biases absorb miss
        the logit, with every rule of LRP, without each, and by the plain gradient. Right: what of the
        logit reaches bases, and what stays in biases.""",
    "conservation_table": "What is lost or made up, as a share of the logit, over clusters of windows.",
    "sweep": """
        Validation loss against every searched key. Lower is better, at equal epochs: hollow points were
        stopped before the filled ones. The fixed trial has the values of params.yaml.""",
    "pretraining_sweep": """
        Loss of the same held-out masked bases against every searched key of pre-training. Lower is better, at equal
        epochs: hollow points were stopped before the filled ones. The fixed trial has the values of params.yaml.""",
    "best_pretraining": """
        The {best} best of {all} trials of pre-training. Those that were given the most epochs (budget) before all
        others, then by loss. Pre-training takes the searched keys of the best (models/dna/best_pretraining.yaml).""",
    "best_trials": """
        The {best} best of {all} trials. Those that were given the most epochs (budget) before all others, then by
        validation loss. Fine-tuning takes the searched keys of the best (models/dna/best_params.yaml) where its loss
        is lower than the fixed trial's by more than dna.sweep.min_gain; else it keeps those of params.yaml.""",
    "promotion": """
        The promotion rules. How this model did by each; the champion in use is compared at
        registration.""",
}


def caption(name: str, **fields: object) -> str:
    """The caption on one line, with its fields filled in."""
    return " ".join(CAPTIONS[name].split()).format(**fields)
