"""SWAE (Kolouri et al. 2019) on MNIST, 28x28: a sliced Wasserstein distance in place of the KL term, 10 epochs.

50 directions, new ones in each step. Weights and networks are those of `wae_mmd_mnist`.

Paper: Kolouri, Pope, Martin and Rohde 2019, Sliced Wasserstein auto-encoders.
Published: No number of the paper was verified here.
Differs: PyTorch-VAE divides the weight by B (B - 1). Here the distance is a mean, so the weight means the same for any
  batch size.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("wae_mmd_mnist")
    config.recipe.regularizer = "sliced_wasserstein"
    return config
