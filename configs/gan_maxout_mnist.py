"""GAN of Goodfellow et al. 2014 on MNIST as its authors trained it: ReLU generator, maxout discriminator with dropout.

The settings of the authors' mnist.yaml (goodfeli/adversarial): 1,200 units in both layers of both networks (240 of five
pieces in maxout), 100 uniform latents, batch 100. SGD at 0.1 with momentum 0.5 (rising to 0.7 there), dropout 0.5, and
0.2 on the pixels. One update of the discriminator, then one of the generator (Algorithm 1, k = 1). No moving average.

Paper: Goodfellow et al. 2014, Generative adversarial nets.
Published: Parzen log-likelihood 225 +- 2 (table 1).
Reached: not trained at full length. fd_efficientnet_lite0 73.80 +- 0.32, KID 0.1130 after 12,000 steps, 1,448 s on a
  busy machine (commit a0f4fcc).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.model.update({"name": "mlp_gan", "architecture": "goodfellow"})
    config.model.width = 1_200
    config.model.dropout = 0.5
    config.recipe.share_fakes = False
    config.recipe.ema_decay = 0.0
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"name": "sgd", "learning_rate": 0.1, "b1": 0.5})
    config.batch_size = 100
    return presets.length(config, steps=30_000, every=1_000)  # 50 epochs of 60,000
