"""VampPrior VAE (Tomczak and Welling 2018) on dynamically binarised MNIST: a prior of 500 learned images, 10 epochs.

The networks and the rest are those of vae_mnist. The KL term is estimated from one draw of each image.

Paper: Tomczak and Welling 2018, VAE with a VampPrior.
Published: No number for these networks was at hand.
Differs: PyTorch-VAE divides the log-variance by the variance in both densities. It also keeps the learned images in
  [0, 1], where its data lie in [-1, 1].
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_mnist")
    config.recipe.prior = "vamp"
    config.evaluation.metrics = ("bits_per_dim", *config.evaluation.metrics)
    return config
