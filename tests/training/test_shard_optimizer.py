"""Optimisers' arrays shared out over devices: the same numbers, less memory, and checkpoints for any number of them."""

import re

import jax
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.recipes.base import Player
from jaxgen.runs import session
from jaxgen.training import compiled_steps
from jaxgen.training.checkpoint import Checkpoints
from tests.helpers import stylegan2_runs


def trained(config, dispatches=3, state=None):
    opened = session.open_session(config)
    state = state or parallel.init_state(opened.recipe, opened.mesh, config.seed)
    data = session.training_data(opened)
    compiled = session.compile_steps(opened, state)
    for _ in range(dispatches):
        state, metrics = compiled.run(state, data)
    return opened, state, compiled, metrics


def configured(tiny_config, recipe, **changes):
    if recipe == "stylegan2":
        config = stylegan2_runs.tiny(model__conditional=False)
        config.recipe.update({"r1_interval": 3, "path_length_interval": 2, "style_mixing": 0.9})
        config.steps_per_dispatch = 2
    else:
        config = tiny_config(recipe)
    for player in config.optimizers.values():  # Adam's first steps turn rounding into signs: small ones
        player.update({"learning_rate": 1e-4, "eps": 1e-3})
    config.update({"num_devices": 4, "shard_optimizer": True, **changes})
    return config


@pytest.mark.full
@pytest.mark.parametrize(
    "recipe", [pytest.param("gan", marks=pytest.mark.full), "vae", pytest.param("stylegan2", marks=pytest.mark.slow)]
)
def test_the_same_trajectory_with_a_share_of_the_state(tiny_config, recipe):
    results = [trained(configured(tiny_config, recipe, shard_optimizer=spread)) for spread in (False, True)]
    (_, whole, _, metrics), (_, spread, compiled, metrics_of_shares) = results
    norms = [name for name in metrics if "grad_norm" in name]
    assert norms
    for name in norms:
        np.testing.assert_allclose(metrics_of_shares[name], metrics[name], rtol=2e-3)
    start = parallel.init_state(results[0][0].recipe, results[0][0].mesh, 0).players
    moved = 0.0
    for a, b, c in zip(
        *(jax.tree.leaves(jax.device_get(x)) for x in (whole.players, spread.players, start)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
        moved = max(moved, np.abs(a - c).max())
    assert moved > 2e-4
    for collective in ("all-gather", "reduce-scatter"):
        assert re.search(rf" {collective}(-start)?\(", compiled.run.as_text())
    for name, player in spread.players.items():
        if isinstance(player, Player):
            bytes_ = [
                sum(map(parallel.bytes_on_a_device, jax.tree.leaves(p.opt_state)))
                for p in (player, whole.players[name])
            ]
            assert bytes_[0] < 0.3 * bytes_[1]
            assert all(leaf.is_fully_replicated for leaf in jax.tree.leaves(player.params))


@pytest.mark.full
@pytest.mark.parametrize(
    ("devices", "spread"),
    [(1, False), (2, True), (4, False)],
)
def test_a_checkpoint_goes_on_on_other_devices(tiny_config, tmp_path, devices, spread):
    config = configured(tiny_config, "vae")
    _, state, *_ = trained(config)
    saved = Checkpoints(tmp_path / "checkpoints", keep=1)
    saved.save(15, state, {})
    saved.close()
    _, expected, *_ = trained(config, 2, state)

    other = configured(tiny_config, "vae", num_devices=devices, shard_optimizer=spread)
    opened = session.open_session(other)
    abstract = parallel.abstract_state(opened.recipe, opened.mesh, other.seed)
    restored, _ = Checkpoints(tmp_path / "checkpoints", keep=1).restore(abstract)
    _, found, *_ = trained(other, 2, restored)
    for a, b in zip(jax.tree.leaves(jax.device_get(expected)), jax.tree.leaves(jax.device_get(found)), strict=True):
        if a.dtype == np.float32:
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizers.vae.clip_norm": 1.0}, r"config\.optimizers\.vae\.clip_norm needs the whole gradient"),
        ({"num_seeds": 2}, r"config\.shard_optimizer=True is for one seed"),
    ],
)
def test_refuses(tiny_config, changes, message):
    config = configured(tiny_config, "vae")
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=message):
        session.open_session(config)


@pytest.mark.full
def test_its_operations_are_counted(tiny_config):
    costs = []
    for spread in (False, True):
        opened = session.open_session(configured(tiny_config, "vae", shard_optimizer=spread))
        state = parallel.abstract_state(opened.recipe, opened.mesh, 0)
        data = session.training_data(opened)
        costs.append(compiled_steps.step_cost(opened.recipe, opened.batching, opened.mesh, state, data).operations)
    assert costs[0] == costs[1] > 0
