"""Seven models on MNIST, three seeds each, equal wall-clock: five minutes of training steps for every run.

Settings as in the entries' own files (Goodfellow et al. 2014 to van den Oord et al. 2017). Convolutional networks have
half the width. 21 runs of 5 minutes, plus compilation and evaluation, take 2 to 3 hours on any machine.
`--config.budget.seconds=60` makes a short trial. `--config.data.dir=DIR` takes the archives from a folder.

Paper: Goodfellow et al. 2014 to van den Oord et al. 2017, as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: not trained at full length. 150 s a run, two seeds (commit 81846bb): docs/evidence/studies.md.
"""

from jaxgen.settings import default_study, presets


def get_config():
    study = default_study.get_config()
    study.title = "Seven models on MNIST"
    study.budget.seconds = 300.0
    study.steps_per_dispatch = 10  # slow steps end near their time
    study.checkpoint_every = study.sample_every = 500
    presets.compared_images(study, num_samples=2_048)
    study.eval_every = 1_000  # for quality against wall-clock; rarer where steps are fast
    default_study.add(study, "gan", "gan_mnist", "GAN").eval_every = 2_000
    for name, title in (("dcgan", "DCGAN"), ("lsgan", "LSGAN")):
        entry = default_study.add(study, name, f"{name}_mnist", title)
        entry.model.width, entry.eval_every = 16, 2_000
    default_study.add(study, "wgan_gp", "wgan_gp_mnist", "WGAN-GP").model.width = 16
    default_study.add(study, "sngan", "sngan_mnist", "SN-GAN").model.width = 16
    vae = default_study.add(study, "vae", "vae_mnist", "VAE")
    vae.model.width, vae.eval_every = 16, 4_000
    default_study.add(study, "vq_vae", "vq_vae_mnist", "VQ-VAE").model.width = 32
    return study
