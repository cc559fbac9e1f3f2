"""`config.init_from`: which weights a new run takes from another one."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxgen.commands import train
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.files import workdir
from jaxgen.runs import initial_weights, restoring, session
from jaxgen.settings import default, lookup
from jaxgen.settings.configuration import from_dict, to_dict
from jaxgen.training import alarms


def point_config(**changes):
    """A GAN on points: compiled in a moment."""
    config = default.get_config().unlock()
    config.data.update({"name": "gaussian_ring", "num_points": 100})
    config.model.update({"name": "point_gan", "width": 8, "latent_dim": 2})
    config.recipe.share_fakes = False
    config.batch_size, config.num_devices, config.steps, config.steps_per_dispatch = 4, 1, 5, 5
    config.log_every, config.sample_every, config.checkpoint_every, config.histogram_every = 5, 0, 5, 0
    config.evaluation.update({"metrics": ("psnr",), "pictures": False})
    config.compilation_cache = ""
    config.update_from_flattened_dict(changes)
    return config.lock()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A work directory whose checkpoint of step 40 has weights of its own, averages other ones."""
    folder = tmp_path_factory.mktemp("source")
    config = point_config(seed=7)
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, 7)
    ema = state.players["ema"]
    state.players["ema"] = ema.replace(params=jax.tree.map(lambda leaf: leaf + 1, ema.params))
    checkpoints = restoring.open_checkpoints(opened.config, folder)
    meta = {"window": {}, "seconds": {}, "flops_per_step": 0.0, "alarms": alarms.Watch(config.alarms).state()}
    checkpoints.save(40, state, meta)
    checkpoints.close()
    workdir.bind(folder, config, {})
    return folder, jax.device_get(state.players)


def same(a, b):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


@pytest.mark.parametrize("part", ["", "checkpoints/40"])
def test_everything_is_taken_where_all_shapes_agree(source, tmp_path, part):
    folder, players = source
    opened = session.open_session(point_config(init_from=str(folder / part)))
    start = initial_weights.find(opened, tmp_path)
    assert start.anew == []
    assert (start.origin["step"], start.origin["folder"]) == (40, str(folder / part))
    state = parallel.init_state(opened.recipe, opened.mesh, 0, initial_weights.placed, start.weights)
    fresh = parallel.init_state(opened.recipe, opened.mesh, 0)
    assert int(state.step) == 0
    for name in ("g", "d", "ema"):
        assert same(state.players[name].params, players[name].params)
        assert not same(state.players[name].params, fresh.players[name].params)
    for name in ("g", "d"):
        assert same(state.players[name].opt_state, fresh.players[name].opt_state)


def test_it_cannot_start_from_what_is_not_there(source, tmp_path):
    folder, _ = source
    for name, words in ((tmp_path / "no", "no run there"), (folder / "checkpoints" / "3", "no checkpoint of step 3")):
        with pytest.raises(UserError, match=rf"config.init_from=.*{words}"):
            initial_weights.find(session.open_session(point_config(init_from=str(name))), tmp_path)
    other = session.open_session(point_config(init_from=str(folder), **{"model.width": 5, "model.latent_dim": 3}))
    with pytest.raises(UserError, match=r"no layer of .* has the shapes of that run's \(point_gan\)"):
        initial_weights.find(other, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.full
def test_a_run_starts_from_it_once(source, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(source[0], copy)
    config = point_config(init_from=str(copy), **{"optimizers.discriminator.learning_rate": 0.0})
    train.train(config, tmp_path / "run")
    told = json.loads((tmp_path / "run" / "config.json").read_text())
    assert told["config"]["init_from"] == str(copy)
    assert (told["init_from"]["step"], told["init_from"]["layers_anew"]) == (40, [])
    found = restoring.load_arrays(tmp_path / "run")
    assert found.step == 5
    assert same(found.players["d"]["params"], source[1]["d"].params)  # which has not learnt anything here
    assert not same(found.players["g"]["params"], source[1]["g"].params)
    shutil.rmtree(copy)
    longer = from_dict({**to_dict(config), "steps": 10})
    train.train(longer, tmp_path / "run")  # resumes, and does not look for the folder that has gone
    assert restoring.load_arrays(tmp_path / "run").step == 10
    with pytest.raises(UserError, match=r"belongs to another config \(config.init_from"):
        train.train(point_config(), tmp_path / "run")


def stylegan2(side, channels, classes):
    """Shapes of the players of a tiny StyleGAN2, as a state and as a checkpoint's arrays."""
    config = default.get_config()
    config.recipe.name = config.model.name = "stylegan2"
    config.model.update({"architecture": "skip", "latent_dim": 8, "mapping_layers": 2, "channel_base": 128})
    config.model.update({"channel_max": 8, "conditional": bool(classes)})
    build = lookup.module("recipes", "stylegan2", "").build
    return config, build(config, (side, side, channels), classes)


@pytest.mark.parametrize(
    ("side", "channels", "classes", "anew"),
    [
        pytest.param(8, 1, 2, [], marks=pytest.mark.full),
        pytest.param(8, 1, 3, [f"{name} mapping.embed" for name in ("d", "ema", "g")], marks=pytest.mark.full),
        (8, 3, 2, ["d b8.fromrgb", *(f"{g} synthesis.b{r}.torgb" for g in ("ema", "g") for r in (4, 8))]),
        (16, 1, 2, [*(f"d b16.{layer}" for layer in ("conv0", "conv1", "fromrgb", "skip"))]),
    ],
)
def test_other_data_sets_start_only_the_layers_of_other_shapes_anew(
    monkeypatch, tmp_path, caplog, side, channels, classes, anew
):
    _, before = stylegan2(8, 1, 2)
    rng = np.random.default_rng(0)
    players = jax.eval_shape(before.init, jax.random.key(0))
    given = {
        name: {
            kind: jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), getattr(state, kind))
            for kind in ("params", "stats")
        }
        for name, state in players.items()
        if hasattr(state, "params")
    }
    monkeypatch.setattr(
        initial_weights,
        "load_arrays",
        lambda *_: restoring.Arrays(given, 9, ConfigDict({"model": {"name": "stylegan2"}})),
    )
    config, recipe = stylegan2(side, channels, classes)
    config.init_from = "there"
    opened = session.Session(config, *[None] * 5, recipe, None, None, None)
    start = initial_weights.find(opened, tmp_path)
    if side == 16:
        layers = ("conv0", "conv0.affine", "conv1", "conv1.affine", "torgb", "torgb.affine")
        anew = anew + [f"{g} synthesis.b16.{layer}" for g in ("ema", "g") for layer in layers]
    assert sorted(start.anew) == sorted(anew)
    with caplog.at_level("INFO"):
        initial_weights.tell(start)
    assert ("layers of other shapes keep random weights" in caplog.text) == bool(anew)
    # What fits is in its place, what does not stays fresh.
    filled = jax.eval_shape(lambda w: initial_weights.placed(recipe.init(jax.random.key(0)), w), start.weights)
    after = jax.eval_shape(recipe.init, jax.random.key(0))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), filled) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), after
    )
    np.testing.assert_array_equal(
        start.weights["ema"]["params"]["synthesis", "b4", "const"], given["ema"]["params"]["synthesis"]["b4"]["const"]
    )
    np.testing.assert_array_equal(start.weights["g"]["stats"]["w_avg",], given["g"]["stats"]["w_avg"])
    assert jnp.float32 == start.weights["d"]["params"]["b4", "conv", "weight"].dtype
