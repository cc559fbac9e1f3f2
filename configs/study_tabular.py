"""Tabular GAN, WGAN-GP and VAE on Breast Cancer Wisconsin (five seeds), beside copies, copulas and shuffled columns.

All three condition on the diagnosis and train on the same split (70/30, stratified). Every run is measured as the
baselines of baselines.json are (`config.evaluation.baselines`), which the report shows below the models.
"""

from jaxgen.settings import default_study


def get_config():
    study = default_study.get_config()
    study.title = "Breast Cancer Wisconsin: tabular models beside baselines"
    study.seeds = (0, 1, 2, 3, 4)
    study.eval_every = 1_000  # for quality against wall-clock
    study.evaluation.metrics_in_training = ("c2st_forest",)
    default_study.add(study, "gan", "tabular_gan_breast_cancer", "GAN")
    default_study.add(study, "wgan_gp", "tabular_wgan_gp_breast_cancer", "WGAN-GP (packs of 10)")
    default_study.add(study, "vae", "tabular_vae_breast_cancer", "VAE")
    return study
