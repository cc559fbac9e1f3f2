"""Two-stage VAE (Dai and Wipf 2019): a second VAE learns the latents of the first one."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.evaluation.samplers import training
from jaxgen.evaluation.samplers.base import check_finite, noise, standardised
from jaxgen.metrics.extractors.statistics_file import Mismatch

facts = training.facts
# The decoder's standard deviation stays above this, since a perfect fit would send the density to infinity.
_LEAST_LOG_GAMMA = -6.0
_LOG_VARIANCE_BOUND = 15.0


# At the start, codes are nearly the latents, and the decoder nearly gives them back. From noise, such a VAE would
# rather learn to ignore its codes.
_FIRST_LOG_GAMMA, _FIRST_LOG_VARIANCE, _FIRST_SCALE = -1.5, -3.0, 0.1


def init(key: jax.Array, size: int, width: int) -> dict:
    """Parameters: three dense layers each way, and the logarithm of the decoder's standard deviation."""
    shapes = {"encoder": ((size, width), (width, width), (width, 2 * size))}
    shapes["decoder"] = ((size, width), (width, width), (width, size))
    params: dict[str, Any] = {"log_gamma": jnp.full((), _FIRST_LOG_GAMMA)}
    for number, (name, layers) in enumerate(shapes.items()):
        params[name] = [
            {
                "kernel": shape[0] ** -0.5 * jax.random.normal(jax.random.fold_in(key, 3 * number + i), shape),
                "bias": jnp.zeros(shape[1]),
            }
            for i, shape in enumerate(layers)
        ]
        params[name][-1]["kernel"] *= _FIRST_SCALE
    last = params["encoder"][-1]
    last["bias"] = last["bias"].at[size:].set(_FIRST_LOG_VARIANCE)
    return params


def _dense(layers: list[dict], x: jax.Array) -> jax.Array:
    """Dense layers with ReLU in between. The input is added to the last layer's first outputs (a linear way)."""
    start = x
    for i, layer in enumerate(layers):
        x = x @ layer["kernel"] + layer["bias"]
        x = jax.nn.relu(x) if i < len(layers) - 1 else x
    return x.at[:, : start.shape[1]].add(start)


def negative_elbo(params: dict, latents: jax.Array, key: jax.Array) -> jax.Array:
    """Minus the bound on log p(z) of the second VAE, the mean over latents [B, Z], in nats (section 4 of the paper)."""
    mean, log_variance = jnp.split(_dense(params["encoder"], latents), 2, axis=-1)
    log_variance = _LOG_VARIANCE_BOUND * jnp.tanh(log_variance / _LOG_VARIANCE_BOUND)
    codes = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
    log_gamma = jnp.maximum(params["log_gamma"], _LEAST_LOG_GAMMA)
    error = (latents - _dense(params["decoder"], codes)) * jnp.exp(-log_gamma)
    reconstruction = 0.5 * jnp.square(error) + log_gamma + 0.5 * jnp.log(2 * jnp.pi)
    kl = 0.5 * (jnp.square(mean) + jnp.expm1(log_variance) - log_variance)
    return jnp.mean(jnp.sum(reconstruction + kl, axis=-1))


@jax.jit
def drawn(params: dict, codes: jax.Array, normal: jax.Array) -> jax.Array:
    """Latents from p(z | u) with its noise: without it they would stay on the decoder's surface."""
    return _dense(params["decoder"], codes) + jnp.exp(jnp.maximum(params["log_gamma"], _LEAST_LOG_GAMMA)) * normal


class SecondStage(NamedTuple):
    """A fitted second VAE. params: as of `init`. mean, deviation: [Z], of the latents. facts: as for all samplers."""

    params: dict
    mean: np.ndarray
    deviation: np.ndarray
    facts: Mapping[str, Any]

    def draw(self, key: jax.Array, ids: np.ndarray) -> np.ndarray:
        """As for all samplers (`base.LatentSampler`)."""
        size = len(self.mean)
        _, normal = noise(key, np.asarray(ids, np.int32), 2 * size)
        latents = np.asarray(drawn(self.params, normal[:, :size], normal[:, size:]))
        return latents * self.deviation + self.mean

    def arrays(self) -> dict[str, np.ndarray]:
        """As for all samplers."""
        named = {"mean": self.mean, "deviation": self.deviation, "log_gamma": np.asarray(self.params["log_gamma"])}
        for network in ("encoder", "decoder"):
            for i, layer in enumerate(self.params[network]):
                named |= {f"{network}_{i}_{part}": np.asarray(values) for part, values in layer.items()}
        return named


def fit(latents: np.ndarray, settings, seed: int, facts: Mapping[str, Any]) -> SecondStage:
    """A second VAE with as many codes as latents, trained on nine tenths of them. The rest chooses the best parameters.

    Raises:
      UserError: too few latents, or a loss that is not finite.
    """
    scaled, mean, deviation = standardised(latents)
    start = init(jax.random.key(seed), latents.shape[1], settings.sampler_width)
    params, found = training.best(negative_elbo, start, scaled, settings.sampler_steps, seed, "two_stage")
    return SecondStage(jax.tree.map(np.asarray, params), mean, deviation, {**facts, **found})


def restore(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> SecondStage:
    """The second VAE from the arrays of a file.

    Raises:
      Mismatch: arrays that make none.
    """
    size, width = np.shape(arrays["encoder_0_kernel"])
    aims = jax.eval_shape(partial(init, size=size, width=width), jax.random.key(0))
    like = SecondStage(jax.tree.map(lambda a: np.zeros(a.shape), aims), np.zeros(size), np.zeros(size), facts).arrays()
    known = {name: np.asarray(arrays[name], np.float32) for name in like}
    if any(known[name].shape != like[name].shape for name in like):
        raise Mismatch("damaged (shapes)")
    check_finite(known)
    params: dict[str, Any] = {"log_gamma": known["log_gamma"]}
    for network in ("encoder", "decoder"):
        layers = range(len(aims[network]))
        params[network] = [{part: known[f"{network}_{i}_{part}"] for part in ("kernel", "bias")} for i in layers]
    return SecondStage(params, known["mean"], known["deviation"], facts)
