"""Checkpoints: exact, verified, newest and best kept, damage falls back, a full disk loses nothing."""

import errno
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.runs.restoring import open_checkpoints
from jaxgen.training.checkpoint import Checkpoints, checksums


def state_at(step, devices=1):
    mesh = parallel.make_mesh(devices)
    values = {"w": np.arange(4096, dtype=np.float32) * (step + 1) / 7, "n": np.int32(step), "none": {}}
    players = parallel.replicate(mesh, values)
    key = jax.jit(lambda: jax.random.key(3), out_shardings=jax.tree.leaves(players)[0].sharding)()
    return parallel.TrainState(parallel.replicate(mesh, np.int32(step)), key, players)


def abstract(devices=1):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state_at(0, devices))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def saved(folder, steps=(10, 20, 30), keep=3, **kwargs):
    checkpoints = Checkpoints(folder, keep, **kwargs)
    for step in steps:
        checkpoints.save(step, state_at(step), {"window": {"loss": [0.1, 1 / 3]}})
    checkpoints.wait()
    return checkpoints


def flip_bytes(folder: Path, step: int) -> None:
    """Changes the middle of the largest data file."""
    files = [path for path in (folder / str(step) / "state").rglob("*") if path.is_file() and "/d/" in str(path)]
    largest = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    middle = len(data) // 2
    for i in range(middle, middle + 64):
        data[i] ^= 0xFF
    largest.write_bytes(bytes(data))


def test_round_trip_is_exact(folder):
    checkpoints = saved(folder)
    state, meta = checkpoints.restore(abstract())
    assert checksums(state) == checksums(state_at(30))
    assert meta["window"] == {"loss": [0.1, 1 / 3]}
    assert jax.dtypes.issubdtype(state.key.dtype, jax.dtypes.prng_key)
    checkpoints.close()


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 2)])
def test_restores_onto_another_number_of_devices(folder, before, after):
    checkpoints = Checkpoints(folder, 2)
    checkpoints.save(5, state_at(5, before), {})
    checkpoints.wait()
    state, _ = checkpoints.restore(abstract(after))
    assert len(state.players["w"].sharding.device_set) == after
    assert checksums(state) == checksums(state_at(5))
    checkpoints.close()


def test_checksums_notice_one_bit_a_shape_and_a_dtype():
    a = state_at(1)
    for changed in (
        a.players["w"].at[17].add(1e-3),
        a.players["w"].reshape(64, 64),
        a.players["w"].astype(jnp.float16),
    ):
        b = a.replace(players={**a.players, "w": changed})
        assert [k for k in checksums(a) if checksums(a)[k] != checksums(b)[k]] == [".players['w']"]


def test_what_is_saved_is_the_moment_of_the_call(folder):
    checkpoints = Checkpoints(folder, 1)
    window = {"loss": [1.0]}
    checkpoints.save(1, state_at(1), {"window": window})
    window["loss"] += [2.0] * 1000  # the loop goes on while the file is written
    checkpoints.wait()
    assert checkpoints.restore(abstract())[1]["window"] == {"loss": [1.0]}
    checkpoints.close()


def test_nothing_saved_is_none(folder):
    assert Checkpoints(folder, 2).restore(abstract()) is None


def test_keeps_the_newest(folder):
    checkpoints = saved(folder, steps=(10, 20, 30, 40), keep=2)
    assert checkpoints.steps() == [30, 40]
    checkpoints.close()


@pytest.mark.parametrize(("better", "best"), [("lower", 20), ("higher", 10), ("5.5", 30)])
def test_keeps_the_best_beside_the_newest(folder, better, best):
    checkpoints = Checkpoints(folder, 1, "fd", better)
    for step, value in ((10, 9.0), (20, 1.0), (30, 5.0), (40, None), (50, 7.0)):
        checkpoints.save(step, state_at(step), {}, {"fd": value} if value else None)
        checkpoints.wait()
    assert checkpoints.steps() == [best, 50]
    assert checkpoints.best_step() == best
    checkpoints.close()
    again = Checkpoints(folder, 1, "fd", better)  # a new process ranks the same
    assert again.best_step() == best
    again.close()


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "7", '{"custom_metadata": []}', '{"commit_timestamp_nsecs": "x"}', None]
)
def test_damaged_times_of_a_checkpoint_hinder_nothing(folder, damage):
    """orbax reads them when it opens, and no checkpoint could be restored. None: a folder in the file's place."""
    saved(folder, steps=(10, 20)).close()
    path = folder / "10" / "_CHECKPOINT_METADATA"
    path.unlink()
    path.mkdir() if damage is None else path.write_text(damage)
    checkpoints = Checkpoints(folder, 2)
    assert checkpoints.steps() == [10, 20]
    for step in (10, 20):
        assert checksums(checkpoints.restore(abstract(), step)[0]) == checksums(state_at(step))
    checkpoints.save(30, state_at(30), {})
    checkpoints.wait()
    assert checkpoints.steps() == [20, 30]
    checkpoints.close()


@pytest.mark.parametrize("damage", ["", "{", '{"other": 1.0}', '{"fd": "x"}', '{"fd": 0.5}', None])
def test_a_damaged_rank_is_rebuilt_and_hinders_nothing(folder, caplog, damage):
    """orbax cannot open any checkpoint if one of its files of metrics is damaged; None: a folder in its place."""
    checkpoints = Checkpoints(folder, 1, "fd")
    for step, value in ((10, 1.0), (20, 5.0)):
        checkpoints.save(step, state_at(step), {}, {"fd": value})
    checkpoints.close()
    path = folder / "20" / "metrics" / "metrics"
    path.unlink()
    path.mkdir() if damage is None else path.write_text(damage)
    for read_only in (True, False):
        again = Checkpoints(folder, 1, "fd", read_only=read_only)
        assert again.best_step() == 10
        assert again.restore(abstract())[0].step == 20
        again.close()
    assert json.loads(path.read_text()) == {"fd": 5.0}
    assert "checkpoint 20: its damaged file of metrics is written anew" in caplog.text


