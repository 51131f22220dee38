"""What to see in each figure and table of the tracks report. The first sentence of a caption is its title."""

CAPTIONS = {
    "msd": """
        Mean squared displacement of the separation. Straight on these axes means a power law; the
        band is the 95 % interval over tracks. A flattening at long lags means that the two loci are
        confined to each other, one at short lags that noise rules. Where vectors were given, the
        polymer's curve holds both.""",
    "measured_hazard": """
        How likely the promoter is to switch on at each distance. The piecewise curve assumes no shape
        but that closer is no less likely. Its steps lie at fixed distances: it shows whether and how
        steeply the rate falls, and not where; where is the fitted step, with its interval in green.
        Below: the share of the time spent at each distance.""",
    "measured_ridge": """
        Draws of radius and rate. A small radius with a fast rate does nearly what a larger one with a
        slow rate does: where the draws fill the dashed line, only the product is measured.""",
    "measured_onsets": """
        Distance around onsets of the signal, data against the model. The data should stay inside the
        band, which holds 95 % of experiments simulated from the posterior on the same frames.""",
    "measured_coupling": """
        Signal before and after a frame at which the distance was small, middling or large, data
        against the model. A lead or lag that the model lacks shows as points outside of the bands.""",
    "measured_halves": """
        The fitted radius of all tracks and of every second one, with two standard errors, before the
        calibration by simulation. Halves that disagree say that tracks differ in more than chance.""",
    "measured_groups": """
        Each group from its own tracks, and all with one radius and rate in contact. A low end of 0 says
        that no smaller radius is excluded. The joint numbers are empty where the groups do not share them.""",
    "measured_laws": """
        The laws. Log likelihoods in nats; differences are less the step's, with intervals paired over
        tracks; held out: each law fitted to one half of the tracks and scored on the other.""",
    "measured_checks": """
        Checks of the model. p is the share of simulated experiments that are as far from the others as
        the data are, the value how much farther than a typical one.""",
    "measured_calibration": """
        Whether the interval is true at this very design: simulated experiments of the same tracks and
        frames, fitted as the data were, cross-validated.""",
    "overview": """
        The learned threshold, the explanation and the calibration on one page. Above: the test track
        of median NLL with its prediction. Below: the gate, the mean attribution against the time
        before the predicted frame, and the reliability before and after recalibration.""",
    "examples": """
        Three tracks of the test split. They were picked by a rule, not by eye: the tracks at the
        10th, 50th and 90th percentile of the mean NLL per track, so the left is among the easiest
        and the right among the hardest. The band should hold nine of ten measured points; lines
        break where frames are missing.""",
    "track_explorer": """
        Nine test tracks to look into, from the easiest to the hardest. Points are what was measured, the
        line is the predicted mean, the band mean ± 1.645 standard deviations; the dashed line is the
        true radius, where it is known. All test tracks are in predictions.parquet.""",
    "training": """
        Training and validation over epochs, one line a seed. Validation NLL rising while training
        NLL falls would be overfitting; the dot marks the epoch whose weights were kept.""",
    "training_radius": "The gate's midpoint should have stopped moving by then.",
    "seeds": "The seeds. gate_midpoint is in {unit}, NLL in nats per frame.",
    "gate": """
        The learned gate over the {driver} that it sees in the test split. The gate is open where it
        is 1; the shaded span is the range of its midpoint over seeds. The midpoint is no measured length.""",
    "gate_midpoint": """
        What the regulariser and the start do to the gate of a predictor after {epochs} epochs, beside the
        contact radius as it was measured without a network (green, with its interval), where it was. A
        sensitivity curve, and nothing about the radius: left and middle, everything but lambda_contact is
        as in params.yaml, bars are the standard deviation over seeds; where the NLL is flat while the
        midpoint moves, the data do not decide it. Right: without the regulariser; points on the dotted
        line would never have left their start. More epochs move the midpoint further.""",
    "comparison": """
        Proper scores of the network, the ensemble of its seeds and the baselines on the test split.
        Lower is better; bars are 95 % intervals from a bootstrap over {over}: groups are drawn before
        their tracks, and with them the seeds of the ensemble as it is.""",
    "differences": """
        What is served less each baseline, and the ensemble less one network, paired by track. Below
        zero the first is better; an interval that holds zero decides nothing.""",
    "accuracy": "Accuracy on the test split. In brackets the 95 % interval over {over}.",
    "cross_validation": """
        Every track as a test track once. Each fold was trained, recalibrated and compared on {groups} groups less those
        that it was tested on, with the configuration that the sweep chose once. In brackets the 95 % interval of a
        bootstrap over the {groups} groups and the tracks of each.""",
    "cross_validation_differences": """
        The {model} less each baseline in the cross-validation. Below zero it is better; an interval that holds zero
        decides nothing. Scores "at limit" and "above limit" are the parts that frames at the detection limit and above
        it contribute, and add up to the score.""",
    "cross_validation_parts": """
        Which frames win or lose a score: what those at the detection limit and those above it contribute,
        and that of the ensemble (of one seed: the network), as it is, less each model's. Below zero it is better.
        The two parts add up to the score.""",
    "cross_validation_groups": """
        The {model} in each group, trained without it. Groups that differ in more than chance say how far a new one may
        lie from the mean.""",
    "reliability": """
        Reliability diagram. Share of frames below each predicted quantile; on the dashed line the
        predicted uncertainty is the right size. The lower panel shows the distance from that line,
        the bands are 95 % intervals over tracks.""",
    "pit": """
        Histogram of the probability integral transform. Flat at 1 when calibrated; high edges mean
        bands that are too narrow, a hump in the middle bands that are too wide. Bars are 95 %
        intervals over tracks.""",
    "ence_bins": """
        Actual against predicted error, in bins of predicted variance. A model that knows which
        frames are hard spreads along the line; a constant uncertainty would put every bin at one
        place on the horizontal axis.""",
    "spread_parts": """
        What the predicted spread is made of, on the same three tracks as above. Aleatoric is the mean
        of the seeds' variances, what none of them can foresee; epistemic the variance between their
        means, what they disagree about. The squares of both add up to that of the whole spread.""",
    "calibration": "Calibration on the test split. In brackets the 95 % interval over {over}.",
    "sweep": """
        Validation NLL against every swept key. Lower is better, at equal epochs: hollow points were
        stopped before the filled ones. A key whose points show no trend matters little within the range
        that was searched.""",
    "best_trials": """
        The {best} best of {all} trials. Those that were given the most epochs (budget) before all others,
        then by validation NLL. Training takes the searched keys of the best
        (models/tracks/best_params.yaml), and every other key from params.yaml.""",
    "matrix": """
        Which input frame speaks for which {output}. Integrated gradients of {rule}; one row a
        predicted frame. Red raises the prediction, blue lowers it; left of the diagonal lies the
        past. The colours end at the 99.9th percentile of the size.""",
    "lag_map": """
        The same attributions to the {output}, by lag. A horizontal stripe is a response with a
        fixed delay; colour below zero is use of frames that come after the predicted one.""",
    "channels": """
        Attribution per input channel for one frame. Track {track} at {minute:g} min, the frame with
        the highest {output} in {rule}; left over input time, right summed. Channels that say the
        same thing share their attribution between them.""",
    "attention": """
        Attention at one frame, beside what the prediction owes to each input frame. Track {track} at
        {minute:g} min. Above, what every head looks at from there; below, the rollout, which follows
        attention through all layers, and integrated gradients. Attention knows no sign and no size:
        a frame that is looked at need not change the prediction.""",
    "lag_profile": """
        Mean attribution per frame in contact, against the time before the predicted frame. Each
        method is in units of its own peak, the random control in units of integrated gradients';
        bands are 95 % intervals over tracks. The control is what no explanation at all would give.""",
    "lag_profile_ungated": """
        Mean attribution against the time before the predicted frame, per frame of contact where the
        driver is an input and per frame where it is not. Each method is in units of its own peak, the
        random control in units of integrated gradients'; bands are 95 % intervals over tracks. The
        control is what no explanation at all would give.""",
    "true_kernel": """
        The dashed line is the mean response of the signal to a contact, known from the simulation.""",
    "deletion_curve": """
        Deletion curves. Input frames are replaced by the no-contact reference in the order of their
        attribution; a method that knows what matters changes the prediction sooner than replacement
        at random does. Bands are 95 % intervals over tracks.""",
    "insertion_curve": """
        Insertion curves. The other way round: frames of the track are put into the reference in the
        order of their attribution. Bands are 95 % intervals over tracks.""",
    "faithfulness": """
        Faithfulness of each method. The random control is the last row of each panel: a method
        whose interval overlaps it explains nothing by that measure. Infidelity, sensitivity and
        completeness error are better when low, the areas, lag correlation and contact AUROC when
        high; the dashed line is the truth.""",
    "faithfulness_table": "Faithfulness for the {output}. In brackets the 95 % interval over tracks.",
    "refused": """
        Methods that this model does not allow. They would give numbers, but wrong ones: a rule is
        missing, or there is nothing to follow.""",
    "motifs": """
        Temporal motifs: contact histories that recur where the model finds them important.
        TF-MoDISco on {windows} windows of contact (I, within {radius:.4g} {unit}) and no contact (O)
        around attribution peaks. Left, what each state adds to the prediction at each frame of the
        pattern; right, the distances behind it, mean and quartiles.""",
    "motif_lags": """
        When the leading motif's frames lie before the predicted one. Solid, the windows of the
        motif; dotted, all windows. The control was trained on tracks whose drivers were exchanged, so
        that contact tells it nothing: what it shows too is no finding.""",
    "motif_table": """
        The patterns of most seqlets. Histories read from the earliest frame, 1 for contact; lags are
        medians over seqlets.""",
    "promotion": """
        The promotion rules. How this model did by each; the champion in use is compared at
        registration.""",
    "state_examples": """
        Three tracks of the test split. They were picked by a rule, not by eye: the tracks at the
        10th, 50th and 90th percentile of the mean NLL per track, so the left is among the easiest
        and the right among the hardest. Shaded is when the promoter was truly on; P(on) is
        recalibrated, and the lowest rows compare the decoded state with the truth.""",
    "state_comparison": """
        Balanced accuracy and AUROC of the network and its baselines on the test split, frame by
        frame. Higher is better; bars are 95 % intervals from a bootstrap over {over}. Half is chance.""",
    "state_accuracy": """
        Accuracy on the test split. In brackets the 95 % interval over {over}. Every model calls a
        frame on from its own threshold, chosen on the calibration split.""",
    "state_differences": """
        Network less baseline, paired by track. Above zero the network is better; an interval that
        holds zero decides nothing.""",
    "roc": "ROC curves over all test frames. The dashed line is a model that knows nothing.",
    "per_track": """
        Accuracy track by track. Left, the share of tracks below each accuracy: curves further right
        are better, and a long foot on the left is a model that fails on some tracks. Right, how much
        of each track the network calls on; on the dashed line it is as much as in truth.""",
    "lengths": """
        How long segments of one state last, on one path drawn from each model's posterior. The dashed
        black line is the truth seen at the same frames. A model that flickers has too many short
        segments, one that smooths too few.""",
    "dwell": """
        Times, rates and switches as expected from each model's posterior over paths, in brackets the
        95 % interval over tracks. A hidden Markov model has that posterior; the recalibrated frames of
        the others are joined by one odds ratio of neighbouring states, fitted to the calibration
        split. Truth is the true state seen at the frames, truth exact the switching times themselves;
        segments cut off by the edge of a track are censored, not dropped. The distances are the
        largest difference of the lengths on a drawn path from the truth's.""",
    "rates": """
        Implied rates less those of the true states at the same frames, paired by track. Rates assume
        one rate for switching on; where contact decides it, k_on is a mean over the tracks.""",
    "state_reliability": """
        Reliability diagram of P(on). Share of frames that are truly on, in bins of predicted
        probability of equal counts; on the dashed line P(on) can be taken at its word. The lower
        panel shows the distance from that line, the bands are 95 % intervals over tracks.""",
    "state_calibration": "Calibration of P(on) on the test split. In brackets the 95 % interval over tracks.",
    "loading": """
        Where the model placed polymerases. The test track of median NLL: signal with its
        reconstruction, and below it the latent ones, the true loading and a deconvolution of the
        same signal.""",
    "alignment": """
        Agreement of found loading times with true ones, by tolerance. Each true time can be matched
        once. Grey are the controls: as many times drawn at random, and the network's own turned around
        the track, which keeps their bursts. Bars are 95 % intervals over tracks.""",
    "alignment_differences": """
        Latent ones less the others, paired by track. Above zero the latent ones are better; an
        interval that holds zero decides nothing.""",
    "delays": """
        Delay of each model's times that fits the validation tracks best. Test times are moved by it,
        so that a constant delay is not counted as error.""",
}


def caption(name: str, **fields: object) -> str:
    """The caption on one line, with its fields filled in."""
    return " ".join(CAPTIONS[name].split()).format(**fields)
