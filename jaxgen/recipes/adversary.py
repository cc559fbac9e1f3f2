"""What recipes with an encoder and an adversary share: the discriminator's turn, and codes of images.

Their discriminators judge latents, pairs of image and latent, or several kinds of images. Recipe `gan` has a turn of
its own for images alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxgen.errors import UserError
from jaxgen.losses import elbo
from jaxgen.losses.adversarial import AdversarialLoss, loss_of
from jaxgen.losses.penalties import penalty_of
from jaxgen.ops.random import example_ids, example_normal
from jaxgen.recipes import observations
from jaxgen.recipes.base import Outcome, Player, PyTree, apply_eval, descend, init_network
from jaxgen.recipes.judge import Judge
from jaxgen.recipes.optimizers import optimizer_of
from jaxgen.settings import lookup
from jaxgen.settings.number_ranges import NOT_NEGATIVE, require

# Arrays [B, ...] that a discriminator judges together, such as images and latents.
Inputs = tuple[jax.Array, ...]


class Adversary(NamedTuple):
    """A discriminator and its objective.

    network: `(*inputs, train=...) -> logits`, [B] or [B, n], float32, or a tuple that begins with them.
    loss, tx: its loss and its optimiser.
    penalty, penalty_weight: a penalty of `jaxgen.losses.penalties` or None, and its weight. Of several inputs it sees
      the numbers of an example as one vector.
    """

    network: nn.Module
    loss: AdversarialLoss
    tx: optax.GradientTransformation
    penalty: Callable | None = None
    penalty_weight: float = 0.0

    def start(self, key: jax.Array, *inputs: jax.Array) -> Player:
        """The discriminator before its first step."""
        return Player.create(*init_network(self.network, key, *inputs), self.tx)

    def judge(self, player: Player, key: jax.Array) -> Judge:
        """The discriminator as other players' losses see it."""
        return Judge(self.network, player.params, player.stats, key, own_turn=False)

    def learn(
        self, player: Player, reals: Inputs, fakes: Sequence[Inputs], keys: jax.Array
    ) -> tuple[Player, dict[str, jax.Array]]:
        """One step of the discriminator: real inputs against each kind of fake inputs.

        The loss is the mean over the kinds of fakes. Reals thus weigh as much as all fakes together.

        Args:
          player: the discriminator.
          reals: arrays [p, B, ...] of p parts.
          fakes: kinds of fake inputs, each with arrays like those of `reals`. They get no gradient.
          keys: [p].

        Returns:
          The discriminator after its step, and numbers to log.
        """
        observer = observations.Observer(self.loss.boundary, self.loss.distance)

        def loss_fn(params, stats, part):
            reals, fakes, key, number = part
            key, key_points, key_pass = jax.random.split(jax.random.fold_in(key, 16), 3)
            pairs = [observations.thumbnails(images, number, len(keys)) for images in (reals[0], fakes[0][0])]
            judge = Judge(self.network, params, stats, key, own_turn=True)
            real, *judged = (_logits(judge(*inputs)) for inputs in (reals, *fakes))
            value = jnp.mean(jnp.stack([self.loss.discriminator_loss(real, fake) for fake in judged]))
            metrics = {"loss": value, **observer.of_logits(real, jnp.stack(judged))}
            if self.penalty is not None:
                joined, split = _as_one(reals)

                def critic(x):
                    own = Judge(self.network, params, judge.stats, key_pass, own_turn=False)
                    return _logits(own(*split(x)))

                ids = example_ids(joined.shape[0])
                penalty = jnp.mean(self.penalty(critic, joined, _as_one(fakes[0])[0], key_points, ids))
                metrics["penalty"] = penalty
                value = value + self.penalty_weight * penalty
            return value, Outcome(judge.stats, metrics, averages=pairs)

        parts = (reals, tuple(fakes), keys, jnp.arange(len(keys)))
        player, outcome = descend(loss_fn, player, self.tx, parts)
        metrics = named(outcome.metrics, "d") | {"weight_norm_d": optax.tree.norm(player.params)}
        return player, metrics | observations.of_pairs(*outcome.averages)


