"""Several seeds in one program: each lane is the run of its seed alone, on any mesh, by vmap and one by one."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.runs import session
from jaxgen.settings import checks, default
from jaxgen.training import compiled_steps, lanes
from jaxgen.training.batches import shapes_of

SEEDS = (5, 6)


def several(config, program="auto"):
    config.seed, config.num_seeds, config.seed_program = SEEDS[0], len(SEEDS), program
    return config


def trained(config, steps):
    """Players on the host and metrics after `steps` steps, and the session."""
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, lanes.seed_argument(config))
    data = session.training_data(opened)
    compiled = session.compile_steps(opened, state)
    history = []
    for _ in range(steps // config.steps_per_dispatch):
        state, metrics = compiled.run(state, data)
        history.append(jax.device_get(metrics))
    metrics = {name: np.concatenate([part[name] for part in history], -1) for name in history[0]}
    return jax.device_get(state.players), metrics, (opened, compiled)


def distance(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(np.abs(x - y).max() for x, y in pairs)


def compare(tiny, steps, program, atol, **changes):
    """Each lane of `program` beside its solo run; the lanes differ from each other far more than that."""
    config = several(tiny(), program)
    config.update(changes)
    together, metrics, (opened, compiled) = trained(config, steps)
    solo_config = tiny()
    solo_config.seed = SEEDS[1]
    solo, alone, (_, compiled_solo) = trained(solo_config, steps)
    first, second = (jax.tree.map(lambda leaf, i=i: leaf[i], together) for i in (0, 1))
    assert distance(first, second) > 1e-3
    assert distance(second, solo) <= atol
    for name, values in alone.items():
        np.testing.assert_allclose(metrics[name][1], values, rtol=100 * atol, atol=10 * atol)
    return opened, compiled, compiled_solo


@pytest.fixture
def ring(tiny_config):
    """A GAN of points that compiles fast."""

    def make():
        config = tiny_config("gan")
        config.data.update({"name": "gaussian_ring", "num_points": 512, "limit": 0})
        config.model.update({"name": "point_gan", "width": 8, "hidden_layers": 1, "latent_dim": 4})
        config.recipe.ema_decay = 0.9
        return config

    return make


@pytest.mark.full
@pytest.mark.parametrize(("program", "atol"), [("auto", 0.0), pytest.param("vmap", 1e-5, marks=pytest.mark.full)])
def test_a_gan_is_its_solo_run_one_by_one_to_the_bit(ring, program, atol):
    _, together, solo = compare(ring, 50, program, atol)
    assert together.flops_per_step == 2 * solo.flops_per_step > 0


@pytest.mark.full
def test_a_vae_in_a_batched_program_follows_its_solo_run(tiny_config):
    def tiny():
        config = tiny_config("vae")
        config.model.name = "mlp_vae"
        return config

    compare(tiny, 50, "vmap", 1e-5)


@pytest.mark.full
def test_lanes_and_batches_spread_over_four_devices_follow_the_solo_run_on_one(tiny_config):
    """Two groups of two devices: BatchNorm, gradients and metrics are averaged within a group alone."""
    opened, compiled, _ = compare(lambda: tiny_config("gan", sgd=True), 20, "vmap", 1e-5, num_devices=4)
    assert dict(opened.mesh.shape) == {"seed": 2, "data": 2}
    assert compiled.collectives > 0


SMALL = {
    "stylegan2": {
        "architecture": "skip",
        "latent_dim": 8,
        "channel_base": 64,
        "channel_max": 8,
        "mapping_layers": 2,
        "stddev_group": 2,
    },
    "vq_vae": {"width": 8, "num_codes": 16, "code_dim": 4, "prior_width": 8, "prior_layers": 1, "prior_heads": 2},
    "sngan": {"width": 8, "latent_dim": 8, "architecture": "cnn"},
}


@pytest.mark.full
@pytest.mark.parametrize(
    ("recipe", "model", "mapped"),
    [("stylegan2", "stylegan2", False), ("vq_vae", "vq_vae", True), ("gan", "sngan", True)],
)
def test_other_recipes_trace_as_lanes_over_devices(tiny_config, recipe, model, mapped):
    """Shapes, and over which devices each value varies, in every part of a step."""
    config = several(tiny_config())
    config.num_devices, config.recipe.name, config.evaluation.metrics = 4, recipe, ()
    usual = default.get_config().model
    config.model.update({"name": model, "width": usual.width, "latent_dim": usual.latent_dim, **SMALL[model]})
    if recipe == "gan":
        config.model.spectral_norm = True
        config.recipe.update({"n_critic": 2, "share_fakes": False, "penalty": "dragan"})
    opened = session.open_session(config)
    state = parallel.abstract_state(opened.recipe, opened.mesh, SEEDS)
    data = shapes_of(opened.batching, opened.train, None, 2)
    parts = opened.recipe, opened.batching, opened.mesh, state, data
    after, metrics = compiled_steps.lower_steps(*parts, steps=2, mapped=mapped).out_info
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
    assert {value.shape for value in metrics.values()} == {(2, 2)}


def checked_and_opened(config):
    checks.check(config)
    return session.open_session(config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_seeds": 0}, "config.num_seeds=0: it must be at least 1"),
        ({"seed_program": "loop"}, "config.seed_program='loop': choices: auto, vmap, map"),
        ({"seed_devices": 2}, "config.seed_devices=2 spreads several seeds: set config.num_seeds"),
        ({"num_seeds": 2, "seed": -1}, "seeds must be between 0 and"),
        ({"num_seeds": 3, "seed_devices": 2}, "does not divide config.num_seeds=3 over 4 device.s.: use 1"),
        ({"num_seeds": 2, "batch_size": 17}, "batch_size=17 does not divide over 2 devices: use 16"),
    ],
)
def test_what_cannot_be_is_refused(ring, changes, words):
    config = ring()
    config.num_devices = 4
    config.update(changes)
    with pytest.raises(UserError, match=words):
        checked_and_opened(config)


def lanes_of(config, folder):
    return lanes.make_lanes(several(config), folder, None)


def test_a_number_that_is_none_names_its_seed(ring, tmp_path):
    metrics = {"loss": np.array([[1.0, 2.0], [3.0, np.nan]]), "kl": np.zeros((2, 2))}
    with pytest.raises(UserError, match=r"^seed 6: loss became nan at step 12: .*\. kept"):
        lanes.take_note(lanes_of(ring(), tmp_path), 11, metrics, "kept")


def test_windows_alarms_and_means_are_those_of_each_lane(ring, tmp_path):
    config = ring()
    config.alarms.stop = ("collapse",)
    config.alarms.collapse.patience = 10
    both = lanes_of(config, tmp_path)
    for step in (10, 20):
        alike = np.array([[0.1] * 10, [0.9] * 10])
        last = lanes.take_note(
            both, step - 9, {"alike_fake": alike, "alike_real": 0 * alike, "pair_distance_ratio": alike}, ""
        )
        assert last == {"alike_fake": 0.5, "alike_real": 0.0, "pair_distance_ratio": 0.5}
        for lane in both:
            lane.watch.judge(step, lane.window, {name: np.mean(values) for name, values in lane.window.items()})
    assert lanes.active_alarms(both) == ("collapse (seed 6)",)
    assert lanes.stopping(both).startswith("seed 6: stopped by config.alarms.stop: collapse at step 20")
    restored = lanes.make_lanes(several(config), tmp_path, lanes.to_save(both))
    assert [lane.window for lane in restored] == [lane.window for lane in both]
    assert [lane.watch.state() for lane in restored] == [lane.watch.state() for lane in both]
    assert [lane.folder.name for lane in both] == ["seed_5", "seed_6"]


@pytest.mark.parametrize(
    ("set_before", "flags", "seeds", "asked", "expected"),
    [
        (-1, "", 8, 0, [4]),
        (-1, "", 3, 0, [3]),
        (-1, "", 7, 0, [1]),
        (-1, "", 8, 2, [2]),
        (2, "", 8, 0, []),
        (-1, "--xla_force_host_platform_device_count=2", 8, 0, []),
    ],
)
def test_lanes_get_the_cores_that_divide_them(monkeypatch, set_before, flags, seeds, asked, expected):
    """Of six cores; nothing is changed where someone has chosen a number of devices."""
    updates = []
    config = SimpleNamespace(jax_num_cpu_devices=set_before, update=lambda name, value: updates.append((name, value)))
    monkeypatch.setattr(parallel, "jax", SimpleNamespace(config=config))
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setenv("XLA_FLAGS", flags)
    parallel.use_cores(seeds, asked)
    assert updates == [("jax_num_cpu_devices", count) for count in expected]


def test_the_folders_of_seeds_say_that_a_run_goes_on_for_longer(tiny_config, tmp_path):
    config = several(tiny_config())
    for steps in (20, 120):
        config.steps = steps
        made = lanes.make_lanes(config, tmp_path, None)
        lanes.make_folders(made, {"commit": steps})
    for seed in SEEDS:
        told = json.loads((tmp_path / f"seed_{seed}" / "config.json").read_text())
        assert (told["config"]["steps"], told["config"]["seed"], told["commit"]) == (120, seed, 20)
