"""Log-cosh VAE (Chen et al. 2019) on MNIST at 28x28 in its gray levels, as sigma_vae_mnist.

The likelihood is log-cosh with sharpness 10 as a density, with one learned scale for all pixels.

Paper: Chen et al. 2019, Log hyperbolic cosine loss improves variational auto-encoder.
Published: No number for this data set was at hand.
Differs: PyTorch-VAE takes log-cosh as a loss with a fixed scale of 1. Here it has its constant, and so bits per
  dimension that compare.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("sigma_vae_mnist")
    config.recipe.likelihood = "log_cosh"
    return config
