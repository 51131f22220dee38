"""What is seen in each figure of the tracks report, and what would make it wrong."""

from contactlens.reporting.notes import FigureNotes, notes_of

NOTES = {
    "msd": FigureNotes(
        "Points of mean squared displacement in nm² rise with the time lag in seconds on two logarithmic axes, "
        "with a band and the fitted law.",
        "Drift of the stage or of the nucleus that was not subtracted would add to the displacement at long lags.",
    ),
    "measured_hazard": FigureNotes(
        "Rate of switching on per minute against distance: a blue curve with its band, high near zero and low far "
        "away, a fitted step and a dotted smooth law over it, the radius's interval shaded green; below, in grey, the "
        "time spent at each distance.",
        "A wrong localisation noise, motion within a frame, or loci that tell nothing of the true enhancer would move "
        "or blur the edge.",
    ),
    "measured_ridge": FigureNotes(
        "A cloud of points, radius against the rate k_on on logarithmic axes, beside a falling dashed line along which "
        "radius³ × k_on is the same.",
        "A cloud cut off by the prior's edges, or a chain that has not mixed, would look surer than the data are.",
    ),
    "measured_onsets": FigureNotes(
        "Mean distance before and after an onset of the signal, in minutes: a line with points, inside or outside of "
        "the model's band.",
        "Onsets that are called late in noisy signal would shift the whole curve in time.",
    ),
    "measured_coupling": FigureNotes(
        "Mean signal before and after a frame, in minutes, one line with a band for each class of distance; closer "
        "classes lie higher where contact drives the signal.",
        "A cause that moves both the locus and the signal, such as the cell cycle, would give the same picture.",
    ),
    "measured_halves": FigureNotes(
        "Three points with error bars: the fitted radius of the first half of the tracks, of the second, and of all.",
        "Both halves share the microscope and the day: what is wrong with these is wrong in both.",
    ),
    "overview": FigureNotes(
        "One test track over time with its prediction and band on top; below it the gate over distance, the mean "
        "attribution over lag, and a reliability diagram.",
        "It shows the one track of median NLL: others can look worse.",
    ),
    "examples": FigureNotes(
        "Three tracks side by side: above, distance over minutes; below, measured signal as points with the predicted "
        "mean and band. Lines break where frames are missing.",
        "Three tracks prove nothing: the scores over all test tracks do.",
    ),
    "spread_parts": FigureNotes(
        "The predicted spread of three tracks over time, split into an aleatoric and an epistemic line.",
        "Seeds of one architecture agree in what it can't express, so the epistemic part is a lower bound.",
    ),
    "training": FigureNotes(
        "Loss and gate over epochs, one line a seed, with a dot at the epoch that was kept.",
        "Lines that still fall at the last epoch mean that training was cut short.",
    ),
    "gate": FigureNotes(
        "The learned gate between 0 and 1 over distance: open on the left, closed on the right, the span of its "
        "midpoint over seeds shaded.",
        "The regulariser moves the midpoint: read as a contact radius it would be wrong.",
    ),
    "gate_midpoint": FigureNotes(
        "Three panels of points: the gate's midpoint and the NLL over lambda, and the midpoint over where it started.",
        "Trials that stopped early keep the midpoint that they started from.",
    ),
    "comparison": FigureNotes(
        "A panel a score, a row a model, each with a point and a horizontal 95 % interval.",
        "A baseline that got less data or a smaller search than the network would make the network look good.",
    ),
    "reliability": FigureNotes(
        "Observed share against predicted quantile along the dashed diagonal, and below it the distance from it.",
        "Frames of a track depend on each other: a few odd tracks can hide in the mean over all frames.",
    ),
    "pit": FigureNotes(
        "Histograms of the probability integral transform from 0 to 1, with bars, around a flat line at 1.",
        "A flat histogram over all frames can hide bands too wide on some tracks and too narrow on others.",
    ),
    "ence_bins": FigureNotes(
        "Actual against predicted error, a point a bin of predicted variance, around the diagonal.",
        "Few frames in the outer bins, or heavy tails, would scatter them for no fault of the model.",
    ),
    "sweep": FigureNotes(
        "A panel a searched key: validation NLL of every trial as points over the key's values.",
        "Keys that were searched together are not told apart: a trend in one can be another's.",
    ),
    "matrix": FigureNotes(
        "A square heat map, input time across, predicted time down; red where an input raises the prediction, blue "
        "where it lowers it, mostly just left of the diagonal.",
        "The reference that attribution starts from was chosen: another one gives other values.",
    ),
    "lag_map": FigureNotes(
        "A heat map of predicted time over lag in minutes; a fixed delay shows as a horizontal stripe.",
        "Separation changes slowly, so that neighbouring lags share their attribution.",
    ),
    "channels": FigureNotes(
        "Attribution of each input channel over time for one predicted frame, and its sum as bars.",
        "Channels that say the same thing can trade attribution for no change of the prediction.",
    ),
    "attention": FigureNotes(
        "Attention of every head over input time at one frame; below it the rollout beside integrated gradients.",
        "Attention is no attribution: what is looked at need not matter.",
    ),
    "lag_profile": FigureNotes(
        "Mean attribution over the time before the predicted frame, one line a method with a band, the random control "
        "flat.",
        "A model that predicts from the autocorrelation of distance alone would show a peak of its width.",
    ),
    "deletion_curve": FigureNotes(
        "Change of the prediction over the share of frames deleted, a line a method; the random order is lowest.",
        "Deleted frames make tracks unlike any that the model saw, and it can answer to that.",
    ),
    "insertion_curve": FigureNotes(
        "Change of the prediction over the share of frames put back, a line a method; the random order is lowest.",
        "The reference that frames are put into is unlike any track that the model saw.",
    ),
    "faithfulness": FigureNotes(
        "A panel a measure, a row a method with a point and its interval, the random control last.",
        "Measures that all start from one reference share its faults.",
    ),
    "motifs": FigureNotes(
        "A row a pattern: bars of what contact and no contact add at each frame, and the distances behind it.",
        "Windows cut around attribution peaks always hold a peak: the control says how much of the pattern that is.",
    ),
    "motif_lags": FigureNotes(
        "Distributions of lag in minutes, solid for the leading motif, dotted for all windows, beside the control's.",
        "A control trained too briefly would show nothing and prove nothing.",
    ),
    "loading": FigureNotes(
        "Signal with its reconstruction over time; below it three rows of marks: latent ones, true loading times and "
        "the deconvolution's.",
        "It shows the one track of median NLL: others can look worse.",
    ),
    "alignment": FigureNotes(
        "F1 of found loading times over the tolerance in seconds, bars with intervals, the controls in grey.",
        "At wide tolerances even random times match: the controls say from where on.",
    ),
    "roc": FigureNotes(
        "True against false positive rate, a curve a model above the dashed diagonal.",
        "Frames of a track depend on each other: a long easy track counts as many frames.",
    ),
    "per_track": FigureNotes(
        "Left, cumulative share of tracks over accuracy, a curve a model; right, called against true share of time "
        "on, a point a track.",
        "Short tracks scatter for want of frames.",
    ),
    "lengths": FigureNotes(
        "Cumulative distributions of the length of on and off segments in minutes, the truth dashed.",
        "Segments cut off by a track's edge are shorter than they seem; they are censored, not dropped.",
    ),
}


def figure_notes(name: str) -> FigureNotes:
    return notes_of(NOTES, name)
