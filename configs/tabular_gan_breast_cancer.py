"""Tabular GAN (Goodfellow et al. 2014) with the diagnosis as a condition on Breast Cancer Wisconsin (Diagnostic).

The generator is CTGAN's (Xu et al. 2019), narrower. Columns are normal scores within each class. 5,000 steps, chosen on
the splits 10 and 11.

Paper: Xu et al. 2019, Modeling tabular data using conditional GAN.
Published: The paper gives no number for this data set.
Reached: C2ST forest AUC .601 +- .039, TSTR accuracy .931 +- .005 for five seeds after 5,000 steps
  (docs/evidence/studies.md, no seconds and no commit noted).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.breast_cancer(default.get_config())
    config.model.name = "tabular_gan"
    config.model.width = 128
    config.model.hidden_layers = 2
    config.model.latent_dim = 64
    config.model.dropout = 0.25
    return presets.length(config, steps=5_000, per_dispatch=100)
