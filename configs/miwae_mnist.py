"""MIWAE (Rainforth et al. 2018) on dynamically binarised MNIST, 28x28: the mean of 8 bounds of 8 draws.

The networks and the length are those of `iwae_mnist`. `--config.recipe.piwae=True` gives PIWAE. For CIWAE set
`iwae_bounds` to 1 and `iwae_elbo_share` to the weight of the ELBO.

Paper: Rainforth et al. 2018, Tighter variational bounds are not necessarily better.
Published: No number of the paper was verified here.
Differs: PyTorch-VAE's softmax over the draws has the wrong sign. Pythae normalises over the bounds and averages over
  the draws, which swaps both numbers.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("iwae_mnist")
    config.recipe.iwae_samples = config.recipe.iwae_bounds = 8
    return config
