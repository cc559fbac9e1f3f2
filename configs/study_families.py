"""Every family of image models on MNIST at 28x28, equal wall-clock: three minutes of training steps for every run.

Settings as in the entries' own files, without batches of more critic updates. Convolutional networks have half the
width, and StyleGAN2 has 32x32. Learning rates are constant, since time ends the runs. The distance between samples and
test images is `fd_efficientnet_lite0`. `--config.evaluation.extractor=inception` makes it the FID.

Paper: Goodfellow et al. 2014 to Huang et al. 2024, as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: not trained at full length, two of three seeds. FID of 2,048 samples, seed 0: AC-GAN 24.1, InfoGAN 24.4, ladder
  VAE 28.9. 180 s of steps on one core each (commit bc8319e).
"""

from jaxgen.settings import default_study, presets

# Name of the entry and of its experiment, title, width (0: as it is).
_GANS = (("gan", "GAN", 0), ("dcgan", "DCGAN", 16), ("sngan", "SN-GAN", 16), ("wgan_gp", "WGAN-GP", 16))
_GANS += (("stylegan2", "StyleGAN2 (tiny)", 0), ("r3gan", "R3GAN (tiny)", 0), ("ebgan", "EBGAN", 0))
_GANS += (("began", "BEGAN", 0), ("cgan", "CGAN", 0), ("acgan", "AC-GAN", 16), ("infogan", "InfoGAN", 32))
_ENCODERS = (("bigan", "BiGAN", 0), ("aae", "AAE", 0), ("vae_gan", "VAE-GAN", 16), ("clustergan", "ClusterGAN", 32))
_VAES = (("vae", "VAE", 16), ("ladder_vae", "Ladder VAE", 0), ("two_stage_vae", "two-stage VAE", 16))
_OTHERS = (("rae", "RAE", 16), ("vq_vae", "VQ-VAE", 32), ("diffusion", "diffusion (tiny)", 0))


def get_config():
    study = default_study.get_config()
    study.title = "Every family on MNIST"
    study.budget.seconds = 180.0
    study.recipe.n_critic, study.steps_per_dispatch = 1, 10  # slow steps end near their time
    study.checkpoint_every = study.sample_every = 500
    for optimizer in study.optimizers.values():
        optimizer.schedule = "constant"
    presets.compared_images(study, num_samples=2_048)
    study.evaluation.metrics = (*study.evaluation.metrics, "conditional_accuracy", "nmi", "cluster_accuracy")
    for name, title, width in (*_GANS, *_ENCODERS, *_VAES, *_OTHERS):
        entry = default_study.add(study, name, f"{name}_mnist", title)
        entry.model.width = width or entry.model.width
        if name == "diffusion":  # its likelihood takes thousands of passes of the network for each image
            entry.evaluation.metrics = tuple(x for x in study.evaluation.metrics if x != "bits_per_dim")
    study.entries.infogan.model.architecture = "radford"  # as in the runs that the page "Studies" shows
    return study
