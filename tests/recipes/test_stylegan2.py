"""StyleGAN2's training: the reference's trajectory, and each constant that reimplementations get wrong."""

import math
import re
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.ad_checkpoint import print_saved_residuals
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from benchmarks.stylegan2_operations import step_operations
from jaxgen.commands import train
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.losses import adversarial
from jaxgen.losses.penalties import path_length_penalty, path_lengths
from jaxgen.models import stylegan2 as networks
from jaxgen.models.stylegan2 import official
from jaxgen.models.stylegan2.synthesis import CONST_NOISE
from jaxgen.ops.backend import compile_for
from jaxgen.recipes import stylegan2
from jaxgen.recipes.base import Average, Batch, Player
from jaxgen.recipes.lazy_regularization import lazy_optimizer
from jaxgen.runs import session
from jaxgen.settings import checks
from jaxgen.training import compiled_steps
from jaxgen.training.batches import shapes_of
from jaxgen.training.checkpoint import Checkpoints, checksums
from tests.helpers import stylegan2_golden as golden_arrays
from tests.helpers import stylegan2_runs

KEY = jax.random.key(0)


def tiny(**recipe):
    """Digits at 8x8, eight channels, no classes; changes of `config.recipe`."""
    config = stylegan2_runs.tiny(model__conditional=False)
    config.recipe.update(recipe)
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 0.002, "b1": 0.0, "b2": 0.99})
    config.steps, config.steps_per_dispatch = 4, 1
    return config


def compiled_step(config, devices=1):
    """The session, its first state, and a function of a state that takes one step; its program's text as `.text`."""
    config.num_devices = devices
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    data = session.training_data(opened)

    def step(state, data):
        return compiled_steps.train_step(opened.recipe, opened.batching, state, data)

    sharded = jax.shard_map(step, mesh=opened.mesh, in_specs=P(), out_specs=P(), check_vma=devices > 1)
    compiled = jax.jit(sharded).lower(state, data).compile()
    return opened, state, lambda state: compiled(state, data), compiled.as_text


def trained(config, steps, devices=1):
    """States before and after each step, what was logged, and the number of all-reduces."""
    _, state, step, text = compiled_step(config, devices)
    states, history = [jax.device_get(parallel.local(state.players))], []
    for _ in range(steps):
        state, metrics = step(state)
        states.append(jax.device_get(parallel.local(state.players)))
        history.append({name: float(value) for name, value in metrics.items()})
    return states, history, text().count(" all-reduce(")


def ten_steps(golden, rounding=0.0):
    """Players after ten steps from the golden weights, and the losses [10, 2]; in float64.

    rounding: relative size of random changes of the weights that are started from.
    """
    config = golden.config
    config.recipe.update({"r1_gamma": 0.5, "style_mixing": 0.0, "ema_kimg": 0.0})
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 0.002, "b1": 0.0, "b2": 0.99, "eps": 1e-8})
    latents, noise = jnp.asarray(golden.arrays["inputs/z"]), golden.images("inputs/path_length_noise")
    reals = golden.images("inputs/reals")
    side = reals.shape[-2]
    draws = stylegan2.Draws(
        lambda phase, key, ids, dim, step: latents[step, 0 if phase == "g" else 1][: len(ids)],
        lambda key, ids: CONST_NOISE,
        lambda key, ids, shape, step: noise[step][: len(ids)],
    )
    loss = adversarial.CHOICES["non_saturating"]
    transforms = [
        lazy_optimizer(config, player, interval, stylegan2.enters_linearly)
        for player, interval in (("generator", 4), ("discriminator", 16))
    ]
    recipe = stylegan2.stylegan2(
        golden.model,
        loss,
        *transforms,
        image_shape=(side, side, 3),
        batch_size=config.batch_size,
        settings=config.recipe,
        draws=draws,
    )
    rng = np.random.default_rng(0)

    def given(tree):
        return jax.tree.map(lambda x: jnp.asarray(x * (1 + rounding * rng.standard_normal(x.shape))), tree)

    params = given(golden.g["params"])
    stats = {
        "w_avg": jnp.asarray(golden.g["w_avg"]["mapping"]["w_avg"]),
        "noise": jax.tree.map(jnp.asarray, golden.g["noise"]["synthesis"]),
    }
    state = {
        "g": Player.create(params, stats, transforms[0].main),
        "d": Player.create(given(golden.d["params"]), {}, transforms[1].main),
        "ema": Average(params, stats),
        "path_length_mean": jnp.zeros((), jnp.float64),
        "r1_penalty": jnp.zeros((), jnp.float64),
    }
    mesh = Mesh(np.array(jax.devices()[:1]), ("data",))
    update = jax.shard_map(recipe.update, mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False)

    def body(state, step):
        labels = None if golden.labels is None else golden.labels[None, None]
        return update(state, Batch(reals[step][None, None], labels), KEY, step)

    state, metrics = jax.jit(lambda state: jax.lax.scan(body, state, jnp.arange(10)))(state)
    return state, np.stack([metrics["loss_g"], metrics["loss_d"]], 1)


