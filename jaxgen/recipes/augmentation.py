"""Augmentation of the discriminator's images. Its strength follows overfitting (Karras et al. 2020, ADA)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jaxgen.errors import UserError
from jaxgen.ops import ada, diff_augment
from jaxgen.settings import lookup


class Strength(struct.PyTreeNode):
    """p, with the sum and number of the mean signs of D(real) since p last moved, one per pass."""

    p: jax.Array
    signs: jax.Array
    count: jax.Array


class Augmentation(NamedTuple):
    """A pipeline and the control of its strength (sections 2.2 and 3.1).

    apply: `(images, key, ids, p) -> images`, for reals and fakes alike.
    target: target of r_t, the mean sign of D(real). 0 keeps p constant.
    interval: steps between changes of p. kimg: thousands of images in which p could go from 0 to 1.
    batch_size: batch size over all devices.
    """

    apply: Callable
    initial_p: float
    target: float
    interval: int
    kimg: float
    batch_size: int

    def init(self) -> Strength:
        """At the start of training."""
        return Strength(jnp.float32(self.initial_p), jnp.zeros(()), jnp.zeros(()))

    def adapted(self, strength: Strength, sign: jax.Array, passes: jax.Array, step: jax.Array) -> Strength:
        """After a step. At every `interval`-th step p moves by one size, up if r_t is above the target, within [0, 1].

        Args:
          sign: the mean sign of D(real) over all devices, summed over this step's passes of D over real images.
          passes: the number of passes, including the pass of R1.
        """
        if not self.target:
            return strength
        signs, count = strength.signs + sign, strength.count + passes
        size = self.batch_size * self.interval / (1000 * self.kimg)
        p = jnp.clip(strength.p + size * jnp.sign(signs / count - self.target), 0, 1)
        due = step % self.interval == 0
        moved = Strength(p, jnp.zeros_like(signs), jnp.zeros_like(count))
        return jax.tree.map(lambda a, b: jnp.where(due, a, b), moved, Strength(strength.p, signs, count))


def diff_augment_policies(settings) -> tuple[str, ...]:
    """The names in `config.recipe.diff_augment`.

    Raises:
      UserError: one of them is unknown.
    """
    if not settings.diff_augment:
        return ()
    policies = lookup.listed(settings.diff_augment, "config.recipe.diff_augment", "color")
    for name in policies:
        if name not in diff_augment.CHOICES:
            raise UserError(lookup.unknown("config.recipe.diff_augment", name, list(diff_augment.CHOICES)))
    return policies


def augmentation_of(settings, batch_size: int, image_shape: tuple[int, ...]) -> Augmentation | None:
    """The augmentation in `config.recipe`, or None: ADA's pipeline, or DiffAugment, which has no p.

    Raises:
      UserError: an unknown name, both kinds at once, or an impossible number.
    """
    policies = diff_augment_policies(settings)
    if policies and settings.ada_pipeline:
        raise UserError("config.recipe.ada_pipeline and diff_augment exclude each other: set one of them to ''")
    if policies:
        return Augmentation(lambda x, key, ids, p: diff_augment.augment(x, key, ids, policies), 1.0, 0.0, 1, 1.0, 1)
    if not settings.ada_pipeline:
        return None
    if settings.ada_pipeline not in ada.CHOICES:
        raise UserError(lookup.unknown("config.recipe.ada_pipeline", settings.ada_pipeline, list(ada.CHOICES)))
    if image_shape[-1] not in (1, 3):
        raise UserError(f"config.recipe.ada_pipeline: images have {image_shape[-1]} channels, but it takes 1 or 3")
    if not 0 <= settings.ada_initial_p <= 1:
        raise UserError(f"config.recipe.ada_initial_p={settings.ada_initial_p}: it must lie between 0 and 1")
    if not 0 <= settings.ada_target < 1:
        raise UserError(f"config.recipe.ada_target={settings.ada_target}: it must lie in [0, 1) (0 keeps p constant)")
    if settings.ada_interval < 1 or not settings.ada_kimg > 0:
        raise UserError("config.recipe.ada_interval and ada_kimg: they must be positive")
    if not settings.ada_target and not settings.ada_initial_p:
        raise UserError("config.recipe.ada_initial_p=0 with ada_target=0 never augments: set one of them")
    groups = ada.CHOICES[settings.ada_pipeline]
    return Augmentation(
        lambda x, key, ids, p: ada.augment(x, key, ids, p, groups),
        settings.ada_initial_p,
        settings.ada_target,
        settings.ada_interval,
        settings.ada_kimg,
        batch_size,
    )
