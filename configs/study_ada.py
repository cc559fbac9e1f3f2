"""StyleGAN2 with and without adaptive augmentation on the first 500 images of CIFAR-10, three seeds each, equal images.

Figures 1 and 7 of Karras et al. 2020 (Training GANs with limited data), with the networks of `stylegan2_tiny` at 16x16.
The R1 weight follows the paper's rule (0.0002 * 16^2 / 32). Without augmentation the discriminator memorises its few
images. Distances are to the whole test split. p may go from 0 to 1 in 50 kimg instead of 500, since a run has 154.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: Figures 1 and 7 show both cases, but no number for this size.
Reached: fd_efficientnet_lite0 41.5 +- 3.2 with ADA, 46.5 +- 0.7 without, after 4,800 steps, seconds not noted (commit
  7c49ca3): docs/evidence/studies.md.
"""

from jaxgen.settings import default_study


def get_config():
    study = default_study.get_config()
    study.title = "StyleGAN2 on 500 images, with ADA and without"
    study.budget.images = 153_600
    study.data.train_limit = 500
    study.data.image_size = 16
    study.recipe.r1_gamma = 0.0016
    study.sample_every = study.checkpoint_every = study.eval_every = 1_200
    study.evaluation.num_samples = study.evaluation.num_samples_in_training = 2_048
    study.evaluation.metrics = ("fid", "kid", "precision", "recall", "duplicates")
    study.evaluation.extractor = "efficientnet_lite0"
    default_study.add(study, "none", "stylegan2_tiny", "StyleGAN2")
    default_study.add(study, "ada", "stylegan2_tiny", "StyleGAN2-ADA").recipe.update(
        {"ada_pipeline": "bgc", "ada_target": 0.6, "ada_interval": 4, "ada_kimg": 50.0}
    )
    return study