def official_weights(state):
    """{"G" or "D" and the official tensor's name: array}."""
    return {
        f"{prefix}.{key}": value
        for prefix, player in (("G", state["g"]), ("D", state["d"]))
        for key, value in official.to_official({"params": player.params}).items()
    }


def distances(found, expected):
    """Norm of the difference over the norm, by tensor."""
    return {key: np.linalg.norm(found[key] - value) / np.linalg.norm(value) for key, value in expected.items()}


@pytest.mark.slow
@golden_arrays.needs_golden
@pytest.mark.parametrize("name", golden_arrays.NAMES)
def test_ten_steps_follow_the_reference(name):
    """In float64, as the networks' gradients are compared; but the reference computed in float32.

    Adam's first steps have the size of a gradient's sign, so that rounding grows: where a tensor is further than 1e-3
    from the reference's, it is nearer than our own steps from weights that differ in float32's last bit.
    """
    with jax.enable_x64(True):
        golden = golden_arrays.load(name, np.float64)
        state, losses = ten_steps(golden)
        weights = official_weights(state)
        rounded, other_losses = ten_steps(golden, rounding=2.0**-24)
    expected = {key: golden.arrays[f"expect/trajectory_final/{key}"] for key in weights}
    error, own = distances(weights, expected), distances(official_weights(rounded), weights)
    followed = golden.arrays["expect/trajectory_losses_g_d"]
    # What a last bit of float32 has done to the losses by then.
    unsure = np.maximum.accumulate(np.abs(other_losses / losses - 1))
    assert (np.abs(losses / followed - 1) <= np.maximum(2e-4, unsure)).all()
    mean = golden.arrays["expect/trajectory_path_length_mean"]
    np.testing.assert_allclose(state["path_length_mean"], mean, rtol=3e-4)
    assert not {key: (error[key], own[key]) for key in error if error[key] > max(1e-3, own[key])}


@pytest.mark.parametrize(("player", "interval"), [("generator", 4), ("discriminator", 16)])
def test_lazy_optimizer_is_adam_with_corrected_rate_and_decays(player, interval):
    config = tiny()
    config.optimizers[player].update({"learning_rate": 0.0025, "b1": 0.3, "b2": 0.99})
    lazy = lazy_optimizer(config, player, interval, lambda path: path[-1] == "b")
    ratio = interval / (interval + 1)
    plain = optax.adam(0.0025 * ratio, b1=0.3**ratio, b2=0.99**ratio, eps=1e-8)
    params = {"a": jnp.ones(3), "b": jnp.ones(2)}
    state, expected = lazy.main.init(params), {name: plain.init(value) for name, value in params.items()}
    for step in range(4):
        grads = {"a": jnp.arange(3.0) + step, "b": jnp.arange(2.0) - step}
        kind = lazy.regularization if step == 1 else lazy.main
        updates, state = kind.update(grads, state, params)
        for name in params:
            if step == 1 and name == "b":  # the regularisation does not depend on it: nothing moves, nothing decays
                np.testing.assert_array_equal(updates["b"], 0)
                continue
            wanted, expected[name] = plain.update(grads[name], expected[name])
            np.testing.assert_allclose(updates[name], wanted, rtol=1e-6)


@pytest.mark.full
def test_regularisation_comes_at_step_0_and_every_kth_step():
    states, history, _ = trained(tiny(r1_interval=3, path_length_interval=2), 5)
    # The mean path length and the last R1 penalty change where their phase has run.
    changed = [a["path_length_mean"] != b["path_length_mean"] for a, b in pairwise(states)]
    assert changed == [True, False, True, False, True]
    changed = [a["r1_penalty"] != b["r1_penalty"] for a, b in pairwise(states)]
    assert changed == [True, False, False, True, False]
    counts = [s["g"].opt_state.inner_states["regularised"].inner_state[0].count for s in states]
    assert counts == [0, 2, 3, 5, 6, 8]
    assert all(np.isfinite(list(line.values())).all() for line in history)
    assert history[-1]["kimg"] == pytest.approx(5 * 16 / 1000)


