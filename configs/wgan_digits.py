"""WGAN with clipped weights (Arjovsky et al. 2017, Algorithm 1) on the digits at 16x16: RMSprop 5e-5, clip 0.01.

5 critic updates a step, batch 64; RMSprop's decay 0.99 as in the authors' PyTorch code.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.model.width = 32
    config.model.latent_dim = 32
    config.recipe.loss = "wasserstein"
    config.recipe.weight_clip = 0.01
    config.recipe.n_critic = 5
    config.recipe.share_fakes = False
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"name": "rmsprop", "learning_rate": 5e-5, "b1": 0.0, "b2": 0.99})
    config.steps = 4_500
    config.steps_per_dispatch = 20
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
