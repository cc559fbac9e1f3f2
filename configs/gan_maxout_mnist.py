"""GAN of Goodfellow et al. 2014 on MNIST as its authors trained it: ReLU generator, maxout discriminator with dropout.

Their mnist.yaml (goodfeli/adversarial): 1,200 units in both layers of both networks (240 of five pieces in maxout), 100
uniform latents, batch 100, SGD at 0.1 with momentum 0.5 (rising to 0.7 there), dropout 0.5 and 0.2 on the pixels, one
update of the discriminator, then one of the generator; no moving average. Algorithm 1 with k = 1.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.model.name = "mlp_gan"
    config.model.architecture = "goodfellow"
    config.model.width = 1_200
    config.model.dropout = 0.5
    config.recipe.share_fakes = False
    config.recipe.ema_decay = 0.0
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"name": "sgd", "learning_rate": 0.1, "b1": 0.5})
    config.batch_size = 100
    config.steps = 30_000  # 50 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    return config
