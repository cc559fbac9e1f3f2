"""WGAN on CIFAR-10 with clipped weights (Arjovsky et al. 2017, Algorithm 1): the paper's defaults on DCGAN's networks.

RMSprop 5e-5, clip 0.01, 5 critic updates a step, batch 64. RMSprop's decay 0.99 as in the authors' PyTorch code. It is
the slow baseline for WGAN-GP. The paper itself says that clipping is slow.

Paper: Arjovsky, Chintala and Bottou 2017, Wasserstein GAN.
Published: The paper gives no number. pytorch-gan-collections, with clip 0.1, Adam (0, 0.9), one critic update and a
  CNN: FID 40.03, Inception Score 6.62.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.recipe.loss = "wasserstein"
    config.recipe.weight_clip = 0.01
    config.recipe.n_critic = 5
    config.recipe.share_fakes = False
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"name": "rmsprop", "learning_rate": 5e-5, "b1": 0.0, "b2": 0.99})
    return presets.length(config, steps=100_000, every=1_000)
