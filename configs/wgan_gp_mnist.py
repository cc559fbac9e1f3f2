"""WGAN-GP on MNIST (Gulrajani et al. 2017): the defaults of its Algorithm 1, on the CNN of Miyato et al. 2018.

lambda 10, 5 critic updates a step, Adam 1e-4 (0, 0.9), batch 64, no normalisation in the critic.

Paper: Gulrajani et al. 2017, Improved training of Wasserstein GANs.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 16, one critic update a step: fd_efficientnet_lite0 47.18 +- 0.21, KID 0.0660
  after 4,000 steps, 1,696 s (commit 863313a).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.model.update({"name": "sngan", "architecture": "cnn"})
    config.model.latent_dim = 128
    config.model.width = 32
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.penalty_weight = 10.0
    config.recipe.n_critic = 5
    config.recipe.share_fakes = False
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 1e-4, "b1": 0.0, "b2": 0.9})
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
