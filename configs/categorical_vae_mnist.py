"""Categorical VAE (Jang et al. 2017) on dynamically binarised MNIST: 30 variables of 10 categories, Gumbel-softmax.

The temperature falls from 1 to 0.5. The networks and the rest are those of vae_mnist, 10 epochs. Evaluation draws
one-hot vectors.

Paper: Jang, Gu and Poole 2017, Categorical reparameterization with Gumbel-softmax.
Published: No number for these networks was at hand.
Differs: PyTorch-VAE starts at its least temperature, so that it never anneals. It also evaluates relaxed draws, which
  bound no likelihood.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_mnist")
    config.recipe.posterior = "categorical"
    config.model.latent_dim = 300
    config.evaluation.metrics = ("bits_per_dim", *config.evaluation.metrics)
    return config
