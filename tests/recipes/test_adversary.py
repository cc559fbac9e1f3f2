"""The turn of a discriminator of several inputs, by hand: loss, penalty, and what is refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.errors import UserError
from jaxgen.losses import adversarial, penalties
from jaxgen.recipes.adversary import Adversary, adversary_of
from jaxgen.settings import default
from tests.helpers.linear_networks import LinearJudge, sharded


def test_a_turn_of_the_discriminator_by_hand():
    """Loss of two kinds of fakes, and WGAN-GP of pairs: for a linear critic the slope is its weights' norm anywhere."""
    rng = np.random.default_rng(0)
    pairs = [tuple(rng.normal(size=(1, 5, n)).astype(np.float32) for n in (3, 2)) for _ in range(3)]
    adversary = Adversary(LinearJudge(), adversarial.hinge, optax.sgd(0.0), penalties.wgan_gp, 7.0)
    keys = jax.random.split(jax.random.key(0), 1)
    player = adversary.start(keys[0], *(x[0] for x in pairs[0]))
    _, metrics = sharded(lambda player, pairs: adversary.learn(player, pairs[0], pairs[1:], keys))(player, pairs)
    weights = [np.asarray(player.params[name]["kernel"])[:, 0] for name in ("Dense_0", "Dense_1")]
    real, first, second = (sum(x[0] @ w for x, w in zip(pair, weights, strict=True)) for pair in pairs)
    expected = np.mean(np.maximum(1 - real, 0)) + np.mean(np.maximum(1 + np.stack([first, second]), 0))
    assert float(metrics["loss_d"]) == pytest.approx(expected, rel=1e-5)
    norm = np.sqrt(sum((w**2).sum() for w in weights))
    assert float(metrics["penalty_d"]) == pytest.approx((norm - 1) ** 2, rel=1e-4)
    assert float(metrics["real_logits_d"]) == pytest.approx(real.mean(), rel=1e-4)
    assert float(metrics["fake_logits_d"]) == pytest.approx((first.mean() + second.mean()) / 2, rel=1e-4)


def test_a_penalty_moves_the_discriminator_by_its_weight():
    """One SGD step with and without: d/dw of 7 (|w| - 1)^2 is 14 (|w| - 1) w / |w|."""
    rng = np.random.default_rng(0)
    real, fake = ((rng.normal(size=(1, 5, 4)).astype(np.float32),) for _ in range(2))
    keys = jax.random.split(jax.random.key(0), 1)
    after = []
    for penalty in (penalties.wgan_gp, None):
        adversary = Adversary(LinearJudge(), adversarial.wasserstein, optax.sgd(0.1), penalty, 7.0)
        player = adversary.start(keys[0], real[0][0])
        learned, _ = sharded(lambda p, adversary=adversary: adversary.learn(p, real, [fake], keys))(player)
        after.append(np.asarray(learned.params["Dense_0"]["kernel"])[:, 0])
    w = np.asarray(player.params["Dense_0"]["kernel"])[:, 0]
    norm = np.linalg.norm(w)
    np.testing.assert_allclose(after[0] - after[1], -0.1 * 14 * (norm - 1) * w / norm, rtol=1e-4)
    np.testing.assert_allclose(after[1] - w, 0.1 * (real[0][0].mean(0) - fake[0][0].mean(0)), rtol=1e-4, atol=1e-6)


def test_a_penalty_beside_batch_norm_is_refused():
    class Normalized(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return nn.BatchNorm(use_running_average=not train)(x)[:, 0]

    config = default.get_config()
    config.recipe.penalty = "r1"
    adversary_of(config, LinearJudge(), (jnp.zeros((1, 3)),), 10)
    with pytest.raises(UserError, match=r"penalty='r1' needs a discriminator without BatchNorm"):
        adversary_of(config, Normalized(), (jnp.zeros((1, 3)),), 10)
