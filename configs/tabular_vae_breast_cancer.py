"""Tabular VAE (TVAE, Xu et al. 2019) with the diagnosis as a condition on Breast Cancer Wisconsin (Diagnostic).

TVAE's two layers of 128 and Adam 1e-3. Eight latents (TVAE: 128) and 2,000 steps, chosen on the splits 10, 11 and 12.
With more of either, rows lay too near to training rows. Columns are normal scores within each class.

Paper: Xu et al. 2019, Modeling tabular data using conditional GAN.
Published: The paper gives no number for this data set.
Reached: C2ST forest AUC .597 +- .018, TSTR accuracy .929 +- .011 for five seeds after 2,000 steps
  (docs/evidence/studies.md, no seconds and no commit noted).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.breast_cancer(default.get_config())
    config.recipe.name = "vae"
    config.recipe.likelihood = "tabular"
    config.model.name = "tabular_vae"
    config.model.width = 128
    config.model.hidden_layers = 2
    config.model.latent_dim = 8
    return presets.length(config, steps=2_000, per_dispatch=100)
