"""Seven models on scikit-learn's digits at 16x16, three seeds each, equal images: 96,000 for every run (1,500 steps).

GAN (Goodfellow et al. 2014), LSGAN, WGAN-GP, SN-GAN, VAE and VQ-VAE are as in their own files. DCGAN is LSGAN's file
with the non-saturating loss. The widths of LSGAN, DCGAN and SN-GAN are halved. No download. Meant for two cores in less
than half an hour, report included.

Paper: Goodfellow et al. 2014 to van den Oord et al. 2017, as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: fd_efficientnet_lite0 from 11.2 +- 1.4 (VQ-VAE) to 117 +- 21 (GAN) after 1,500 steps, 19 min 42 s in all
  (commit 6bd453c): docs/evidence/studies.md.
"""

from jaxgen.settings import default_study, presets


def get_config():
    study = default_study.get_config()
    study.title = "Seven models on the digits"
    study.budget.images = 96_000
    study.runs_at_once = 2  # on two cores: one each
    presets.compared_images(study, num_samples=1_000)
    study.eval_every = 1_000  # for quality against wall-clock
    default_study.add(study, "gan", "gan_digits", "GAN")
    # A plain DCGAN: LSGAN's file with the usual loss. What dcgan_digits adds (augmentation, a bias) no other GAN has.
    dcgan = default_study.add(study, "dcgan", "lsgan_digits", "DCGAN")
    dcgan.model.width, dcgan.recipe.loss = 32, "non_saturating"
    default_study.add(study, "lsgan", "lsgan_digits", "LSGAN").model.width = 32
    default_study.add(study, "wgan_gp", "wgan_gp_digits", "WGAN-GP")
    default_study.add(study, "sngan", "sngan_digits", "SN-GAN").model.width = 8
    default_study.add(study, "vae", "vae_digits", "VAE")
    default_study.add(study, "vq_vae", "vq_vae_digits", "VQ-VAE")
    return study
