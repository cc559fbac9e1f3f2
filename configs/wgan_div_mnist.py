"""WGAN-div (Wu et al. 2018) on MNIST: the penalty 2 ||grad D||^6 between reals and fakes.

Networks and training are those of `wgan_gp_mnist`.

Differs: PyTorch-GAN penalises reals and fakes themselves, and its generator takes the discriminator's latents again.

Paper: Wu et al. 2018, Wasserstein divergence for GANs.
Published: No number of samples' quality on MNIST was at hand.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("wgan_gp_mnist")
    config.recipe.penalty, config.recipe.penalty_weight = "wgan_div", 2.0
    return config
