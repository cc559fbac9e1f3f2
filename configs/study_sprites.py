"""VAE and beta-TC-VAE on sprites with known factors, five seeds each, equal images: whose codes stand for one factor?

Both have the networks and the optimiser of `vae_sprites`. beta-TC-VAE weights the total correlation six times. The
mutual information gap (MIG) of test images tells how far one code alone knows one factor. 5,000 steps a run.

Paper: Chen, Li, Grosse and Duvenaud 2018, Isolating sources of disentanglement in variational autoencoders.
Published: Figures of the paper show MIG on dSprites. No number of the paper was verified here.
Reached: MIG 0.076 +- 0.034 for beta-TC-VAE and 0.029 +- 0.017 for VAE after 5,000 steps, about 550 s on one core
  (commit d57f0c2): docs/evidence/studies.md.
"""

from jaxgen.settings import default_study


def get_config():
    study = default_study.get_config()
    study.title = "VAE and beta-TC-VAE on sprites"
    study.seeds = (0, 1, 2, 3, 4)
    study.rank_by = "mig"
    study.budget.images = 320_000
    study.steps_per_dispatch = 50
    study.sample_every = study.checkpoint_every = 1_000
    study.evaluation.num_samples = 10_000
    study.evaluation.metrics = ("mig", "sap", "dci", "factor_vae_score", "active_units", "psnr")
    default_study.add(study, "vae", "vae_sprites", "VAE")
    default_study.add(study, "beta_tc_vae", "beta_tc_vae_sprites", "beta-TC-VAE")
    return study
