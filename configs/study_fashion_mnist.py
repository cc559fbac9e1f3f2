"""Five models on Fashion-MNIST, equal wall-clock: five minutes of training steps for every run.

Settings as in the entries' own files. Convolutional networks have half the width. The distance to test images is
`fd_efficientnet_lite0`. `--config.evaluation.extractor=inception` makes it the FID. `--config.data.dir=DIR` takes the
archives from a folder.

Paper: Kingma and Welling 2014 to Miyato et al. 2018, as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: three seeds, 300 s of steps on one core each, FID of 2,048 samples: DCGAN 50.6 +- 3.9, VQ-VAE 88.3 +- 6.3,
  SN-GAN 116 +- 15, VAE 141.8 +- 6.7, WGAN-GP 227 +- 36 (commit cb9627a, commit 06797e4): docs/evidence/studies.md.
"""

from jaxgen.settings import default_study, presets


def get_config():
    study = default_study.get_config()
    study.title = "Five models on Fashion-MNIST"
    study.budget.seconds = 300.0
    study.steps_per_dispatch = 10  # slow steps end near their time
    study.checkpoint_every = study.sample_every = 500
    presets.compared_images(study, num_samples=2_048)
    study.evaluation.metrics = ("fid", "kid", "precision", "recall", "coverage", "duplicates", "psnr", "ssim")
    default_study.add(study, "dcgan", "dcgan_fashion_mnist", "DCGAN").model.width = 16
    default_study.add(study, "wgan_gp", "wgan_gp_fashion_mnist", "WGAN-GP").model.width = 16
    default_study.add(study, "sngan", "sngan_fashion_mnist", "SN-GAN").model.width = 16
    default_study.add(study, "vae", "vae_fashion_mnist", "VAE").model.width = 16
    default_study.add(study, "vq_vae", "vq_vae_fashion_mnist", "VQ-VAE").model.width = 32
    return study
