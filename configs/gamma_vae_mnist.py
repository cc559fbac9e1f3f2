"""Gamma VAE on dynamically binarised MNIST: positive latents, gradients by rejection sampling (Naesseth et al. 2017).

The prior is Gamma(1, 1), the exponential distribution. The networks and the rest are those of vae_mnist, 10 epochs.

Paper: Naesseth et al. 2017, Reparameterization gradients through acceptance-rejection sampling algorithms.
Published: No number for this data set was at hand.
Differs: PyTorch-VAE never scales its raised draws back to their shape, and has no score correction. It also takes a
  softmax for shapes and rates, and swaps both in its KL term.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_mnist")
    config.recipe.posterior = "gamma"
    config.evaluation.metrics = ("bits_per_dim", *config.evaluation.metrics)
    return config
