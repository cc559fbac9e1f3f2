"""beta-TC-VAE (Chen et al. 2018) with beta = 6 on dynamically binarised MNIST, 28x28: 10 epochs.

Mutual information, total correlation and dimension-wise KL have the weights 1, 6 and 1. The rest is `vae_mnist`.

Paper: Chen, Li, Grosse and Duvenaud 2018, Isolating sources of disentanglement in variational autoencoders.
Published: No number of the paper was verified here.
Differs: PyTorch-VAE puts the stratified weights of an image's own latent into column 0. Here they lie on the diagonal.
  Its number of training images is the batch size divided by the KL weight. Here it is that of the data.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_mnist")
    config.recipe.regularizer = "total_correlation"
    config.model.latent_dim = 10
    config.evaluation.metrics = ("bits_per_dim", "active_units", *config.evaluation.metrics)
    return config
