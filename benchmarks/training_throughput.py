"""Training throughput of `fit` against a plain PyTorch loop with the same model, loss and optimiser.

    python benchmarks/training_throughput.py [--tracks 128] [--epochs 4] [--rounds 3]

The plain loop is the usual one: a TensorDataset and a DataLoader that shuffles, a step per batch, a scored validation
split. Both train in turn in one process; the ratio is the median over rounds.
"""

import argparse
import statistics
import time

import torch
from torch.utils.data import DataLoader, TensorDataset

from contactlens.base.torch_setup import seed_everything
from contactlens.ops.params import TracksParams, load_params
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import model_input, task_named
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.simulate import simulate
from contactlens.tracks.training.fit import fit
from contactlens.tracks.training.objectives import SignalObjective, masked_mean


def new_model(params: TracksParams, train: TrackBatch) -> TrackModel:
    seed_everything(0, params.fit.threads)
    return TrackModel(params.model, params.gate, Scaling.of(train), task_named("ep_to_ms2"), train.driver.size(1))


def plain_loop(model: TrackModel, params: TracksParams, train: TrackBatch, validation: TrackBatch, epochs: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.fit.learning_rate)
    data = TensorDataset(train.driver, train.signal, train.observed)
    held_out = TensorDataset(validation.driver, validation.signal, validation.observed)
    objective = SignalObjective(params.loss, model.signal_head, model.signal_scale)
    for epoch in range(epochs):
        model.train()
        for x, signal, observed in DataLoader(data, batch_size=params.fit.batch_size, shuffle=True):
            output = model.standardised(x, observed)
            y = (signal - model.signal_mean) / model.signal_sd
            terms = objective.terms(y, output, observed, epoch)
            loss = torch.stack([*terms.values()]).sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), params.fit.gradient_clip)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for x, signal, observed in DataLoader(held_out, batch_size=params.fit.batch_size):
                form = model.distribution(model(x, observed))
                masked_mean(-form.log_density(signal), observed).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    params = load_params().tracks
    batch = batch_of(simulate(SimulationConfig(n_tracks=arguments.tracks + 32), seed=0))
    train = batch.select(list(range(arguments.tracks)))
    validation = batch.select(list(range(arguments.tracks, len(batch))))
    task = task_named("ep_to_ms2")
    config = params.training.with_fit(max_epochs=arguments.epochs).fit
    fit(new_model(params, train), train, validation, params.loss, config, seed=0)  # warm up
    seconds: dict[str, list[float]] = {"fit": [], "plain": []}
    for _ in range(arguments.rounds):
        start = time.perf_counter()
        fit(new_model(params, train), train, validation, params.loss, config, seed=0)
        seconds["fit"].append(time.perf_counter() - start)
        start = time.perf_counter()
        plain_loop(new_model(params, train), params, train, validation, arguments.epochs)
        seconds["plain"].append(time.perf_counter() - start)
    frames = arguments.epochs * model_input(task, train).size(0) * train.signal.size(1)
    for name, times in seconds.items():
        print(f"{name:6s} {frames / statistics.median(times):12,.0f} frames/s")
    ratios = [plain / ours for ours, plain in zip(seconds["fit"], seconds["plain"], strict=True)]
    print(f"fit is {statistics.median(ratios):.2f}x the plain loop (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")


if __name__ == "__main__":
    main()
