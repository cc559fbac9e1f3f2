"""The recipes with an encoder on problems whose answer is known: linear networks, Gaussian data, steps by hand."""

from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.errors import UserError
from jaxgen.losses import adversarial, likelihoods, penalties
from jaxgen.models.base import VAE
from jaxgen.models.bigan import BiGAN
from jaxgen.models.cluster_gan import ClusterGAN
from jaxgen.models.vae_gan import VAEGAN
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes import adversarial_autoencoder, bigan, cluster_gan, cogan, vae_gan
from jaxgen.recipes.adversary import Adversary, adversary_of
from jaxgen.recipes.base import Batch
from jaxgen.settings import default

SHAPE = (1, 1, 4)  # an image of four numbers


def sharded(fn):
    mesh = jax.sharding.Mesh(jax.devices()[:1], ("data",))
    spec = jax.sharding.PartitionSpec()
    return jax.jit(jax.shard_map(fn, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))


def run(recipe, images_of, steps, batch):
    """The state after `steps` steps on images `images_of(normal numbers [batch, 4])`, and the metrics."""

    def body(state, step):
        key = jax.random.fold_in(jax.random.key(7), step)
        lead = recipe.batches, 1, batch
        normal = example_normal(key, example_ids(recipe.batches * batch), (4,))
        images = images_of(normal).reshape(*lead, *SHAPE)
        return recipe.update(state, Batch(images, None), jax.random.fold_in(key, 1), step)

    return sharded(lambda state: jax.lax.scan(body, state, jnp.arange(steps)))(recipe.init(jax.random.key(0)))


class Linear(nn.Module):
    """[B, ...] -> [B, *shape], with the initial weights of a given deviation."""

    shape: tuple
    deviation: float = 0.3

    @nn.compact
    def __call__(self, x, labels=None, train=False):
        count = int(np.prod(self.shape))
        x = nn.Dense(count, kernel_init=nn.initializers.normal(self.deviation))(x.reshape(x.shape[0], -1))
        return x.reshape(-1, *self.shape)


class LinearEncoder(nn.Module):
    latent_dim: int
    log_variance: float = -30.0

    @nn.compact
    def __call__(self, x, train=False):
        mean = Linear((self.latent_dim,))(x)
        return mean, jnp.full_like(mean, self.log_variance)


class Judge(nn.Module):
    """A small discriminator of all its inputs together."""

    width: int = 32

    @nn.compact
    def __call__(self, *inputs, train=False):
        x = jnp.concatenate([x.reshape(x.shape[0], -1) for x in inputs], axis=1)
        for _ in range(2):
            x = nn.leaky_relu(nn.Dense(self.width)(x), 0.2)
        return nn.Dense(1)(x)[:, 0]


class LinearJudge(nn.Module):
    @nn.compact
    def __call__(self, *inputs, train=False):
        return sum(nn.Dense(1)(x.reshape(x.shape[0], -1))[:, 0] for x in inputs)


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


@pytest.mark.parametrize("stochastic", [False, pytest.param(True, marks=pytest.mark.full)])
def test_a_linear_bigan_inverts_its_generator(stochastic):
    """x = A s with s ~ N(0, 1) in two dimensions: at the optimum E(G(z)) = z and Cov G(z) = A A^T."""
    mixing = jnp.array([[1.0, 0.4, 0.0, 0.3], [0.0, 0.8, -0.5, 0.2]])
    log_variance = -3.0 if stochastic else -30.0
    model = BiGAN(Linear(SHAPE), LinearEncoder(2, log_variance), Judge(), 2)
    adversary = Adversary(Judge(), adversarial.non_saturating, optax.adam(2e-3, b1=0.5), penalties.r1, 0.1)
    settings = SimpleNamespace(stochastic_encoder=stochastic, ema_decay=0.99)
    recipe = bigan.bigan(model, adversary, optax.adam(2e-3, b1=0.5), image_shape=SHAPE, settings=settings)
    state, _ = run(recipe, lambda normal: normal[:, :2] @ mixing, steps=3000, batch=128)
    z = jax.random.normal(jax.random.key(1), (2000, 2))
    images = recipe.views["decode"](state, z)
    found = recipe.views["encode"](state, images)[0]
    assert np.sqrt(np.mean((found - z) ** 2)) < 0.15
    covariance = np.cov(np.asarray(images).reshape(-1, 4).T)
    np.testing.assert_allclose(covariance, mixing.T @ mixing, atol=0.2)
    again = recipe.views["reconstruct"](state, images)
    assert np.sqrt(np.mean((again - images) ** 2)) < 0.15


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_codes_of_an_adversarial_autoencoder_have_the_prior_s_moments(weight):
    """Linear networks on Gaussian data: with an adversary the codes are N(0, 1), and no worse than PCA can be."""
    deviations = jnp.array([2.0, 1.0, 0.1, 0.1])
    model = VAE(LinearEncoder(2), Linear(SHAPE), 2)
    adversary = Adversary(Judge(), adversarial.non_saturating, optax.adam(2e-3, b1=0.5), penalties.r1, 0.1)
    settings = SimpleNamespace(stochastic_encoder=False, ema_decay=0.99, adversary_weight=weight)
    build = adversarial_autoencoder.adversarial_autoencoder
    tx = optax.adam(2e-3, b1=0.5)
    recipe = build(model, likelihoods.gaussian(1.0), adversary, tx, image_shape=SHAPE, settings=settings)

    def images_of(normal):
        return 0.3 * deviations * normal

    state, metrics = run(recipe, images_of, steps=2000, batch=128)
    images = images_of(jax.random.normal(jax.random.key(1), (4000, 4))).reshape(-1, *SHAPE)
    codes = np.asarray(recipe.views["encode"](state, images)[0])
    apart = np.abs(np.cov(codes.T) - np.eye(2)).max()
    assert apart < 0.2 if weight else apart > 0.5
    restored = state["ema"].params["decoder"]["Dense_0"]  # without the clip of shown images
    error = np.mean((codes @ restored["kernel"] + restored["bias"] - images.reshape(-1, 4)) ** 2) * 4
    best = 2 * (0.3 * 0.1) ** 2  # the two directions that two latents cannot hold
    assert best * 0.9 < error < best + 0.05
    assert np.isfinite(metrics["loss"]).all()


