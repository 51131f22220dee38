"""Tasks whose target is the signal."""

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines import Baseline, ConstantGaussian, SignalView, fit_baselines
from contactlens.tracks.evaluation.evaluate import (
    NETWORK,
    Evaluation,
    GaussianFrames,
    SplitPredictions,
    evaluate,
    predicted_frames,
)
from contactlens.tracks.evaluation.result import EvaluationConfig, Subject, TaskEvaluation
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.training.fit import predict


def evaluate_signal(subject: Subject, config: EvaluationConfig, seed: int) -> TaskEvaluation:
    """See `evaluate_task`. Predictions: mean, sd, low90, high90 of the recalibrated distribution, a.u."""
    model, calibration, test = subject.model, subject.batches["calibration"], subject.test

    def network(batch: TrackBatch) -> GaussianFrames:
        return GaussianFrames(*predict(model, model_input(model.task, batch), batch.observed, subject.batch_size))

    forms = {NETWORK: network} | {
        name: lambda batch, one=one: GaussianFrames(*one.predict(batch))
        for name, one in _baselines(subject, config, seed).items()
    }
    models = {name: SplitPredictions(form(calibration), form(test)) for name, form in forms.items()}
    evaluation = evaluate(calibration, test, models, config.signal, seed)
    predicted = predicted_frames(test, models[NETWORK].test, evaluation.recalibration)
    return TaskEvaluation(
        metrics=evaluation.metrics,
        tables={name: getattr(evaluation, name) for name in Evaluation.FURTHER_TABLES},
        predictions=subject.frames().join(predicted),
        recalibration=evaluation.recalibration.to_json(),
    )


def _baselines(subject: Subject, config: EvaluationConfig, seed: int) -> dict[str, Baseline]:
    """All of them where the driver is an input; else the one that does not need it."""
    train, model = subject.batches["train"], subject.model
    task = model.task
    if not task.driver_input:
        return {"constant_gaussian": ConstantGaussian.fit(train)}
    view = SignalView(
        radius=model.contact_radius if task.signal_input else None,
        parts=None if model.context is None else model.context.frames,
    )
    return fit_baselines(train, subject.batches["validation"], config.baselines, seed, view)
