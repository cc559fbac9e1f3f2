"""One trajectory on 1, 2 and 4 devices, in one dispatch or many, with the all-reduces that the algorithm needs."""

import jax
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.runs import session
from jaxgen.training import compiled_steps


def run_steps(config, *, per_dispatch=None, unroll=1):
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    per_dispatch = per_dispatch or config.steps_per_dispatch
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(
        opened.recipe, opened.batching, opened.mesh, state, data, steps=per_dispatch, unroll=unroll
    )
    history = []
    for _ in range(config.steps // per_dispatch):
        state, metrics = compiled.run(state, data)
        history.append(metrics)
    history = {name: np.concatenate([np.asarray(m[name]) for m in history]) for name in history[0]}
    return jax.device_get(parallel.local(state.players)), history, compiled


def assert_close(a, b, atol):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=atol)


def variant(config, name):
    if name == "critic":
        config.recipe.n_critic, config.recipe.share_fakes = 2, False
    if name == "accumulate":
        config.grad_accum_steps = 2
    if name == "upsampling":
        config.model.architecture, config.data.image_size = "pytorch_gan", 20  # with dropout
        # Its first gradients are hundreds long: larger steps than these are chaotic, and any rounding shows.
        for player in (config.optimizers.generator, config.optimizers.discriminator):
            player.learning_rate = 5e-4
    if name == "flip":
        config.data.flip = True
    return config


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "devices"),
    [
        ("plain", 4),
        *(pytest.param(name, 4, marks=pytest.mark.full) for name in ("critic", "accumulate", "flip")),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("plain", 2), ("upsampling", 4))),
    ],
)
def test_gan_follows_the_same_trajectory_on_1_2_and_4_devices(tiny_config, name, devices):
    results = []
    for count in (1, devices):
        config = variant(tiny_config("gan", sgd=True), name)
        config.num_devices = count
        results.append(run_steps(config))
    opened = session.open_session(config)
    before = parallel.init_state(opened.recipe, opened.mesh, config.seed).players
    moved = max(
        np.abs(np.asarray(a) - b).max()
        for a, b in zip(jax.tree.leaves(before["g"].params), jax.tree.leaves(results[0][0]["g"].params), strict=True)
    )
    assert moved > 2e-4  # or the comparison below would say nothing
    assert_close(results[0][0], results[1][0], 1e-5)
    for metric, values in results[0][1].items():
        np.testing.assert_allclose(values, results[1][1][metric], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("likelihood", ["gaussian", pytest.param("bernoulli", marks=pytest.mark.full)])
def test_vae_follows_the_same_trajectory_on_1_and_4_devices(tiny_config, likelihood):
    results = []
    for devices in (1, 4):
        config = tiny_config("vae", sgd=True)
        config.optimizers.vae.learning_rate = 1e-5  # the loss sums over pixels: its gradients are large
        config.recipe.likelihood = likelihood
        config.num_devices = devices
        results.append(run_steps(config)[0])
    assert_close(*results, 1e-5)


@pytest.mark.full
def test_steps_per_dispatch_do_not_change_the_trajectory(tiny_config):
    one = run_steps(tiny_config("gan", sgd=True), per_dispatch=1)
    five = run_steps(tiny_config("gan", sgd=True), per_dispatch=5)
    assert_close(one[0], five[0], 1e-6)


@pytest.mark.full
def test_gradient_accumulation_equals_the_whole_batch(tiny_config):
    results = []
    for parts in (1, 4):
        config = tiny_config("gan", sgd=True)
        config.model.batch_norm = False  # BatchNorm sees one part at a time, so only without it are the two equal
        config.recipe.share_fakes = False
        config.grad_accum_steps = parts
        config.steps = 5
        results.append(run_steps(config))
    # The latents of a part are its own, so the comparison is of the discriminator's loss on reals: seen before step 1.
    np.testing.assert_allclose(results[0][1]["real_logits_d"][0], results[1][1]["real_logits_d"][0], atol=1e-6)


@pytest.mark.parametrize(
    ("share_fakes", "batch_norm", "devices", "expected"),
    [
        # One gradient all-reduce per player; with the same fakes for both neither waits for the other, and one serves.
        pytest.param(False, False, 4, 2, marks=pytest.mark.full),
        pytest.param(True, False, 4, 1, marks=pytest.mark.full),
        # BatchNorm, Lg = 2 and Ld = 1 layers: Lg + Ld forward, Ld backward for the discriminator's loss,
        # Ld + Lg backward for the generator's, two gradients.
        (True, True, 4, 2 + 1 + 1 + 1 + 2 + 2),
        pytest.param(True, True, 1, 0, marks=pytest.mark.full),
    ],
)
def test_all_reduces_of_a_compiled_step(tiny_config, share_fakes, batch_norm, devices, expected):
    config = tiny_config("gan")
    config.model.batch_norm = batch_norm
    config.recipe.share_fakes = share_fakes
    config.num_devices = devices
    config.data.image_size = 16
    config.steps = config.steps_per_dispatch = 1
    config.recipe.ema_decay = 0.0
    assert run_steps(config)[2].collectives == expected


@pytest.mark.full
def test_bfloat16_computes_with_float32_parameters(tiny_config):
    config = tiny_config("gan")
    config.compute_dtype = "bfloat16"
    players, history, _ = run_steps(config)
    assert {leaf.dtype for leaf in jax.tree.leaves(players["g"].params)} == {np.dtype("float32")}
    assert np.all(np.isfinite(history["loss_d"]))
    exact = run_steps(tiny_config("gan"))[1]
    assert np.abs(history["loss_d"] - exact["loss_d"]).max() > 0  # or it computed in float32 all the same
    np.testing.assert_allclose(history["loss_d"][:3], exact["loss_d"][:3], atol=0.1)


@pytest.mark.full
def test_flops_of_a_step_do_not_depend_on_the_dispatch(tiny_config):
    one, five = (run_steps(tiny_config("gan"), per_dispatch=k)[2].flops_per_step for k in (1, 5))
    assert one == five > 0


def test_batch_that_does_not_divide_is_refused(tiny_config):
    config = tiny_config()
    config.num_devices, config.batch_size = 4, 18
    with pytest.raises(UserError, match=r"batch_size=18 does not divide over 4 devices: use 16"):
        session.open_session(config)


def test_more_devices_than_there_are_is_refused(tiny_config):
    config = tiny_config()
    config.num_devices = 64
    with pytest.raises(UserError, match="only 4 cpu"):
        session.open_session(config)


def test_the_first_state_is_the_same_at_the_usual_level_of_compilation(tiny_config):
    opened = session.open_session(tiny_config())
    state = parallel.init_state(opened.recipe, opened.mesh, 3)
    usual = jax.jit(parallel._initializer(opened.recipe))(np.uint32(3), None)
    for ours, theirs in zip(jax.tree.leaves(state.players), jax.tree.leaves(usual.players), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
