"""WGAN-GP (Gulrajani et al. 2017, Algorithm 1) with dense layers, those of PyTorch-GAN, on the digits at 16x16.

lambda 10, 5 critic updates a step, Adam 2e-4 (0.5, 0.999) as in PyTorch-GAN: the GAN of `gan_digits` with another
objective. No BatchNorm in any network.

Paper: Gulrajani et al. 2017, Improved training of Wasserstein GANs.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_digits, 1,500 steps, three seeds: fd_efficientnet_lite0 68.2 +- 8.6, 29 s
  a seed (commit 6bd453c).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("gan_digits")
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.penalty_weight = 10.0
    config.recipe.n_critic = 5
    config.recipe.share_fakes = False
    config.model.batch_norm = False
    return config
