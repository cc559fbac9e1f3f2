"""Tabular GAN, WGAN-GP and VAE on Breast Cancer Wisconsin (five seeds), beside copies, copulas and shuffled columns.

All three condition on the diagnosis and train on the same split (70/30, stratified). The baselines of baselines.json
(`config.evaluation.baselines`) are measured like the runs, and the report shows them below the models.

Paper: Xu et al. 2019, Modeling tabular data using conditional GAN, and others as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: C2ST forest AUC from .597 +- .018 (VAE) to .616 +- .038 (WGAN-GP) after 2,000 to 5,000 steps
  (docs/evidence/studies.md, no seconds and no commit noted).
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
