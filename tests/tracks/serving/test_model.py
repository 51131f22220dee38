"""What a trained model says of new tracks is what the pipeline says of them, in whatever form and order they come."""

import shutil
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from served_model import copied, made, of_an_ensemble

import contactlens
from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_json
from contactlens.calibration.normal_scores import recalibration_from_json
from contactlens.cli.main import main
from contactlens.reporting.card import origin_sentence
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.models.ensemble import load_ensemble, save_ensemble
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.serving.card import model_card
from contactlens.tracks.serving.frame_table import needed_columns
from contactlens.tracks.serving.model import TracksModel
from contactlens.tracks.training.predictive import predict_signal
from same_prediction import assert_same_prediction

KEYS = ["track_id", "frame", "time_s"]


def with_gaps(tracks: TrackSet) -> TrackSet:
    """Three frames are missing."""
    frames = tracks.frames[~tracks.frames["frame"].isin([4, 5, 30])]
    return replace(tracks, frames=frames.reset_index(drop=True))


def of_many_lengths(tracks: TrackSet) -> TrackSet:
    """Tracks of very different lengths, with missing frames, one of which starts late."""
    frames = with_gaps(tracks).frames
    lengths = {name: 61 - 11 * i for i, name in enumerate(frames["track_id"].unique())}
    kept = frames["frame"] < frames["track_id"].map(lengths)
    kept &= ~((frames["track_id"] == frames["track_id"].iloc[0]) & (frames["frame"] < 7))
    return replace(tracks, frames=frames[kept].reset_index(drop=True))


def by_the_pipeline(served, tracks: TrackSet) -> pd.DataFrame:
    """Mean, sd and central 90 % band as `evaluate` makes them, from one padded batch."""
    network, _ = load_model(served.folder / "model.safetensors")
    model = load_ensemble(served.folder / "ensemble")[0] if served.form.startswith("ensemble") else network
    batch = batch_of(tracks)
    form = predict_signal(model, model_input(network.task, batch), batch.observed, 16)
    if served.form.endswith("_recalibrated"):
        form = recalibration_from_json(read_json(served.folder / "recalibration.json")).of(form)
    return pd.DataFrame({"mean": form.mean, "sd": form.sd, "q05": form.quantile(0.05), "q95": form.quantile(0.95)})


