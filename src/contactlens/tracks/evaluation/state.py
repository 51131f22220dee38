"""Tasks whose target is the promoter's state."""

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.promoter_truth import observed_span
from contactlens.tracks.evaluation.baselines.memory_kernel import memory_kernel
from contactlens.tracks.evaluation.baselines.states import fit_state_baselines
from contactlens.tracks.evaluation.evaluate import NETWORK
from contactlens.tracks.evaluation.evaluate_states import (
    Array,
    StateEvaluation,
    StatePredictions,
    decoded_frames,
    evaluate_states,
)
from contactlens.tracks.evaluation.result import EvaluationConfig, Subject, TaskEvaluation
from contactlens.tracks.evaluation.state_segments import DwellCounts, interval_dwell
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.training.fit import predict_state


def evaluate_state(subject: Subject, config: EvaluationConfig, seed: int) -> TaskEvaluation:
    """See `evaluate_task`. Predictions: the true state, p_on of the recalibrated network, and the decoded state."""
    model, batches = subject.model, subject.batches

    def network(batch: TrackBatch) -> Array:
        return predict_state(model, model_input(model.task, batch), batch.observed, subject.batch_size)

    kernel = memory_kernel(config.reporter.ramp_s, config.reporter.dwell_s, subject.test.frame_interval_s)
    baselines = fit_state_baselines(batches["train"], batches["validation"], config.state_baselines, kernel, seed)
    forms = {NETWORK: network} | {name: one.probability for name, one in baselines.items()}
    models = {name: StatePredictions(form(batches["calibration"]), form(subject.test)) for name, form in forms.items()}
    exact = _true_dwell(subject)
    evaluation = evaluate_states(batches["calibration"], subject.test, models, config.states, seed, exact)
    decoder = evaluation.decoders[NETWORK]
    decoded = decoded_frames(subject.test, models[NETWORK].test, decoder)
    return TaskEvaluation(
        metrics=evaluation.metrics,
        tables={name: getattr(evaluation, name) for name in StateEvaluation.TABLES if name != "metrics"},
        predictions=subject.frames().join(decoded),
        recalibration={"threshold": float(decoder.threshold), "recalibration": decoder.recalibration.to_json()},
    )


def _true_dwell(subject: Subject) -> DwellCounts | None:
    truth, names = subject.tracks.truth, subject.test.track_ids
    if truth is None:
        return None
    return interval_dwell(truth.promoter_state, names, *observed_span(subject.tracks, names))
