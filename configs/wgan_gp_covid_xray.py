"""WGAN-GP (Gulrajani et al. 2017) on chest X-rays at 64x64 (Kaggle's Radiography database, Rahman et al. 2021).

The ResNet and settings of the authors' gan_64x64.py at half its width: layer normalisation in the critic, lambda 10, 5
critic updates a step, Adam 1e-4 (0, 0.9), batch 64, 128 latents. Set data.dir to the folder or zip; for class folders
of other X-rays add --config.data.name=folder.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "covid_radiography"
    config.data.image_size = 64
    config.model.name = "sngan"
    config.model.architecture = "resnet"
    config.model.layer_norm = True
    config.model.latent_dim = 128
    config.model.width = 32
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.penalty_weight = 10.0
    config.recipe.n_critic = 5
    config.recipe.share_fakes = False
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 1e-4, "b1": 0.0, "b2": 0.9})
    config.steps = 20_000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 1_000
    config.evaluation.metrics = ("kid", "fd_efficientnet_lite0")
    config.evaluation.num_samples = 2_115  # as many as there are test images
    config.evaluation.allow_few_samples = True  # smaller sets of X-rays: marked in the output
    return config
