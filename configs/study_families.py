"""Every family of image models on MNIST at 28x28, equal wall-clock: three minutes of training steps for every run.

Settings as in the entries' own files, without batches of more critic updates. Convolutional networks have half the
width, and StyleGAN2 has 32x32. Learning rates are constant, since time ends the runs. The distance between samples and
test images is `fd_efficientnet_lite0`. `--config.evaluation.extractor=inception` makes it the FID.

Paper: Goodfellow et al. 2014 to Huang et al. 2024, as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: not trained at full length.
"""

from jaxgen.settings import default_study, presets

_FAMILIES = (
    ("gan_mnist", "GAN"),
    ("dcgan_mnist", "DCGAN"),
    ("sngan_mnist", "SN-GAN"),
    ("wgan_gp_mnist", "WGAN-GP"),
    ("stylegan2_mnist", "StyleGAN2 (tiny)"),
    ("r3gan_mnist", "R3GAN (tiny)"),
    ("ebgan_mnist", "EBGAN"),
    ("began_mnist", "BEGAN"),
    ("cgan_mnist", "CGAN"),
    ("acgan_mnist", "AC-GAN"),
    ("infogan_mnist", "InfoGAN"),
    ("bigan_mnist", "BiGAN"),
    ("aae_mnist", "AAE"),
    ("vae_gan_mnist", "VAE-GAN"),
    ("clustergan_mnist", "ClusterGAN"),
    ("vae_mnist", "VAE"),
    ("ladder_vae_mnist", "Ladder VAE"),
    ("two_stage_vae_mnist", "two-stage VAE"),
    ("rae_mnist", "RAE"),
    ("vq_vae_mnist", "VQ-VAE"),
    ("diffusion_mnist", "diffusion (tiny)"),
)
_HALF = {"dcgan": 16, "sngan": 16, "wgan_gp": 16, "acgan": 16, "infogan": 32, "vae_gan": 16, "clustergan": 16}
_HALF |= {"vae": 16, "two_stage_vae": 16, "rae": 16, "vq_vae": 32}


def get_config():
    study = default_study.get_config()
    study.title = "Every family on MNIST"
    study.budget.seconds = 180.0
    study.steps_per_dispatch = 10  # slow steps end near their time
    study.checkpoint_every = study.sample_every = 500
    for optimizer in study.optimizers.values():
        optimizer.schedule = "constant"
    presets.compared_images(study, num_samples=2_048)
    further = ("conditional_accuracy", "nmi", "cluster_accuracy")
    study.evaluation.metrics = (*study.evaluation.metrics, *further)
    study.recipe.n_critic = 1
    for experiment, title in _FAMILIES:
        name = experiment.removesuffix("_mnist")
        entry = default_study.add(study, name, experiment, title)
        if name in _HALF:
            entry.model.width = _HALF[name]
    return study
