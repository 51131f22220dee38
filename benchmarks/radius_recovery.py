"""How often the interval of the contact radius holds the truth, over experiments drawn at random, and what traps do.

    python benchmarks/radius_recovery.py --experiments 0:120 --workers 2 --out radius_recovery.csv
    python benchmarks/radius_recovery.py --traps --experiments 0:40 --workers 2 --out radius_traps.csv
    python benchmarks/radius_recovery.py --published --experiments 0:4 --workers 2 --out radius_published.csv
    python benchmarks/radius_recovery.py --joint --experiments 0:16 --workers 2 --out radius_joint.csv
    python benchmarks/radius_recovery.py --stability --experiments 0:3 --workers 2 --out radius_stability.csv
    python benchmarks/radius_recovery.py --table radius_recovery.csv

Every finished experiment is a row at once; the same command goes on where it was stopped, and other indices or seeds
can be added at any time. `--seconds` stops after the experiments then running. An experiment is keyed by its index and
`--seed`; seed 0 was used in development. Needs numpy, scipy and numba alone: on a bare machine put `src` on PYTHONPATH.
One experiment takes some 15 to 60 s of one core (a trap 60 to 100 s); half a minute goes to compiling, once.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from contactlens.tracks.radius.config import RadiusConfig
from contactlens.tracks.radius.groups import group_fits, joint_interval
from contactlens.tracks.radius.measure import Stated, calibrated, measure, measure_interval, prepare, stated
from contactlens.tracks.radius.model.observations import pooled
from contactlens.tracks.radius.plan import observations_of
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import simulate_arrays
from contactlens.tracks.simulation.regimes import MOUSE_ES_CELLS, PUBLISHED_BENCHMARK
from contactlens.tracks.simulation.reporter import Reporter

NOISE_ERROR = 0.03  # of the localisation noise that the measurement is told
STEP_S = 3.0
INTERVALS_S = (10.0, 15.0, 20.0, 30.0, 40.0, 60.0)
TRAPS: dict[str, dict[str, Any]] = {
    "none": {},
    "shuffled pairs": {},
    "gaussian law": {"contact_law": "gaussian"},
    "cross-talk": {"crosstalk_to_ms2": 4.0},
    "bleaching": {"bleaching_time_s": 9000.0},
    "half unresponsive": {"unresponsive_fraction": 0.5},
    "dwell 20 % longer": {"ms2_dwell_s": 168.0},
    "dwell 20 % shorter": {"ms2_dwell_s": 112.0},
    "exponent 0.35": {"msd_exponent": 0.35},
    "confined": {"confinement_time_s": 120.0},
}
JOINT_DISTANCES_NM = (150.0, 250.0, 400.0)
JOINT_RADII_NM = (60.0, 80.0)
STABILITY_RADII_NM = (60.0, 100.0, 200.0)
STABILITY_TRACKS, STABILITY_FRAMES = 60, 301
Row = dict[str, Any]


def drawn_configuration(index: int, seed: int) -> SimulationConfig:
    """The parameters of an experiment: both regimes in turn, the rest at random."""
    rng = np.random.default_rng([seed, index, 1])

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    base = SimulationConfig() if index % 2 == 0 else MOUSE_ES_CELLS
    dt = float(rng.choice(INTERVALS_S))
    return replace(
        base,
        n_tracks=round(between(20, 200)),
        n_frames=round(between(100, 600)),
        frame_interval_s=dt,
        substeps_per_frame=max(round(dt / STEP_S), 3),
        contact_radius_nm=between(40, 300),
        mean_distance_nm=between(220, 400),
        msd_amplitude_nm2_per_sqrt_s=base.msd_amplitude_nm2_per_sqrt_s * between(0.7, 1.4),
        k_on_per_s=base.k_on_per_s * between(0.6, 1.6),
        k_off_per_s=base.k_off_per_s * between(0.7, 1.4),
        loading_rate_per_s=base.loading_rate_per_s * between(0.8, 1.25),
    )


def told(config: SimulationConfig, rng: np.random.Generator, simulations: int) -> tuple[Reporter, RadiusConfig]:
    """What the measurement is told: the reporter, and the localisation noise with its error."""
    reporter = Reporter(config.ms2_ramp_s, config.ms2_dwell_s, config.polymerase_signal)
    noise = float(config.separation_noise_nm[0]) * float(np.exp(NOISE_ERROR * rng.standard_normal()))
    settings = RadiusConfig(
        tracks=None,
        localisation_noise_nm=noise,
        localisation_noise_error=NOISE_ERROR,
        substeps=config.substeps_per_frame,
        between_substeps=config.contact_between_substeps,
        simulations=simulations,
        workers=1,
    )
    return reporter, settings


def recovery(index: int, seed: int, simulations: int, config: SimulationConfig | None = None) -> Row:
    """One experiment: its truth, its interval, and whether the one holds the other."""
    config = drawn_configuration(index, seed) if config is None else config
    rng = np.random.default_rng([seed, index, 2])
    experiment = simulate_arrays(config, int(rng.integers(2**31)))
    reporter, settings = told(config, rng, simulations)
    start = time.process_time()
    interval = measure_interval(prepare(observations_of(experiment), reporter, settings, seed=index), settings)
    answer, half = stated(interval, 0.95), stated(interval, 0.5)
    truth = config.contact_radius_nm
    return {
        **_design(index, seed, config),
        "onsets": int((experiment.bursts.start_s > 0).sum()),
        "truth": truth,
        "estimate": answer.estimate,
        "low": answer.low,
        "high": answer.high,
        "low_50": half.low,
        "high_50": half.high,
        "is_bound": answer.is_bound,
        "holds": bool(answer.low <= truth <= answer.high),
        "holds_50": bool(half.low <= truth <= half.high),
        "fitted": float(np.exp(interval.fit["log_radius"])),
        "seconds": time.process_time() - start,
    }


def _design(index: int, seed: int, config: SimulationConfig) -> Row:
    return {
        "index": index,
        "seed": seed,
        "regime": "default" if config.msd_exponent == 0.5 else "mesc",
        "tracks": config.n_tracks,
        "frames": config.n_frames,
        "frame_interval_s": config.frame_interval_s,
        "k_on_per_min": 60 * config.k_on_per_s,
    }


def published(index: int, seed: int, simulations: int) -> Row:
    """The simulation on which the published estimate is tested: 30 nm, 20 per min, 100 tracks of 300 min."""
    return recovery(index, seed, simulations, PUBLISHED_BENCHMARK)


def trap(index: int, seed: int, simulations: int) -> Row:
    """One trap, in turn: what the verdict says of an experiment that the model does not describe."""
    names = list(TRAPS)
    name = names[index % len(names)]
    rng = np.random.default_rng([seed, index, 3])
    radius = float(rng.choice([100.0, 150.0]))
    config = SimulationConfig(n_tracks=100, n_frames=301, contact_radius_nm=radius)
    experiment = simulate_arrays(replace(config, **TRAPS[name]), int(rng.integers(2**31)))
    observations = observations_of(experiment)
    if name == "shuffled pairs":
        observations = observations.with_signal(np.roll(observations.signal, 1 + index % 50, axis=0))
    reporter, settings = told(config, rng, simulations)
    start = time.process_time()
    measurement = measure(observations, reporter, settings, seed=index)
    kind, evidence = measurement.verdict.kind, measurement.evidence
    answer = stated(measurement.interval, 0.95)
    holds = bool(answer.low <= radius <= answer.high)
    flagged = kind in ("model fails", "nothing", "smooth")
    has_radius = name not in ("shuffled pairs", "gaussian law")
    smooth_said = kind == "smooth" or "describes the data as well" in measurement.verdict.sentence
    wrong = not flagged and (not holds if has_radius else name == "shuffled pairs" or not smooth_said)
    return {
        **_design(index, seed, config),
        "trap": name,
        "truth": radius if has_radius else "",
        "verdict": kind,
        "low": answer.low,
        "high": answer.high,
        "flagged": flagged,
        "holds": holds if has_radius else "",
        "wrong": wrong,
        "gain_nats": evidence.gain_nats,
        "failed": "; ".join(f"{c.group} {c.p:.3f} {c.ratio:.1f}" for c in evidence.checks if c.p <= 0.02),
        "sentence": measurement.verdict.sentence,
        "seconds": time.process_time() - start,
    }


def joint(index: int, seed: int, simulations: int) -> Row:
    """Three groups of 40 tracks at different genomic distances; in two of four experiments they share radius and rate,
    in the others k_on is twice as high in the second group. All together with the test, and, where they share them,
    each group alone."""
    rng = np.random.default_rng([seed, index, 4])
    truth, shares = JOINT_RADII_NM[index % 2], index % 4 < 2
    base = SimulationConfig(n_tracks=40, n_frames=200, contact_radius_nm=truth)
    reporter, settings = told(base, rng, simulations)
    groups, onsets = [], []
    for place, distance in enumerate(JOINT_DISTANCES_NM):
        k_on = base.k_on_per_s * (1 if shares or place != 1 else 2)
        own = replace(base, mean_distance_nm=distance, k_on_per_s=k_on)
        experiment = simulate_arrays(own, int(rng.integers(2**31)))
        groups.append(replace(observations_of(experiment), group=np.full(own.n_tracks, place)))
        onsets.append(int((experiment.bursts.start_s > 0).sum()))
    start = time.process_time()
    names = [f"{distance:g} nm" for distance in JOINT_DISTANCES_NM]
    fits = group_fits(pooled(groups), names, reporter, settings, seed=index)
    found = joint_interval(fits, settings)
    together = time.process_time()
    half = stated(found, 0.5)
    row = {**_design(index, seed, base), "shares": shares, "truth": truth}
    row |= {f"onsets_{place}": count for place, count in enumerate(onsets)}
    answers = {"joint": stated(found, 0.95)}
    for place, fit in enumerate(fits):
        answers[f"own_{place}"] = (
            stated(calibrated(fit, settings), 0.95) if shares else Stated(np.nan, np.nan, np.nan, False)
        )
    for name, answer in answers.items():
        row |= {f"{name}_{key}": getattr(answer, key) for key in ("estimate", "low", "high", "is_bound")}
        row[f"{name}_holds"] = bool(answer.low <= truth <= answer.high)
    return row | {
        "low": answers["joint"].low,
        "high": answers["joint"].high,
        "holds": row["joint_holds"],
        "holds_50": bool(half.low <= truth <= half.high),
        "fitted": float(np.exp(found.fit["log_radius"])),
        "statistic": found.test.statistic,
        "p": found.test.p,
        "compared": found.test.experiments,
        "seconds_together": together - start,
        "seconds": time.process_time() - start,
    }


def stability(index: int, seed: int, simulations: int) -> Row:
    """One experiment measured again: with another Monte-Carlo seed, half as many simulations again, and, as its first
    half, in one of twice the tracks. How far the estimate moves, in standard errors of the first."""
    truth = STABILITY_RADII_NM[index % len(STABILITY_RADII_NM)]
    rng = np.random.default_rng([seed, index, 5])
    config = SimulationConfig(n_tracks=2 * STABILITY_TRACKS, n_frames=STABILITY_FRAMES, contact_radius_nm=truth)
    experiment = simulate_arrays(config, int(rng.integers(2**31)))
    reporter, settings = told(config, rng, simulations)
    twice = observations_of(experiment)
    once = twice.only(np.arange(STABILITY_TRACKS))
    more = replace(settings, simulations=3 * simulations // 2)
    runs = {
        "first": (once, settings, index),
        "seed": (once, settings, index + 1000),
        "simulations": (once, more, index),
        "twice": (twice, settings, index),
    }
    start = time.process_time()
    row = {**_design(index, seed, replace(config, n_tracks=STABILITY_TRACKS)), "truth": truth}
    for name, (observations, own, monte_carlo_seed) in runs.items():
        interval = measure_interval(prepare(observations, reporter, own, seed=monte_carlo_seed), own)
        answer = stated(interval, 0.95)
        row |= {f"{name}_{key}": getattr(answer, key) for key in ("estimate", "low", "high", "is_bound")}
        row[f"{name}_fitted"] = float(np.exp(interval.fit["log_radius"]))
        if name == "first":
            closed = not answer.is_bound and np.isfinite(answer.high)
            width = np.log(answer.high / answer.low) / 3.92 if closed else interval.fit.standard_error("log_radius")
            row["standard_error"] = float(width)
        row[f"{name}_moved"] = float(np.log(answer.estimate / row["first_estimate"])) / row["standard_error"]
    return row | {
        "low": row["first_low"],
        "high": row["first_high"],
        "holds": bool(row["first_low"] <= truth <= row["first_high"]),
        "seconds": time.process_time() - start,
    }


def table(file: Path) -> str:
    """Coverage, error and width by regime and by quarter of the number of onsets."""
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    if "trap" in rows[0]:
        names = dict.fromkeys(row["trap"] for row in rows)
        return "\n".join(_trap_line(name, [row for row in rows if row["trap"] == name]) for name in names)
    if "statistic" in rows[0]:
        return _joint_lines(rows)
    if "standard_error" in rows[0]:
        return "\n".join(_stability_line(row) for row in rows)
    edges = np.quantile([float(row["onsets"]) for row in rows], [0, 0.25, 0.5, 0.75, 1.0])
    parts: dict[str, list[dict[str, str]]] = {"all": rows}
    for regime in ("default", "mesc"):
        parts[regime] = [row for row in rows if row["regime"] == regime]
    for low, high, last in zip(edges[:-1], edges[1:], (False, False, False, True), strict=True):
        name = f"{low:.0f} to {high:.0f} onsets"
        parts[name] = [row for row in rows if low <= float(row["onsets"]) < high + last]
    well = [row for row in rows if row["regime"] == "default" and float(row["truth"]) >= 100]
    parts["default, r >= 100, N >= 50"] = [row for row in well if int(row["tracks"]) >= 50]
    return "\n".join(_line(name, part) for name, part in parts.items() if part)


def _joint_lines(rows: list[dict[str, str]]) -> str:
    """Of groups that share radius and rate: bounds, width and coverage, alone and together; of all: the test."""
    shared = [row for row in rows if row["shares"] == "True"]
    lines = []
    names = ["joint", *(f"own_{place}" for place in range(len(JOINT_DISTANCES_NM)))]
    for name in names if shared else []:
        bounds = sum(row[f"{name}_is_bound"] == "True" for row in shared)
        upper = np.median([float(row[f"{name}_high"]) / float(row["truth"]) for row in shared])
        error = np.median([abs(np.log(float(row[f"{name}_estimate"]) / float(row["truth"]))) for row in shared])
        lines.append(
            f"{name}: 95 % holds {_share([row[f'{name}_holds'] == 'True' for row in shared])}, bounds "
            f"{bounds}/{len(shared)}, upper end {upper:.2f} of the truth, median error {100 * error:.1f} %"
        )
    for name, part in (("shared", shared), ("k_on doubled in one group", [r for r in rows if r["shares"] == "False"])):
        if part:
            p = ", ".join(f"{float(row['p']):.3f}" for row in part)
            lines.append(f"{name}: refused at p <= 0.05 {_share([float(row['p']) <= 0.05 for row in part])}; p {p}")
    return "\n".join(lines)


def _stability_line(row: dict[str, str]) -> str:
    def of(name: str) -> str:
        low, high = float(row[f"{name}_low"]), float(row[f"{name}_high"])
        return f"{float(row[f'{name}_estimate']):.1f} [{low:.1f}, {high:.1f}], moved {float(row[f'{name}_moved']):+.2f}"

    said = "; ".join(f"{name} {of(name)}" for name in ("first", "seed", "simulations", "twice"))
    return f"truth {float(row['truth']):.0f}: {said}; standard error {100 * float(row['standard_error']):.1f} %"


def _line(name: str, rows: Iterable[dict[str, str]]) -> str:
    rows = list(rows)
    column = {
        key: np.array([float(row[key]) for row in rows]) for key in ("truth", "estimate", "low", "high", "seconds")
    }
    holds, half = (_share([row[key] == "True" for row in rows]) for key in ("holds", "holds_50"))
    bounds = np.mean([row["is_bound"] == "True" for row in rows])
    error = np.median(np.abs(np.log(column["estimate"] / column["truth"])))
    width = np.median(np.log(column["high"] / np.maximum(column["low"], 1.0))) / 2
    return (
        f"{name}: n {len(rows)}, 95 % holds {holds}, 50 % holds {half}, bounds {bounds:.2f}, median error "
        f"{100 * error:.1f} %, half-width {100 * width:.1f} %, {column['seconds'].mean():.0f} s each"
    )


def _share(held: list[bool]) -> str:
    """How many of how many, and the exact binomial 95 % interval of their share."""
    low, high = binomtest(sum(held), len(held)).proportion_ci()
    return f"{sum(held)}/{len(held)} [{low:.2f}, {high:.2f}]"


def _trap_line(name: str, rows: list[dict[str, str]]) -> str:
    return f"{name}: " + ", ".join(
        f"{key} {_share([row[key] == 'True' for row in rows])}" for key in ("flagged", "holds", "wrong") if rows[0][key]
    )


def finished(file: Path, seed: int) -> set[int]:
    if not file.is_file():
        return set()
    with file.open() as lines:
        return {int(row["index"]) for row in csv.DictReader(lines) if int(row["seed"]) == seed}


def append(file: Path, row: Row) -> None:
    new = not file.is_file()
    with file.open("a", newline="") as lines:
        writer = csv.DictWriter(lines, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def _task(job: tuple[Callable[[int, int, int], Row], int, int, int]) -> Row:
    work, index, seed, simulations = job
    return work(index, seed, simulations)


def run(work: Callable[[int, int, int], Row], arguments: argparse.Namespace) -> None:
    first, last = (int(part) for part in arguments.experiments.split(":"))
    done = finished(arguments.out, arguments.seed)
    end = time.monotonic() + arguments.seconds

    def jobs() -> Iterator[tuple[Callable[[int, int, int], Row], int, int, int]]:
        for index in range(first, last):
            if index not in done and time.monotonic() < end:
                yield work, index, arguments.seed, arguments.simulations

    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[threads] = "1"  # of the workers, which are started below
    with get_context("spawn").Pool(arguments.workers) as pool:
        waiting = jobs()
        running = [pool.apply_async(_task, (job,)) for _, job in zip(range(arguments.workers), waiting, strict=False)]
        while running:
            ready = [r for r in running if r.ready()]
            for result in ready:
                running.remove(result)
                row = result.get()
                append(arguments.out, row)
                print({k: row[k] for k in ("index", "truth", "low", "high", "holds", "seconds")}, flush=True)
                if (job := next(waiting, None)) is not None:
                    running.append(pool.apply_async(_task, (job,)))
            time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", default="0:120", help="A:B, from A up to B - 1")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("radius_recovery.csv"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--simulations", type=int, default=RadiusConfig.simulations)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no experiment after as many")
    parser.add_argument("--traps", action="store_true")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--joint", action="store_true", help="three groups that share radius and rate, or do not")
    parser.add_argument("--stability", action="store_true", help="the same data again: other seeds, twice the tracks")
    parser.add_argument("--table", type=Path, help="summarise a file of rows and stop")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(arguments.table))
        return
    modes = {"traps": trap, "published": published, "joint": joint, "stability": stability}
    run(next((work for name, work in modes.items() if getattr(arguments, name)), recovery), arguments)


if __name__ == "__main__":
    main()