def test_predictions_are_those_of_the_evaluation(served) -> None:
    tracks = with_gaps(served.new)
    found = served.model.predict(tracks)
    wanted = by_the_pipeline(served, tracks)
    assert found["sd"].nunique() > 20
    assert_same_prediction(found, wanted)
    pd.testing.assert_frame_equal(found[KEYS], tracks.frames[KEYS])
    assert (found[["q05", "q25", "q50", "q75", "q95"]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_the_spread_of_an_ensemble_has_two_parts_and_that_of_one_network_one(served) -> None:
    found = served.model.predict(served.new)
    if served.form == "network_recalibrated":
        assert found["epistemic"].isna().all()
        np.testing.assert_array_equal(found["aleatoric"], found["sd"])
        return
    ensemble, _ = load_ensemble(served.folder / "ensemble")
    batch = batch_of(served.new)
    x = model_input(ensemble.task, batch)
    means = torch.cat([one(x, batch.observed)[None, :, 0].detach() for one in ensemble.members])
    np.testing.assert_allclose(found["epistemic"], means.std(dim=0, correction=0).ravel(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found["aleatoric"] ** 2 + found["epistemic"] ** 2, found["sd"] ** 2, rtol=1e-6)


def test_a_recalibrated_ensemble_keeps_the_shares_of_its_variance(tmp_path) -> None:
    both = made("ensemble_recalibrated", tmp_path)
    found = both.model.predict(both.new)
    (both.folder / "recalibration.json").unlink()
    (both.folder / "serving.json").unlink()
    raw = both.model.predict(both.new)
    assert both.model.evaluated == "ensemble" and not np.allclose(raw["sd"], found["sd"], rtol=1e-3)
    np.testing.assert_allclose(found["epistemic"] / found["sd"], raw["epistemic"] / raw["sd"], rtol=1e-5)
    np.testing.assert_allclose(found["aleatoric"] ** 2 + found["epistemic"] ** 2, found["sd"] ** 2, rtol=1e-6)


def test_a_track_is_predicted_alike_alone_and_among_others(served) -> None:
    tracks = of_many_lengths(served.new)
    together = served.model.predict(tracks)
    for name, rows in tracks.frames.groupby("track_id"):
        alone = served.model.predict(replace(tracks, frames=rows))
        same = together[together["track_id"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone[KEYS], same[KEYS])
        assert_same_prediction(alone, same)


def test_tables_and_arrays_are_tracks_too(served) -> None:
    model, frames = served.model, served.new.frames
    wanted = model.predict(served.new)
    table = frames.drop(columns=["group", "ms2", "ep_distance_nm", "time_s"]).sample(frac=1, random_state=0)
    found = model.predict(table)
    assert_same_prediction(found, wanted)
    timed = frames.drop(columns=["frame", "ms2"]).assign(time_s=frames["time_s"] + 1234.5)
    pd.testing.assert_series_equal(model.predict(timed)["mean"], wanted["mean"])
    array = np.stack(
        [rows[needed_columns(model.spec)].to_numpy().T for _, rows in frames.groupby("track_id", sort=False)]
    )
    array[1, :, 10] = np.nan
    of_array = model.predict(torch.from_numpy(array))
    assert len(of_array) == len(wanted) - 1
    first = of_array["track_id"] == of_array["track_id"].iloc[0]
    assert_same_prediction(of_array[first], wanted[: first.sum()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="track_id"), r"no column 'track_id'"),
        (lambda t: t.drop(columns=["ep_distance_nm", "ep_x_nm"]), r"no column 'ep_x_nm', 'ep_distance_nm'"),
        (lambda t: t.assign(ep_x_nm="far"), r"column 'ep_x_nm': not all numbers"),
        (lambda t: t.assign(ep_distance_nm=-t["ep_distance_nm"]), r"column 'ep_distance_nm': is negative in 305 rows"),
        (lambda t: t.assign(ep_y_nm=np.inf), r"column 'ep_y_nm': is infinite"),
        (lambda t: t.assign(frame=0), r"column 'frame': repeats a frame of its track"),
        (lambda t: t.assign(frame=t["frame"] + 0.5), r"column 'frame': is not whole"),
        (
            lambda t: t.drop(columns="frame").assign(time_s=t["time_s"] * 1.3),
            r"column 'time_s': is not on a grid of 30 s",
        ),
        (lambda t: t.assign(ep_x_nm=np.nan), "no row has"),
    ],
)
def test_a_table_that_is_no_tracks_is_refused(served, change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        served.model.predict(change(served.new.frames))


def test_an_array_of_another_shape_is_refused(served) -> None:
    with pytest.raises(InputError, match=r"tracks x 4 channels .* got 2 x 3 x 9"):
        served.model.predict(np.zeros((2, 3, 9)))


def test_levels_name_their_columns(served) -> None:
    found = served.model.predict(served.new, levels=[0.1, 0.975, 0.005])
    assert {"q10", "q97.5", "q0.5"} <= set(found)
    with pytest.raises(InputError, match="levels lie between 0 and 1, got 1"):
        served.model.predict(served.new, levels=[1])


def test_info_says_what_it_takes_and_how_it_was_evaluated(served) -> None:
    info = served.model.info
    assert (info.driver_unit, info.signal_unit, info.frame_interval_s) == ("nm", "a.u.", 30.0)
    assert info.evaluated == served.form and info.networks == 1 + (served.form == "ensemble")
    assert info.metrics["nll"]["estimate"] == 2.5
    assert "8 tracks (488 frames" in str(info) and "nll 2.5" in str(info) and "every 30 s" in str(info)
    assert 20 < info.gate_midpoint < 800


def test_without_a_description_what_is_there_is_served(served, tmp_path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes((served.folder / "model.safetensors").read_bytes())
    bare = TracksModel.read(weights)
    network, _ = load_model(weights)
    batch = batch_of(served.new)
    form = predict_signal(network, model_input(network.task, batch), batch.observed, 16)
    found = bare.predict(served.new)
    np.testing.assert_allclose(found["mean"], form.mean, atol=1e-6)
    np.testing.assert_allclose(found["q95"], form.quantile(0.95), atol=1e-5)
    assert bare.info.evaluated == "network" and bare.info.metrics == {}
    with pytest.raises(InputError, match=r"came without serving.json: how far"):
        bare.drift(served.new)
    (tmp_path / "recalibration.json").write_bytes((served.folder / "recalibration.json").read_bytes())
    assert TracksModel.read(weights).info.evaluated == "network_recalibrated"


def test_what_was_evaluated_must_be_there(served, tmp_path) -> None:
    copied(served, tmp_path)
    if served.form == "ensemble":
        shutil.rmtree(tmp_path / "ensemble")
        message = "ensemble is missing: the model was evaluated as an ensemble"
    else:
        (tmp_path / "recalibration.json").unlink()
        message = "recalibration.json is missing"
    with pytest.raises(InputError, match=message):
        TracksModel.read(tmp_path)


def test_members_of_another_configuration_are_named(served, tmp_path) -> None:
    if served.form != "ensemble":
        pytest.skip("one network has no members")
    copied(served, tmp_path)
    spec = replace(served.model.spec, signal_unit="counts")
    save_ensemble(list(served.model.ensemble.members), spec, tmp_path / "ensemble")
    with pytest.raises(InputError, match=r"ensemble: its networks are of another configuration than model.safetensors"):
        TracksModel.read(tmp_path)


def test_a_damaged_description_is_named(served, tmp_path) -> None:
    copied(served, tmp_path)
    described = read_json(tmp_path / "serving.json")
    del described["training"]["quantities"][0]["unit"]
    write_json(tmp_path / "serving.json", described)
    with pytest.raises(InputError, match=r"serving.json: not the description of a served model"):
        TracksModel.read(tmp_path)


@of_an_ensemble
def test_new_tracks_are_held_to_the_expectations_on_the_training_set(served) -> None:
    model = served.model
    with pytest.raises(InputError, match="a track has at least 50 frames"):
        model.check(of_many_lengths(served.new))
    short = of_many_lengths(served.new)
    assert model.check(short, min_frames=5).frames.equals(short.frames)
    far = served.new.frames.assign(ep_distance_nm=9000.0)
    with pytest.raises(InputError, match="between 0 and 5000 nm"):
        model.check(replace(served.new, frames=far))


def test_states_are_asked_of_a_model_of_states(served) -> None:
    with pytest.raises(InputError, match="predicts the signal, no states"):
        served.model.states(served.new)


@of_an_ensemble
def test_the_command_writes_what_the_model_says_and_the_drift_beside_it(served, tmp_path, monkeypatch, capsys) -> None:
    table = served.new.frames.drop(columns=["group", "frame", "ep_distance_nm"])
    table.to_csv(tmp_path / "lab.csv", index=False)
    flags = ["--track", "track_id", "--time", "time_s", "--vector", "ep_x_nm,ep_y_nm,ep_z_nm", "--length-unit", "nm"]

    def command(name: str, out: str, *more: str) -> pd.DataFrame:
        words = ["contactlens", "tracks", name, str(served.folder), str(tmp_path / "lab.csv"), *flags]
        monkeypatch.setattr(sys, "argv", [*words, "--out", str(tmp_path / out), *more])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, capsys.readouterr().err
        return pd.read_parquet(tmp_path / out) if out.endswith("parquet") else pd.read_csv(tmp_path / out)

    wanted = served.model.predict(served.new)
    for out in ("p.parquet", "p.csv"):
        found = command("predict", out, "--signal", "ms2")
        pd.testing.assert_frame_equal(found, wanted, rtol=1e-6, check_dtype=False)
    said = capsys.readouterr().out
    assert "305 rows written" in said and "E-P distance: is like the training set" in said
    drift = pd.read_csv(tmp_path / "p.drift.csv")
    assert set(drift["quantity"]) == {"E-P distance", "ms2", "frames per track"}
    explained = command("explain", "e.csv", "--frames", "20", "--tracks", "t000001,t000003")
    assert set(explained["track_id"]) == {"t000001", "t000003"} and set(explained["frame"]) == {20}


def test_a_model_is_loaded_by_its_folder_or_file_and_nothing_else_is(served, tmp_path) -> None:
    for place in (served.folder, served.folder / "model.safetensors"):
        model = contactlens.load(place)
        pd.testing.assert_frame_equal(model.predict(served.new), served.model.predict(served.new))
    with pytest.raises(InputError, match=r"holds neither model.safetensors nor classifier/"):
        contactlens.load(tmp_path)
    with pytest.raises(InputError, match=r"nowhere: no such folder or file, and no models:/NAME@ALIAS"):
        contactlens.load("nowhere")


def test_the_card_tells_data_split_scores_and_what_the_gate_is_not(served) -> None:
    ids = served.tracks.frames["track_id"].unique().tolist()
    origin = origin_sentence({"git_commit": "abc", "dvc/data/tracks": "0123.dir"}, "data/tracks")
    text = model_card("mine", served.model, {"train": ids[:8], "test": ids[8:]}, test_looks=3, origin=origin)
    assert "Made at commit `abc` from `data/tracks` of DVC hash `0123.dir`." in text
    assert "8 training tracks" in text and "train 8, test 16" in text and "| nll | 2.5 | [2.4, 2.6] |" in text
    assert "Not measured by this model. Its gate is half open at" in text and "than 30 s is refused" in text
