"""Tabular WGAN-GP (CTGAN, Xu et al. 2019, Gulrajani et al. 2017) with the diagnosis as a condition, on Breast Cancer.

CTGAN's networks (two layers of 256, generator residual), packs of 10, lambda 10, Adam (0.5, 0.9) and classes by log
frequency. CTGAN's learning rate is 2e-4 and its columns are mode-specific. Here the rate is 5e-4. Columns are normal
scores within each class, since 21 pairs of columns correlate above 0.9, and modes would break these correlations.

Paper: Xu et al. 2019, Modeling tabular data using conditional GAN.
Published: The paper gives no number for this data set.
Reached: C2ST forest AUC .616 +- .038, TSTR accuracy .930 +- .006 for five seeds after 3,000 steps
  (docs/evidence/studies.md, no seconds and no commit noted).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.breast_cancer(default.get_config())
    config.data.class_sampling = "log"
    config.model.name = "tabular_gan"
    config.model.width = 256
    config.model.hidden_layers = 2
    config.model.latent_dim = 128
    config.model.dropout = 0.5
    config.model.pack = 10
    config.recipe.loss = "wasserstein"
    config.recipe.penalty = "wgan_gp"
    config.recipe.share_fakes = False
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 5e-4, "b2": 0.9})
    config.batch_size = 200
    return presets.length(config, steps=3_000, per_dispatch=100)
