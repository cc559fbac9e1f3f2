"""VAE-GAN's networks: shapes, and features that are the last convolution's output."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.models import vae_gan
from jaxgen.settings.experiments import experiment


def test_shapes_and_features():
    config = experiment("vae_gan_mnist").model
    config.update({"width": 4, "latent_dim": 3})
    model = vae_gan.build(config, (12, 12, 3), 0, jnp.float32)

    def outputs(key):
        images, _ = model.generator.init_with_output(key, jnp.zeros((2, 3)))
        return images, model.encoder.init_with_output(key, images)[0], model.discriminator.init_with_output(key, images)

    images, (mean, log_variance), ((logits, features), variables) = jax.eval_shape(outputs, jax.random.key(0))
    assert (images.shape, mean.shape, log_variance.shape) == ((2, 12, 12, 3), (2, 3), (2, 3))
    assert (logits.shape, features.shape) == ((2,), (2, 6, 6, 4))
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert count == (4 * 4 * 3 * 4 + 4) + (6 * 6 * 4 * 32 + 32) + (32 + 1)


def test_the_logit_is_a_function_of_the_features():
    config = experiment("vae_gan_mnist").model
    config.update({"width": 2, "batch_norm": False})
    discriminator = vae_gan.build(config, (16, 16, 1), 0, jnp.float32).discriminator
    images = jax.random.normal(jax.random.key(1), (3, 16, 16, 1))
    (logits, features), variables = discriminator.init_with_output(jax.random.key(0), images)
    assert features.shape == (3, 4, 4, 4)
    assert np.all((features > 0) | (features < 0))
    head = variables["params"]["Head_0"]
    x = features.reshape(3, -1) @ head["Dense_0"]["kernel"] + head["Dense_0"]["bias"]
    x = jnp.where(x > 0, x, 0.2 * x) @ head["Dense_1"]["kernel"] + head["Dense_1"]["bias"]
    np.testing.assert_allclose(logits, x[:, 0], rtol=1e-4, atol=1e-7)