class Constant(nn.Module):
    """A generator of one image, whatever the latents."""

    @nn.compact
    def __call__(self, x, labels=None, train=False):
        return nn.Dense(4, kernel_init=nn.initializers.zeros, bias_init=nn.initializers.constant(0.3))(x).reshape(
            -1, *SHAPE
        )


class LinearFeatures(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        features = Linear((3,))(x)
        return Linear((1,), 1.0)(features)[:, 0], features


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_each_network_of_vae_gan_has_the_step_of_its_own_loss(gamma):
    """A generator of one image b: every gradient of Algorithm 1 follows on paper, with features F x + f, logit u.f."""
    model = VAEGAN(LinearEncoder(2), Constant(), LinearFeatures(), 2)
    adversary = Adversary(model.discriminator, adversarial.non_saturating, optax.sgd(0.1))
    settings = SimpleNamespace(beta=2.0, feature_weight=gamma, ema_decay=0.0)
    recipe = vae_gan.vae_gan(model, adversary, optax.sgd(0.1), optax.sgd(0.1), image_shape=SHAPE, settings=settings)
    images = jax.random.normal(jax.random.key(3), (6, 4))
    batch = Batch(images.reshape(1, 1, 6, *SHAPE), None)
    before = recipe.init(jax.random.key(0))
    after, metrics = sharded(recipe.update)(before, batch, jax.random.key(1), jnp.int32(0))
    x, b = np.asarray(images, np.float64), np.full(4, 0.3)
    d = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), before["d"].params)
    (F, f), (u, c) = ((d[name]["Dense_0"]["kernel"], d[name]["Dense_0"]["bias"]) for name in ("Linear_0", "Linear_1"))
    u, c = u[:, 0], c[0]

    def sigmoid(t):
        return 1 / (1 + np.exp(-t))

    # Generator: gamma * mean of F (F^T (b - x)) + d/db of softplus(-logit(b)).
    logit = (b @ F + f) @ u + c
    error = np.mean(0.5 * (((b - x) @ F) ** 2).sum(1))
    step_g = gamma * ((b - x) @ F @ F.T).mean(0) - sigmoid(-logit) * F @ u
    moved = np.asarray(after["g"].params["Dense_0"]["bias"]) - b
    np.testing.assert_allclose(moved, -0.1 * step_g, rtol=1e-4, atol=1e-7)
    # Encoder: the image does not depend on the code, so that only the KL moves it: beta * mean of x mu.
    kernel, bias = (np.asarray(before["encoder"].params["Linear_0"]["Dense_0"][name]) for name in ("kernel", "bias"))
    mu = x @ kernel + bias
    moved = np.asarray(after["encoder"].params["Linear_0"]["Dense_0"]["kernel"]) - kernel
    np.testing.assert_allclose(moved, -0.1 * 2 * x.T @ mu / 6, rtol=1e-4, atol=1e-7)
    kl = 0.5 * (mu**2 + np.exp(-30) - 1 + 30).sum(1).mean()
    assert float(metrics["loss_encoder"]) == pytest.approx(2 * kl + error, rel=1e-5)
    # Discriminator: reals against both kinds of fakes, which are the same image here, and no feature error.
    real = (x @ F + f) @ u + c
    by_logit = np.concatenate([-sigmoid(-real) / 6, [sigmoid(logit)]])
    features = np.concatenate([x @ F + f, [b @ F + f]])
    moved = np.asarray(after["d"].params["Linear_1"]["Dense_0"]["kernel"])[:, 0] - u
    np.testing.assert_allclose(moved, -0.1 * features.T @ by_logit, rtol=1e-4, atol=1e-7)


