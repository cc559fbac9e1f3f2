"""Seven models on scikit-learn's digits at 16x16, three seeds each, equal images: 96,000 for every run (1,500 steps).

GAN (Goodfellow et al. 2014), DCGAN, LSGAN, WGAN-GP, SN-GAN, VAE and VQ-VAE as in their own files; DCGAN's and SN-GAN's
widths halved. No download. Meant for two cores in less than half an hour, report included.
"""

from jaxgen.settings import default_study


def get_config():
    study = default_study.get_config()
    study.title = "Seven models on the digits"
    study.budget.images = 96_000
    study.runs_at_once = 2  # on two cores: one each
    study.evaluation.metrics = (
        *("fd_efficientnet_lite0", "kid", "precision", "recall", "density", "coverage"),
        *("duplicates", "memorisation", "psnr", "ssim", "bits_per_dim"),
    )
    study.evaluation.num_samples = study.evaluation.num_samples_in_training = 1_000
    study.eval_every = 1_000  # for quality against wall-clock
    study.evaluation.metrics_in_training = ("fd_efficientnet_lite0",)
    default_study.add(study, "gan", "gan_digits", "GAN")
    default_study.add(study, "dcgan", "dcgan_digits", "DCGAN").model.width = 32
    default_study.add(study, "lsgan", "lsgan_digits", "LSGAN").model.width = 32
    default_study.add(study, "wgan_gp", "wgan_gp_digits", "WGAN-GP")
    default_study.add(study, "sngan", "sngan_digits", "SN-GAN").model.width = 8
    default_study.add(study, "vae", "vae_digits", "VAE")
    default_study.add(study, "vq_vae", "vq_vae_digits", "VQ-VAE")
    return study
