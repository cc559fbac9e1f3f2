"""Six models on COVID-19 chest X-rays at 64x64, three seeds each, equal wall-clock: ten minutes for every run.

Settings as in the entries' own files (Radford et al. 2016 to Karras et al. 2020). Convolutional networks have half the
width, WGAN-GP a quarter, StyleGAN2-ADA an eighth of the channels. `--config.data.dir=DIR` is your copy of the Kaggle
COVID-19 Radiography folder or zip. Another set of X-rays: `--config.data.name=folder --config.data.dir=xray.zip`. 18
runs of 10 minutes, plus compilation and evaluation, take about 4 hours on any machine.

Paper: Radford et al. 2016 to Karras et al. 2020, as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: not trained at full length. One seed, 450 s a run, 64x64, 281 test images: FID 234.8 (DCGAN) to 444.3 (VQ-VAE)
  (commit 50b4170). 150 s a run at 32x32, two seeds (commit ca14554): docs/evidence/studies.md.
"""

from jaxgen.settings import default_study, presets


def get_config():
    study = default_study.get_config()
    study.title = "Six models on chest X-rays"
    study.budget.seconds = 600.0
    study.steps_per_dispatch = 5  # slow steps end near their time
    study.checkpoint_every = study.sample_every = 100
    presets.compared_images(study, num_samples=2_048)
    study.eval_every = 500  # for quality against wall-clock; rarer where steps are fast
    study.evaluation.allow_few_samples = True  # smaller sets of X-rays: marked in the output
    default_study.add(study, "dcgan", "dcgan_covid_xray", "DCGAN").model.width = 16
    default_study.add(study, "wgan_gp", "wgan_gp_covid_xray", "WGAN-GP").model.width = 8
    default_study.add(study, "sngan", "sngan_covid_xray", "SN-GAN").model.width = 16
    vae = default_study.add(study, "vae", "vae_covid_xray", "VAE")
    vae.model.width, vae.eval_every = 16, 1_000
    default_study.add(study, "vq_vae", "vq_vae_covid_xray", "VQ-VAE").model.width = 32
    stylegan2 = default_study.add(study, "stylegan2", "stylegan2_covid", "StyleGAN2-ADA")
    stylegan2.model.update({"channel_base": 2_048, "channel_max": 64, "latent_dim": 128})
    return study