@pytest.mark.full
def test_vae_gan_shows_its_discriminator_reconstructions_and_samples():
    """Reconstructions of a constant encoder and decoder far from samples: the mean logit of fakes is of both kinds."""
    model = VAEGAN(LinearEncoder(2), Linear(SHAPE), LinearFeatures(), 2)
    adversary = Adversary(model.discriminator, adversarial.non_saturating, optax.sgd(0.0))
    settings = SimpleNamespace(beta=1.0, feature_weight=1.0, ema_decay=0.0)
    recipe = vae_gan.vae_gan(model, adversary, optax.sgd(0.0), optax.sgd(0.0), image_shape=SHAPE, settings=settings)
    state = recipe.init(jax.random.key(0))
    state["encoder"].params["Linear_0"]["Dense_0"]["bias"] = jnp.array([40.0, -60.0])
    batch = Batch(jnp.zeros((1, 1, 400, *SHAPE)), None)
    _, metrics = sharded(recipe.update)(state, batch, jax.random.key(1), jnp.int32(0))

    def logit(z):
        x = model.generator.apply({"params": state["g"].params}, z)
        return model.discriminator.apply({"params": state["d"].params}, x)[0]

    restored, of_mean_prior = logit(jnp.array([[40.0, -60.0]]))[0], logit(jnp.zeros((1, 2)))[0]
    assert abs(restored - of_mean_prior) > 1
    # The logit is linear, so the mean over samples is near the logit of the mean latent.
    assert float(metrics["fake_logits_d"]) == pytest.approx(float(restored + of_mean_prior) / 2, abs=0.3)


class Looks(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x, train=False):
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.leaky_relu(nn.Dense(32)(x), 0.2)
        x = nn.Dense(self.outputs)(x)
        return x if self.outputs > 1 else x[:, 0]


class Makes(nn.Module):
    @nn.compact
    def __call__(self, z, train=False):
        for _ in range(2):
            z = nn.relu(nn.Dense(32)(z))
        return nn.Dense(4)(z).reshape(-1, *SHAPE)


def test_cluster_gan_finds_three_clusters():
    """Three Gaussians: the encoder names each of them alike, and finds the cluster of what the generator makes."""
    centres = jnp.array([[1.0, 0, 0, 1], [0, 1, 0, -1], [-1, -1, 1, 0]])
    model = ClusterGAN(Makes(), Looks(5), Looks(1), 2, 3)
    adversary = Adversary(Looks(1), adversarial.wasserstein, optax.adam(1e-3, b1=0.5, b2=0.9), penalties.wgan_gp, 10.0)
    settings = SimpleNamespace(latent_deviation=0.1, n_critic=2, ema_decay=0.9, latent_weight=10.0, cluster_weight=10.0)
    tx = optax.adam(1e-3, b1=0.5, b2=0.9)
    recipe = cluster_gan.cluster_gan(model, adversary, tx, image_shape=SHAPE, settings=settings)

    def kinds_of(normal):
        return (jax.scipy.stats.norm.cdf(normal[:, 0]) * 3).astype(jnp.int32)

    def images_of(normal):
        return centres[kinds_of(normal)] + 0.1 * normal[:, ::-1] * jnp.array([1.0, 1, 1, 0])

    state, metrics = run(recipe, images_of, steps=600, batch=64)
    assert np.mean(metrics["cluster_accuracy_g"][-50:]) > 0.95
    normal = jax.random.normal(jax.random.key(1), (600, 4))
    images, kinds = images_of(normal).reshape(-1, *SHAPE), np.asarray(kinds_of(normal))
    clusters = np.asarray(recipe.views["clusters"](state, images))
    assert clusters.dtype == np.int32
    table = np.array([[np.sum((kinds == a) & (clusters == b)) for b in range(3)] for a in range(3)])
    assert table.max(axis=1).sum() > 0.95 * 600
    assert len(set(table.argmax(axis=1))) == 3
    latents = recipe.views["latents"](jax.random.key(2), jnp.arange(3000))
    one_hot = np.asarray(latents[:, 2:])
    assert set(one_hot.sum(axis=1)) == {1.0}
    np.testing.assert_allclose(one_hot.mean(0), 1 / 3, atol=0.04)
    np.testing.assert_allclose(np.std(latents[:, :2], axis=0), 1, atol=0.04)
    made = recipe.views["decode"](state, latents)
    assert np.mean(recipe.views["clusters"](state, made) == one_hot.argmax(axis=1)) > 0.95
    again = recipe.views["reconstruct"](state, images)
    assert np.mean((again - images) ** 2) < 0.2 * np.mean((images - images.mean(0)) ** 2)


def test_edges_are_the_dilated_image_minus_the_image():
    from scipy.ndimage import grey_dilation

    images = np.random.default_rng(0).uniform(0, 1, (3, 9, 7, 1)).astype(np.float32)
    expected = np.stack([grey_dilation(image[..., 0], size=(3, 3))[..., None] - image for image in images])
    np.testing.assert_allclose(cogan.edges(2 * images - 1), 2 * expected - 1, atol=1e-6)
    np.testing.assert_allclose(cogan.negative(2 * images - 1), 1 - 2 * images, atol=1e-6)