@pytest.fixture(scope="module")
def plain():
    """States and history of four steps without regularisation and augmentation."""
    return trained(tiny(ema_kimg=0.5, ema_ramp=0.5, r1_gamma=0.0, path_length_weight=0.0), 4)


def test_without_weights_there_are_no_regularisation_steps(plain):
    states, _, _ = plain
    for player in ("g", "d"):
        assert states[-1][player].opt_state.inner_states["regularised"].inner_state[0].count == 4
    assert states[-1]["path_length_mean"] == states[-1]["r1_penalty"] == 0


def test_moving_averages(plain):
    """Half-life in images, of the global batch, growing with the images seen; w_avg and noise are copied."""
    states, _, _ = plain
    leaf = [(s["ema"].params["synthesis"]["b4"]["const"], s["g"].params["synthesis"]["b4"]["const"]) for s in states]
    np.testing.assert_array_equal(leaf[1][0], leaf[1][1])  # no images seen before the first step: all new
    for step in (1, 2, 3):
        beta = 0.5 ** (16 / min(500, step * 16 * 0.5))
        expected = leaf[step + 1][1] + beta * (leaf[step][0] - leaf[step + 1][1])
        np.testing.assert_allclose(leaf[step + 1][0], expected, rtol=1e-5, atol=1e-6)
    for state in states[1:]:
        np.testing.assert_array_equal(state["ema"].stats["w_avg"], state["g"].stats["w_avg"])
        assert np.abs(state["g"].stats["w_avg"]).max() > 0
    constants = [s["g"].stats["noise"]["b4"]["conv1"]["noise_const"] for s in states]
    np.testing.assert_array_equal(constants[0], constants[-1])


def test_path_lengths_of_a_linear_generator():
    """images = A w: the gradient of <image, y> is A^T y; lengths over D, squares averaged over layers."""
    a = jax.random.normal(KEY, (3, 5, 2 * 4 * 1))
    y = jax.random.normal(jax.random.key(1), (6, 2, 4, 1))
    ws = jax.random.normal(jax.random.key(2), (6, 3, 5))
    lengths = path_lengths(lambda ws: jnp.einsum("nld,ldp->np", ws, a).reshape(-1, 2, 4, 1), ws, y)
    gradient = np.einsum("ldp,np->nld", a, np.asarray(y).reshape(6, 8)) / np.sqrt(2 * 4)
    np.testing.assert_allclose(lengths, np.sqrt((gradient**2).sum(2).mean(1)), rtol=1e-5)
    penalty, mean = path_length_penalty(lengths, 2.0, 0.01, lengths.mean())
    np.testing.assert_allclose(mean, 0.99 * 2 + 0.01 * lengths.mean(), rtol=1e-6)
    np.testing.assert_allclose(penalty, (lengths - mean) ** 2, rtol=1e-5)
    assert jax.grad(lambda x: path_length_penalty(x, 2.0, 0.01, x.mean())[1])(lengths).tolist() == [0] * 6


def test_a_saturated_image_has_no_infinite_gradient():
    gradient = jax.grad(lambda ws: path_lengths(lambda w: 0 * w.sum((1, 2))[:, None, None, None], ws, ones).sum())
    ones = jnp.ones((2, 1, 1, 1))
    assert np.isfinite(gradient(jnp.ones((2, 3, 4)))).all()


@pytest.mark.full
@pytest.mark.parametrize(
    ("devices", "accumulate", "pipeline", "group"),
    # Groups within a device, and groups of more images than a device has.
    [(4, 1, "", 2), pytest.param(2, 2, "c", 8, marks=pytest.mark.slow)],
)
def test_the_same_trajectory_on_any_number_of_devices(devices, accumulate, pipeline, group):
    results = []
    for count in (1, devices):
        config = tiny(r1_interval=2, path_length_interval=2, ada_pipeline=pipeline, ada_initial_p=0.5, ada_kimg=0.5)
        if pipeline:  # a program less to compile: path lengths are in the other case
            config.recipe.path_length_weight = 0.0
        config.grad_accum_steps = accumulate
        config.model.stddev_group = group
        for player in (config.optimizers.generator, config.optimizers.discriminator):
            player.update({"name": "sgd", "learning_rate": 0.02})
        results.append(trained(config, 3, count))
    for a, b in zip(jax.tree.leaves(results[0][0][-1]), jax.tree.leaves(results[1][0][-1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)
    before, after = results[0][0][0]["g"].params, results[0][0][-1]["g"].params
    assert max(np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (before, after)), strict=True)) > 1e-3
    # One for each phase's gradients (twice where they add up over parts) and one for the mean path length, in both
    # directions.
    assert results[1][2] <= 7


