"""Constraints on a discriminator and changes to its images, for use with any GAN loss."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.errors import UserError
from jaxgen.losses.penalties import penalty_of
from jaxgen.ops import diff_augment
from jaxgen.ops.pixels import GRAY_LEVEL
from jaxgen.ops.random import example_normal, example_uniform
from jaxgen.recipes.augmentation import diff_augment_policies
from jaxgen.recipes.base import Player
from jaxgen.settings.number_ranges import AT_LEAST_ONE, NOT_NEGATIVE, require

Pair = Sequence[jax.Array]


class Constraints(NamedTuple):
    """Settings of `config.recipe`. The defaults have no effect.

    penalty: a function of `jaxgen.losses.penalties`, or None. Its mean times `penalty_weight` joins the loss.
    penalize_plain: whether the penalty is about gradients with respect to the images before augmentation and noise.
    weight_clip: largest absolute value of any parameter after an update, 0 for no limit.
    dequantize: whether reals get uniform noise of one gray level's width.
    instance_noise, instance_noise_steps: standard deviation of the noise on all images at step 0, and its last step.
    augmentations: names in `jaxgen.ops.diff_augment`, applied to all images.
    """

    penalty: Callable | None = None
    penalty_weight: float = 0.0
    penalize_plain: bool = False
    weight_clip: float = 0.0
    dequantize: bool = False
    instance_noise: float = 0.0
    instance_noise_steps: int = 1
    augmentations: tuple[str, ...] = ()

    def show_real(self, reals: jax.Array, key: jax.Array, ids: jax.Array, step: jax.Array) -> jax.Array:
        """Real images [B, H, W, C] as inputs of the discriminator."""
        if self.dequantize:
            uniform = example_uniform(jax.random.fold_in(key, 0), ids, reals.shape[1:])
            reals = reals + (uniform - 0.5) * GRAY_LEVEL
        return self.show_fake(reals, jax.random.fold_in(key, 1), ids, step)

    def show_fake(self, fakes: jax.Array, key: jax.Array, ids: jax.Array, step: jax.Array) -> jax.Array:
        """Fake images [B, H, W, C] as inputs of the discriminator.

        They are augmented like real images (Zhao et al. 2020, equations 4 and 5). Then instance noise is added
        (Sonderby et al. 2017, section 3.2).
        """
        fakes = diff_augment.augment(fakes, jax.random.fold_in(key, 2), ids, self.augmentations)
        if not self.instance_noise:
            return fakes
        sigma = self.instance_noise * jnp.maximum(1 - step / self.instance_noise_steps, 0)
        return fakes + sigma * example_normal(key, ids, fakes.shape[1:])

    def penalize(self, critic: Callable, shown: Pair, plain: Pair, key, ids, step) -> jax.Array:
        """The mean penalty over this device's examples, before its weight.

        Args:
          critic: images as shown -> logits.
          shown, plain: reals and fakes as the discriminator sees them, and as they were before.
        """
        if not self.penalize_plain:
            return jnp.mean(self.penalty(critic, *shown, key, ids))
        key_show = jax.random.fold_in(key, 1)
        return jnp.mean(self.penalty(lambda x: critic(self.show_fake(x, key_show, ids, step)), *plain, key, ids))

    def clip(self, player: Player) -> Player:
        """The player with clipped parameters (Arjovsky et al. 2017, Algorithm 1, line 7)."""
        if not self.weight_clip:
            return player
        limit = self.weight_clip
        return player.replace(params=jax.tree.map(lambda p: jnp.clip(p, -limit, limit), player.params))


def constraints_of(settings) -> Constraints:
    """The constraints in `config.recipe`.

    Raises:
      UserError: an unknown penalty, or an impossible number.
    """
    require(settings, "config.recipe", NOT_NEGATIVE, "penalty_weight", "weight_clip", "instance_noise")
    require(settings, "config.recipe", AT_LEAST_ONE, "instance_noise_steps")
    if settings.ada_pipeline:
        raise UserError(
            f"config.recipe.ada_pipeline={settings.ada_pipeline!r} belongs to recipe 'stylegan2'. Set it to '', or use "
            "config.recipe.diff_augment"
        )
    penalty = penalty_of(settings.penalty) if settings.penalty else None
    same = ("penalty_weight", "penalize_plain", "weight_clip", "dequantize", "instance_noise", "instance_noise_steps")
    numbers = {key: settings[key] for key in same}
    return Constraints(penalty, augmentations=diff_augment_policies(settings), **numbers)
