"""MS-SSIM VAE (Snell et al. 2017) on CIFAR-10: structural similarity on two scales as the loss, as vae_cifar.

A loss is no likelihood, so that there are no bits per dimension. Its weight of 1,000 nats is a choice of jaxgen.

Paper: Snell et al. 2017, Learning to generate images with perceptual similarity metrics.
Published: No number for this data set was at hand.
Differs: PyTorch-VAE's window grows away from its centre, its last scale counts four times, and its data range is 1 for
  images in [-1, 1]. Negative contrast gives NaN there. Here the factor stays above 0, with a slope.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_cifar")
    config.recipe.likelihood = "ms_ssim"
    return config
