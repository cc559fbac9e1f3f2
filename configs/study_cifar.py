"""Nine models on CIFAR-10, equal wall-clock: ten minutes of training steps for every run.

Settings as in the entries' own files, at a quarter of the width (WGAN-GP and SN-GAN an eighth), with one critic update
a step. Learning rates are constant, since time ends the runs. On a GPU set the widths and `--config.budget.seconds`.
The distance to test images is `fd_efficientnet_lite0`. `--config.evaluation.extractor=inception` makes it the FID.

Paper: Radford et al. 2016 to Huang et al. 2024, as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: not trained at full length, one seed. FID of 2,048 samples: LSGAN 114.7, DCGAN 119.4, StyleGAN2 (tiny) 187.8.
  420 s of steps on one core each (commit 4a27867).
"""

from jaxgen.settings import default_study, presets


def get_config():
    study = default_study.get_config()
    study.title = "Nine narrow models on CIFAR-10"
    study.budget.seconds = 600.0
    study.steps_per_dispatch = 5  # slow steps end near their time
    study.checkpoint_every = study.sample_every = 100
    for optimizer in study.optimizers.values():
        optimizer.schedule = "constant"
    study.recipe.n_critic = study.recipe.generator_batch = 1
    study.recipe.ema_decay = 0.999
    presets.compared_images(study, num_samples=2_048)
    study.eval_every = 500  # for quality against wall-clock; rarer where steps are fast
    for name, title in (("dcgan", "DCGAN"), ("lsgan", "LSGAN")):
        entry = default_study.add(study, name, f"{name}_cifar", title)
        entry.model.width, entry.eval_every = 16, 1_000
    default_study.add(study, "wgan_gp", "wgan_gp_cifar", "WGAN-GP").model.width = 16
    default_study.add(study, "sngan", "sngan_cifar", "SN-GAN").model.update({"width": 32, "discriminator_width": 16})
    vae = default_study.add(study, "vae", "vae_cifar", "VAE")
    vae.model.width, vae.eval_every = 16, 2_000
    default_study.add(study, "vq_vae", "vq_vae_cifar", "VQ-VAE").model.update({"width": 64, "prior_width": 64})
    default_study.add(study, "stylegan2", "stylegan2_tiny", "StyleGAN2 (tiny)")
    default_study.add(study, "r3gan", "r3gan_narrow_cifar", "R3GAN (narrow)")
    diffusion = default_study.add(study, "diffusion", "diffusion_tiny", "diffusion (tiny)")
    diffusion.evaluation.metrics = tuple(x for x in study.evaluation.metrics if x != "bits_per_dim")
    return study