def test_a_changed_number_beside_the_arrays_is_noticed(folder, caplog):
    saved(folder, steps=(10, 20)).close()
    path = folder / "20" / "meta" / "metadata"
    path.write_text(path.read_text().replace("0.1,", "0.2,"))
    checkpoints = Checkpoints(folder, 2)
    state, meta = checkpoints.restore(abstract())
    assert (state.step, meta["window"]) == (10, {"loss": [0.1, 1 / 3]})
    assert "checkpoint 20 is damaged (ValueError: checksum of the JSON" in caplog.text
    checkpoints.close()


def test_a_checkpoint_of_an_earlier_version_has_no_checksum_of_its_json(folder):
    saved(folder, steps=(10,)).close()
    path = folder / "10" / "meta" / "metadata"
    meta = json.loads(path.read_text())
    del meta["meta_checksum"]
    path.write_text(json.dumps(meta))
    checkpoints = Checkpoints(folder, 2)
    assert checkpoints.restore(abstract())[0].step == 10
    checkpoints.close()


def test_a_file_in_the_place_of_the_checkpoints_is_one_line(folder):
    folder.write_text("")
    with pytest.raises(UserError, match="is a file, where the folder of the checkpoints is due"):
        Checkpoints(folder, 2)


def test_a_metric_that_is_best_at_a_value_ranks_by_its_distance(tmp_path):
    config = SimpleNamespace(best_metric="c2st_forest", keep_checkpoints=1)
    checkpoints = open_checkpoints(config, tmp_path)
    for step, value in ((10, 0.3), (20, 0.48), (30, 0.6), (40, 0.9)):
        checkpoints.save(step, state_at(step), {}, {"c2st_forest": value})
        checkpoints.wait()
    assert checkpoints.best_step() == 20
    checkpoints.close()
    assert open_checkpoints(config, tmp_path, read_only=True).step_of("best") == 20


def test_flipped_bytes_fall_back_loudly(folder, caplog):
    checkpoints = saved(folder)
    flip_bytes(folder, 30)
    with caplog.at_level(logging.ERROR, logger="jaxgen"):
        state, _ = checkpoints.restore(abstract())
    assert int(state.step) == 20
    assert "checkpoint 30 is damaged" in caplog.text
    checkpoints.set_aside_after(20)
    assert checkpoints.steps() == [10, 20]
    assert (folder.with_name("checkpoints_damaged") / "30").is_dir()
    checkpoints.save(30, state_at(30), {})  # the way is free again
    checkpoints.wait()
    assert checkpoints.steps() == [10, 20, 30]
    checkpoints.close()


def test_silently_different_numbers_are_noticed(folder):
    """Damage that every layer below reads without complaint: the arrays of another step under this step's checksums."""
    import shutil

    checkpoints = saved(folder)
    checkpoints.close()
    shutil.rmtree(folder / "30" / "state")
    shutil.copytree(folder / "20" / "state", folder / "30" / "state")
    checkpoints = Checkpoints(folder, 3)
    state, _ = checkpoints.restore(abstract())
    assert int(state.step) == 20
    with pytest.raises(UserError, match="checksum of"):
        checkpoints.restore(abstract(), 30)
    checkpoints.close()


def test_truncated_files_fall_back(folder):
    checkpoints = saved(folder)
    for path in (folder / "30").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    state, _ = checkpoints.restore(abstract())
    assert int(state.step) == 20
    checkpoints.close()


def test_all_damaged_is_refused_not_started_over(folder):
    checkpoints = saved(folder, steps=(10, 20))
    flip_bytes(folder, 10)
    flip_bytes(folder, 20)
    with pytest.raises(UserError, match=r"all checkpoints \[10, 20\] are damaged"):
        checkpoints.restore(abstract())
    checkpoints.close()


def test_a_step_that_is_not_there_is_refused(folder):
    checkpoints = saved(folder, steps=(10,))
    with pytest.raises(UserError, match=r"no checkpoint of step 15\. There are \[10\]"):
        checkpoints.restore(abstract(), 15)
    checkpoints.close()


def test_half_written_save_is_ignored(folder):
    saved(folder, steps=(10,)).close()
    leftover = folder / "20.orbax-checkpoint-tmp"
    leftover.mkdir()
    (leftover / "junk").write_text("killed here")
    checkpoints = Checkpoints(folder, 2)
    assert checkpoints.steps() == [10]
    assert int(checkpoints.restore(abstract())[0].step) == 10
    checkpoints.close()


def test_full_disk_keeps_what_was_saved(folder, monkeypatch):
    checkpoints = saved(folder, steps=(10,))

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints._manager, "save", full)
    with pytest.raises(
        UserError, match=r"disk is full, so the checkpoint was not saved. The checkpoints \[10\] are whole"
    ):
        checkpoints.save(20, state_at(20), {})
    monkeypatch.undo()
    assert int(checkpoints.restore(abstract())[0].step) == 10
    checkpoints.close()


def test_other_errors_of_a_save_are_not_taken_for_a_full_disk(folder, monkeypatch):
    checkpoints = saved(folder, steps=(10,))

    def broken(*args, **kwargs):
        raise ValueError("something else")

    monkeypatch.setattr(checkpoints._manager, "save", broken)
    with pytest.raises(ValueError, match="something else"):
        checkpoints.save(20, state_at(20), {})
    monkeypatch.undo()
    checkpoints.close()
