"""FreezeD: which layers, and that nothing moves them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.recipes.lazy_regularization import lazy_optimizer
from jaxgen.recipes.stylegan2 import enters_linearly
from jaxgen.recipes.stylegan2_settings import discriminator_layers, frozen_layers, stopped
from tests.recipes.test_stylegan2 import tiny, trained


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("orig", "b16.fromrgb b16.conv0 b16.conv1 b8.conv0 b8.conv1"),
        ("skip", "b16.fromrgb b16.conv0 b16.conv1 b8.fromrgb b8.conv0 b8.conv1"),
        ("resnet", "b16.fromrgb b16.conv0 b16.conv1 b16.skip b8.conv0 b8.conv1 b8.skip"),
    ],
)
def test_layers_are_counted_from_the_image_on(architecture, expected):
    layers = discriminator_layers(architecture, 16)
    assert [".".join(layer) for layer in layers] == expected.split()
    assert frozen_layers(2, architecture, 16) == {("b16", "fromrgb"), ("b16", "conv0")}
    for count in (-1, len(layers) + 1):
        with pytest.raises(UserError, match=f"freeze_d_layers={count}: this discriminator has {len(layers)} layers"):
            frozen_layers(count, architecture, 16)


def test_no_update_and_no_gradient_reaches_them():
    config = tiny()
    config.optimizers.discriminator.update({"name": "adamw", "weight_decay": 0.1})  # decays without a gradient too
    frozen = frozenset({("b8", "conv0")})
    params = {
        "b8": {"conv0": {"weight": jnp.ones(3)}, "conv1": {"weight": jnp.ones(2)}},
        "b4": {"out": {"bias": jnp.ones(1)}},
    }
    lazy = lazy_optimizer(config, "discriminator", 16, enters_linearly, frozen)
    state = lazy.main.init(params)
    for transform in (lazy.main, lazy.regularization, lazy.main):
        updates, state = transform.update(jax.tree.map(jnp.ones_like, params), state, params)
        assert not updates["b8"]["conv0"]["weight"].any()
        assert updates["b8"]["conv1"]["weight"].all()
    assert not jax.tree.leaves(state.inner_states["frozen"])
    for label in ("regularised", "not regularised"):
        assert not jax.tree.leaves(state.inner_states[label].inner_state[0].nu["b8"]["conv0"])
    gradient = jax.grad(lambda p: sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(stopped(p, frozen))))(params)
    assert not gradient["b8"]["conv0"]["weight"].any()
    assert gradient["b8"]["conv1"]["weight"].all()
    assert "frozen" not in lazy_optimizer(config, "discriminator", 16, enters_linearly).main.init(params).inner_states


@pytest.mark.slow
def test_frozen_layers_stay_to_the_bit_and_have_no_optimiser_state():
    states, history, _ = trained(tiny(freeze_d_layers=2, r1_interval=2, path_length_weight=0.0), 2)
    before, after = states[0]["d"], states[-1]["d"]
    moved = {
        ".".join(part.key for part in path): bool(np.any(leaf != other))
        for (path, leaf), other in zip(
            jax.tree_util.tree_flatten_with_path(before.params)[0], jax.tree.leaves(after.params), strict=True
        )
    }
    still = {name for name, changed in moved.items() if not changed}
    assert still == {"b8.fromrgb.weight", "b8.fromrgb.bias", "b8.conv0.weight", "b8.conv0.bias"}
    assert not jax.tree.leaves(after.opt_state.inner_states["frozen"])
    moments = after.opt_state.inner_states["regularised"].inner_state[0].nu
    assert not jax.tree.leaves(moments["b8"]["fromrgb"])
    assert not jax.tree.leaves(moments["b8"]["conv0"])
    assert np.asarray(moments["b8"]["conv1"]["weight"]).any()
    assert all(np.isfinite(list(line.values())).all() for line in history)