def adversary_of(config, network: nn.Module, examples: Inputs, updates: int, *, penalized: bool = True) -> Adversary:
    """The discriminator of a recipe, with the loss, penalty and optimiser of the config.

    Args:
      config: the whole config.
      network: the discriminator.
      examples: inputs of one example, to see whether the network has BatchNorm.
      updates: the number of its updates in the whole run.
      penalized: whether the recipe allows a gradient penalty.

    Raises:
      UserError: unknown names, impossible numbers, a penalty for a network with BatchNorm.
    """
    settings, penalty = config.recipe, None
    if penalized:
        require(settings, "config.recipe", NOT_NEGATIVE, "penalty_weight")
        penalty = penalty_of(settings.penalty) if settings.penalty else None
    if penalty is not None:
        stats = jax.eval_shape(lambda key: init_network(network, key, *examples)[1], jax.random.key(0))
        if "batch_stats" in stats:
            raise UserError(
                f"config.recipe.penalty={settings.penalty!r} needs a discriminator without BatchNorm, since it "
                "penalises single examples (Gulrajani et al. 2017, section 4). Set model.batch_norm=False"
            )
    tx = optimizer_of(config.optimizers.discriminator, updates, "config.optimizers.discriminator")
    return Adversary(network, loss_of(settings), tx, penalty, settings.penalty_weight if penalized else 0.0)


def networks_of(config, image_shape: tuple[int, int, int], num_classes: int, kind: type) -> Any:
    """The networks of `config.model`, which must be of one kind.

    Raises:
      UserError: another kind of model.
    """
    module = lookup.module("models", config.model.name, "config.model.name")
    model = module.build(config.model, image_shape, num_classes, jnp.dtype(config.compute_dtype))
    if not isinstance(model, kind):
        raise UserError(
            f"config.model.name={config.model.name!r} has not the networks of recipe {config.recipe.name!r}, which "
            f"needs a {kind.__name__}"
        )
    return model


def init_networks(key: jax.Array, **networks: tuple) -> tuple[dict[str, PyTree], dict[str, PyTree]]:
    """Parameters and other collections of several networks by name, each given as `name=(module, *inputs)`."""
    keys = jax.random.split(key, len(networks))
    params, stats = {}, {}
    for key, (name, (module, *inputs)) in zip(keys, networks.items(), strict=True):
        params[name], stats[name] = init_network(module, key, *inputs)
    return params, stats


def evaluated(state, name: str, module: nn.Module, *inputs: jax.Array) -> PyTree:
    """The output of one network of the moving average `state["ema"]`, whose networks have names."""
    return apply_eval(module, state["ema"].params[name], state["ema"].stats[name], *inputs)


def code_of(encoded: tuple[jax.Array, jax.Array], key: jax.Array, ids: jax.Array, stochastic: bool) -> jax.Array:
    """A draw from the encoder's Gaussians [B, Z], or their means if the encoder is not stochastic."""
    mean, log_variance = encoded
    return elbo.reparameterize(example_normal(key, ids, mean.shape[1:]), mean, log_variance) if stochastic else mean


def shown_encoding(encoded: tuple[jax.Array, jax.Array | None], stochastic: bool) -> tuple[jax.Array, jax.Array]:
    """The view "encode". An encoder that is not stochastic gives the log-variance of a point."""
    mean, log_variance = encoded
    return mean, log_variance if stochastic else jnp.full_like(mean, elbo.POINT)


def views_of(latents: Callable, decode: Callable, encode: Callable) -> dict[str, Callable]:
    """These views, and those that follow from them: samples and reconstructions (`jaxgen.recipes.base.Recipe`)."""

    def sample(state, key, ids, labels=None):
        return decode(state, latents(key, ids), labels)

    def reconstruct(state, images):
        return decode(state, encode(state, images)[0])

    return {"sample": sample, "latents": latents, "decode": decode, "encode": encode, "reconstruct": reconstruct}


def named(metrics: dict[str, jax.Array], player: str) -> dict[str, jax.Array]:
    """The metrics under the names of one player, such as `loss_g`."""
    return {f"{name}_{player}": value for name, value in metrics.items()}


def _logits(output: Any) -> jax.Array:
    return output[0] if isinstance(output, tuple) else output


def _as_one(inputs: Inputs) -> tuple[jax.Array, Callable[[jax.Array], Inputs]]:
    """All numbers of each example as one array, and the way back. A single input stays as it is."""
    if len(inputs) == 1:
        return inputs[0], lambda x: (x,)
    shapes = [x.shape[1:] for x in inputs]
    flat = [x.reshape(x.shape[0], -1) for x in inputs]
    ends = [sum(x.shape[1] for x in flat[: i + 1]) for i in range(len(flat) - 1)]

    def split(joined):
        pieces = jnp.split(joined, ends, axis=1)
        return tuple(piece.reshape(-1, *shape) for piece, shape in zip(pieces, shapes, strict=True))

    return jnp.concatenate(flat, axis=1), split