def augmented(pipeline):
    """Without regularisation; one program for any strength at the start."""
    return tiny(path_length_weight=0.0, r1_gamma=0.0, ada_pipeline=pipeline, ada_interval=2, ada_kimg=0.16)


@pytest.mark.full
@pytest.mark.parametrize("pipeline", ["c", pytest.param("bgc", marks=pytest.mark.slow)])
def test_augmentation_at_strength_0_is_none(plain, pipeline):
    before, after = plain[1][0], trained(augmented(pipeline), 1)[1][0]
    assert after["loss_d"] == pytest.approx(before["loss_d"], rel=1e-4)
    assert after["loss_g"] == pytest.approx(before["loss_g"], rel=1e-4)
    assert "augmentation_p" not in before


@pytest.mark.full
def test_the_strength_follows_the_signs_of_the_real_logits():
    config = augmented("c")
    config.recipe.ada_initial_p = 0.5
    states, history, _ = trained(config, 4)
    p, signs = [0.5], []
    for step, line in enumerate(history):
        signs.append(line["sign_real_d"])
        if step % 2 == 0:  # by 16 images * 2 steps of 160
            p.append(np.clip(p[-1] + 0.2 * np.sign(np.mean(signs) - 0.6), 0, 1))
            signs = []
        else:
            p.append(p[-1])
        assert line["augmentation_p"] == pytest.approx(p[-1])
    assert float(states[-1]["strength"].p) == pytest.approx(p[-1])
    assert len(set(np.round(p, 3))) > 1


@pytest.mark.slow
def test_activations_that_are_computed_again_change_nothing():
    """All four phases, second derivatives included; and less is kept from a forward pass to its backward pass."""
    options = {"r1_interval": 2, "path_length_interval": 2}
    results = []
    for count in (0, 2):
        config = tiny(**options)
        config.data.image_size, config.model.remat_resolutions = 16, count
        results.append(trained(config, 3)[:2])
    (plain, lines), (again, others) = results
    for a, b in zip(jax.tree.leaves(plain[-1]), jax.tree.leaves(again[-1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    assert lines[-1]["loss_d"] == pytest.approx(others[-1]["loss_d"], rel=1e-4)


@pytest.mark.full
def test_fewer_activations_are_kept_for_the_same_gradient(capsys):
    kept, gradients = [], []
    for count in (0, 1, 2):
        config = stylegan2_runs.tiny(model__conditional=False, model__remat_resolutions=count).model
        synthesis = networks.build(config, (16, 16, 1), 0, jnp.float32).synthesis
        ws = jnp.zeros((4, synthesis.num_ws, config.latent_dim))
        variables = synthesis.init(KEY, ws)

        def images(params, noise=variables["noise"], synthesis=synthesis, ws=ws):
            return jnp.square(synthesis.apply({"params": params, "noise": noise}, ws)).sum()

        gradients.append(jax.jit(jax.grad(images))(variables["params"]))
        print_saved_residuals(images, variables["params"])
        lines = [line for line in capsys.readouterr().out.splitlines() if "argument" not in line]
        shapes = [re.match(r"f32\[([\d,]+)\]", line) for line in lines]
        kept.append(sum(math.prod(map(int, found[1].split(","))) for found in shapes if found))
    assert kept[0] > 1.3 * kept[1] > 1.3 * kept[2]
    for gradient in gradients[1:]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), gradients[0], gradient)


@pytest.mark.full
@pytest.mark.parametrize(
    ("changes", "phases"),
    [
        ({"r1_gamma": 0.0, "path_length_weight": 0.0}, ("main",)),
        ({"path_length_weight": 0.0}, ("main", "r1")),
        ({"r1_gamma": 0.0, "path_length_shrink": 1}, ("main", "path_length")),
    ],
)
@pytest.mark.parametrize(("generator", "discriminator"), [("skip", "orig"), ("resnet", "resnet")])
def test_a_step_has_the_operations_that_its_networks_need(generator, discriminator, changes, phases):
    """Within 1.15, by its jaxpr and by XLA: filters are more than was counted, products with padding less."""
    config = tiny(**changes)
    config.data.image_size, config.num_devices = 32, 1
    config.model.update({"channel_base": 2048, "channel_max": 64, "latent_dim": 32})
    config.model.update({"architecture": generator, "discriminator_architecture": discriminator})
    opened = session.open_session(config)
    state = parallel.abstract_state(opened.recipe, opened.mesh, 0)
    data = shapes_of(opened.batching, opened.train, None, 1)
    cost = compiled_steps.step_cost(opened.recipe, opened.batching, opened.mesh, state, data)
    model = networks.build(config.model, (32, 32, 1), 0, jnp.float32)
    needed = step_operations(model, 32, 1, config.batch_size)
    assert 1 / 1.15 < cost.busiest_operations / sum(needed[phase] for phase in phases) < 1.15
    shares = {"main": 1, "r1": 1 / config.recipe.r1_interval, "path_length": 1 / config.recipe.path_length_interval}
    assert 1 / 1.15 < cost.operations / sum(shares[phase] * needed[phase] for phase in phases) < 1.15
    with compile_for("tpu"):  # plain convolutions
        step = compiled_steps.abstract_step(opened.recipe, opened.batching, opened.mesh, state, data)
        lowered = jax.jit(step).lower(state, data)
    assert 1 / 1.15 < lowered.cost_analysis()["flops"] / cost.busiest_operations < 1.15


@pytest.mark.full
def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path):
    """The strength of the augmentation, the signs counted for its next move, w_avg and the mean path length too."""
    config = tiny(r1_interval=3, path_length_interval=2, ada_pipeline="c", ada_interval=3, ada_kimg=0.16)
    config.recipe.ada_initial_p = 0.5
    opened, state, step, _ = compiled_step(config)
    for done in range(1, 6):
        state, _ = step(state)
        if done == 2:
            saved = Checkpoints(tmp_path / "checkpoints", keep=1)
            saved.save(2, state, {})
            saved.close()
    restored, _ = Checkpoints(tmp_path / "checkpoints", keep=1).restore(
        parallel.abstract_state(opened.recipe, opened.mesh, config.seed)
    )
    at_save = jax.device_get(restored.players)
    for _ in range(3):
        restored, _ = step(restored)
    assert checksums(restored) == checksums(state)
    end = jax.device_get(state.players)
    assert at_save["strength"].p != end["strength"].p
    assert at_save["strength"].count > 0
    assert at_save["path_length_mean"] != end["path_length_mean"]
    assert np.any(at_save["g"].stats["w_avg"] != end["g"].stats["w_avg"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ada_pipeline": "bgd"}, "choices: b, bg, bgc"),
        ({"ada_pipeline": "bgc", "diff_augment": "color"}, "exclude each other"),
        ({"ada_pipeline": "bgc", "ada_initial_p": 2.0}, "ada_initial_p=2.0"),
        ({"ada_pipeline": "bgc", "ada_target": 0.0}, "never augments"),
        ({"diff_augment": "colour"}, "did you mean 'color'"),
        ({"weight_clip": 0.1}, "config.recipe.weight_clip=0.1 is no part"),
        ({"n_critic": 2}, "config.recipe.n_critic=2 is no part"),
        ({"ema_decay": 0.0}, "config.recipe.ema_decay=0.0 is no part"),
        ({"r1_interval": 0}, "config.recipe.r1_interval=0"),
        ({"r1_gamma": -1.0}, "config.recipe.r1_gamma=-1.0"),
        ({"style_mixing": 1.5}, "config.recipe.style_mixing=1.5"),
    ],
)
def test_refuses(changes, words):
    with pytest.raises(UserError, match=words):
        stylegan2.build(tiny(**changes), (8, 8, 1), 0)


