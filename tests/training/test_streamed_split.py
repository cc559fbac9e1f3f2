"""Streamed batches: those that resident data would give, from any step on, on any number of devices."""

import itertools
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.runs import session
from jaxgen.training import streamed_split


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 images of 8x8 in three classes of unequal size."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(60):
        path = root / "abbccc"[i % 6] / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    return root


@pytest.fixture
def opened(tiny_config, folder):
    def make(streaming, **changes):
        config = tiny_config(changes.pop("recipe", "gan"), sgd=True)
        config.data.update({"name": "folder", "dir": str(folder), "limit": 0, "streaming": streaming})
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
        return session.open_session(config)

    return make


def run(opened, dispatches=4):
    """Players, and what was logged, after some dispatches."""
    state = parallel.init_state(opened.recipe, opened.mesh, opened.config.seed)
    given = session.training_data(opened).dispatches(0)
    compiled = session.compile_steps(opened, state)
    history = []
    for _ in range(dispatches):
        state, metrics = compiled.run(state, next(given))
        history.append(jax.device_get(metrics))
    given.close()
    return jax.device_get(parallel.local(state.players)), history


@pytest.mark.full
@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param(
            {"num_devices": 4, "data__flip": True, "grad_accum_steps": 2, "data__workers": 3}, marks=pytest.mark.full
        ),
        pytest.param(
            {"recipe__n_critic": 2, "recipe__share_fakes": False, "data__class_sampling": "log"}, marks=pytest.mark.full
        ),
    ],
    ids=["one device", "four devices", "critic"],
)
def test_training_is_that_on_resident_data(opened, changes, optimized):
    resident, streamed = (run(opened(how, **changes)) for how in ("never", "always"))
    for a, b in zip(jax.tree.leaves(resident), jax.tree.leaves(streamed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_any_step_can_be_the_first(opened):
    session_ = opened("always")
    steps = session_.config.steps_per_dispatch
    data = session.training_data(session_)
    whole = jax.device_get(list(itertools.islice(data.dispatches(0), 5)))
    for i in (3, 4, 1):  # the last one goes back
        resumed = jax.device_get(next(data.dispatches(i * steps)))
        for a, b in zip(*map(jax.tree.leaves, (whole[i], resumed)), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(whole[0].rows, whole[1].rows)


@pytest.mark.parametrize("threads", [1, 2, 8, 112, 1024])
@pytest.mark.parametrize("row", [64, 32 * 32 * 3, 256**2 * 3, 1024**2 * 3, 2**30])
@pytest.mark.parametrize("rows", [1, 6, 80, 640, 40_000])
def test_no_more_than_two_dispatches_or_512_mib_wait(rows, row, threads):
    group, waiting = streamed_split._groups(rows, row, threads)
    assert rows % group == 0
    assert waiting >= 1
    assert group * waiting <= 2 * rows
    assert group * waiting * row <= max(512 * 2**20, row)
    if threads <= 2 * rows and threads * row <= 512 * 2**20 and row > 64 * 2**10:
        assert waiting >= threads  # each has something to do


def test_groups_are_as_large_as_they_can_be():
    assert streamed_split._groups(640, 3072, 2) == (16, 80)
    assert streamed_split._groups(640, 3072, 112) == (16, 80)  # small images: handing over costs more than idle threads
    assert streamed_split._groups(640, 3 * 2**20, 112) == (1, 170)
    assert streamed_split._groups(640, 3 * 2**20, 2) == (16, 10)


def test_batches_are_the_same_however_little_may_wait(opened, monkeypatch):
    session_ = opened("always", data__workers=7)
    taken = []
    for little in (False, True):
        if little:
            monkeypatch.setattr(streamed_split, "_BUFFER_BYTES", 3 * 64)
        data = session.training_data(session_)
        taken.append(jax.device_get(list(itertools.islice(data.dispatches(0), 3))))
    for a, b in zip(*map(jax.tree.leaves, taken), strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_device_holds_its_own_examples(opened):
    session_ = opened("always", num_devices=4)
    batches = next(session.training_data(session_).dispatches(0))
    assert batches.rows.shape == (5, 1, 1, 16, 64)
    assert {shard.data.shape for shard in batches.rows.addressable_shards} == {(5, 1, 1, 4, 64)}
    assert {shard.data.shape for shard in batches.labels.addressable_shards} == {(5, 1, 1, 4)}
    assert batches.rows.nbytes == 5 * 16 * 64  # and not the split


def test_a_file_that_vanishes_ends_training_with_its_name(tmp_path, opened, folder):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    session_ = opened("always", data__dir=str(copy))
    dispatches = session.training_data(session_).dispatches(0)
    next(dispatches)
    for path in copy.rglob("*.png"):
        path.unlink()

    with pytest.raises(UserError, match=r"\.png cannot be read"):
        list(itertools.islice(dispatches, 20))  # what was read ahead is still used


def test_seeds_cannot_share_a_stream(opened):
    with pytest.raises(UserError, match=r"config\.num_seeds=2: .* data\.streaming=never"):
        opened("always", num_seeds=2)
