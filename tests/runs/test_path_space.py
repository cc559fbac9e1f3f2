"""Perceptual path length in z and in w, anywhere on paths and at their start: what is measured, under which name."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.evaluation import engine
from jaxgen.metrics import perceptual_path_length
from jaxgen.metrics.base import VIEWS, path_view, result_name
from jaxgen.ops.random import example_normal, example_uniform
from jaxgen.recipes.base import Recipe
from jaxgen.runs import run_views, session
from jaxgen.views.views import Views, slerp
from tests.helpers import stylegan2_runs

KEY, IDS = jax.random.key(3), np.arange(6)
MATRIX = np.random.default_rng(0).normal(size=(4, 12)).astype(np.float32)


def _mapping(z):
    return z + 0.5 * z**2


def _recipe():
    """A mapping that bends, and a synthesis that is linear."""

    def synthesis(state, ws, noise="const", key=None, ids=None):
        assert noise == "const"  # the same for both images of a path
        return (ws @ state).reshape(-1, 2, 2, 3)

    views = {
        "sample": lambda state, key, ids, labels=None: 1 / 0,
        "latents": lambda key, ids: example_normal(key, ids, (4,)),
        "mapping": lambda state, latents, labels=None: _mapping(latents),
        "synthesis": synthesis,
        "decode": lambda state, latents, labels=None: synthesis(state, _mapping(latents)),
    }
    return Recipe(None, None, views)


def _ends():
    return [np.asarray(example_normal(jax.random.fold_in(KEY, i), jnp.asarray(IDS), (4,))) for i in (0, 1)]


@pytest.fixture(scope="module")
def views():
    return Views(_recipe(), parallel.make_mesh(1), 0)


@pytest.mark.parametrize("sampling", ["full", "end"])
@pytest.mark.parametrize("space", ["z", "w"])
def test_images_lie_on_the_path(views, space, sampling):
    pair = views.path(MATRIX, KEY, IDS, 0.01, space, sampling)
    start, end = _ends()
    t = np.asarray(example_uniform(jax.random.fold_in(KEY, 2), jnp.asarray(IDS), ()))
    t = t if sampling == "full" else np.zeros(6)
    for image, s in zip(pair, (t, t + 0.01), strict=True):
        if space == "z":
            w = _mapping(slerp(start, end, s[:, None])[:, 0])
        else:
            w = _mapping(start) + s[:, None] * (_mapping(end) - _mapping(start))
        np.testing.assert_allclose(image, (w @ MATRIX).reshape(-1, 2, 2, 3), rtol=1e-4, atol=1e-4)
    if sampling == "end":
        np.testing.assert_allclose(pair[0], (_mapping(start) @ MATRIX).reshape(-1, 2, 2, 3), rtol=1e-4, atol=1e-4)


def _settings(**changes):
    from jaxgen.settings import default

    settings = default.get_config().evaluation
    settings.update({"metrics": ("perceptual_path_length",), "num_samples": 6, "batch_size": 6, **changes})
    settings.allow_few_samples = True
    return settings


def test_a_linear_network_s_length_in_w_is_that_of_the_whole_way(views, monkeypatch):
    """|A (w1 - w0)|^2 whatever t; the record says where it was measured."""
    monkeypatch.setattr(perceptual_path_length, "unsuitable", lambda shape: None)
    network = SimpleNamespace(name="squares", distance=lambda a, b: jnp.square(a - b).sum((1, 2, 3)))
    monkeypatch.setattr(perceptual_path_length.lpips_vgg, "load", lambda: network)
    start, end = map(_mapping, _ends())
    lengths = np.square((end - start) @ MATRIX).sum(1)
    real = np.zeros((6, 2, 2, 3), np.uint8)
    for sampling in ("full", "end"):
        show = {f"path_w_{sampling}": lambda ids, epsilon, s=sampling: views.path(MATRIX, KEY, ids, epsilon, "w", s)}
        facts = {"path": {"space": "w", "sampling": sampling}}
        results = engine.evaluate(_settings(), real, show, facts=facts, progress=False)
        assert set(results) == {f"perceptual_path_length_w_{sampling}", "_skipped"}
        record = results[f"perceptual_path_length_w_{sampling}"]
        assert (record["space"], record["sampling"], record["epsilon"]) == ("w", sampling, 1e-4)
        assert record["unfiltered"] == pytest.approx(lengths.mean(), rel=0.02)  # steps of 1e-4 in float32


def test_each_way_of_measuring_has_a_view_and_a_name():
    ways = [(space, sampling) for space in "zw" for sampling in ("full", "end")]
    names = [result_name("p", perceptual_path_length, path_view(*way), None) for way in ways]
    assert names == ["p", "p_z_end", "p_w_full", "p_w_end"]
    assert {path_view(*way) for way in ways} <= set(VIEWS)


@pytest.mark.full
def test_the_config_chooses():
    run = stylegan2_runs.run(stylegan2_runs.tiny(evaluation__path_space="w", evaluation__path_sampling="end"))
    offered = session.offered_views(run.opened.recipe, run.opened.config.evaluation)
    bound = run_views.bound_views(run.opened, run.players)
    assert {name for name in bound if name.startswith("path")} == {"path_w_end"}
    assert "path_w_end" in offered
    assert run_views.facts_of(run.opened)["path"] == {"space": "w", "sampling": "end"}
    key, ids = jax.random.fold_in(run_views.evaluation_key(run.opened.config), 2), np.arange(2)
    images = bound["path_w_end"](ids, 0.5)
    for way, same in ((("w", "end"), True), (("w", "full"), False), (("z", "end"), False)):
        expected = run.opened.views.path(run.players, key, ids, 0.5, *way)
        assert all(map(np.array_equal, images, expected)) is same


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path_space": "w"}, "config.evaluation.path_space='w': only stylegan2"),
        ({"path_space": "x"}, "path_space='x' is unknown: choices: z, w"),
        ({"path_sampling": "ends"}, "did you mean 'end'"),
    ],
)
def test_refuses(tiny_config, changes, words):
    config = tiny_config()
    config.evaluation.update(changes)
    with pytest.raises(UserError, match=words):
        session.open_session(config)
