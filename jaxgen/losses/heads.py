"""Losses of the further outputs of a discriminator: classes, classes with one for fakes, features."""

import jax
import jax.numpy as jnp
import optax

from jaxgen.ops.across_devices import varying_axes
from jaxgen.ops.random import DATA_AXIS


def class_nats(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """-log P(c | x) in nats [B] of logits [B, K] and labels [B], with one softmax."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The share of examples whose largest logit is that of their label."""
    return jnp.mean(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.float32)


def real_logit(class_logits: jax.Array) -> jax.Array:
    """The logit [B] of "real" of a softmax over K classes and one more for fakes, whose logit is 0.

    P(real | x) = Z / (Z + 1) with Z = sum_k exp(l_k), so its logit is ln Z (Salimans et al. 2016, section 5).
    """
    return jax.nn.logsumexp(class_logits, axis=-1)


def feature_matching(real: jax.Array, fake: jax.Array) -> jax.Array:
    """|E f(x) - E f(G(z))|^2 of features [B, F], with means over the batch of all devices.

    Salimans et al. 2016, section 3.1.
    """
    means = jnp.stack([jnp.mean(real, axis=0), jnp.mean(fake, axis=0)])
    if DATA_AXIS in varying_axes(means):
        # Each device adds the whole loss, so that the mean over devices has its gradient and no part of it.
        means = jax.lax.pcast(jax.lax.pmean(means, DATA_AXIS), DATA_AXIS, to="varying")
    return jnp.sum(jnp.square(means[0] - means[1]))