def test_refuses_groups_that_do_not_divide_a_part():
    config = tiny()
    config.batch_size, config.grad_accum_steps, config.model.stddev_group = 36, 3, 8
    with pytest.raises(
        UserError, match=r"stddev_group=8 does not divide the 12 images .* stddev_group=6, or batch_size=48"
    ):
        stylegan2.build(config, (8, 8, 1), 0)


def test_refuses_path_length_batches_that_depend_on_the_number_of_devices(tmp_path):
    config = tiny()
    config.batch_size, config.num_devices = 4, 4
    with pytest.raises(UserError, match=r"each of 4 devices 1 example.*batch_size of 8"):
        train.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    opened = session.open_session(config)  # it can be looked at
    config.recipe.path_length_shrink = 1
    checks.check_path_lengths(config, session.open_session(config).recipe.part_multiple, 4)
    with pytest.raises(UserError, match="path_length_shrink=2 does not divide"):
        checks.check_path_lengths(config, opened.recipe.part_multiple, 4)


def test_refuses_half_precision_everywhere():
    config = tiny()
    config.compute_dtype = "bfloat16"
    with pytest.raises(UserError, match="bfloat16_resolutions"):
        stylegan2.build(config, (8, 8, 1), 0)


def test_needs_a_model_with_styles():
    config = tiny()
    config.model.update({"name": "dcgan", "architecture": "radford"})
    with pytest.raises(UserError, match="has no styles"):
        stylegan2.build(config, (8, 8, 1), 0)
