"""Modes of Stacked MNIST that five GANs cover, equal wall-clock: eight minutes of training steps for every run.

Settings as in the entries' own files, without batches of more critic updates. Convolutional networks have half the
width, and StyleGAN2 has 32x32. Learning rates are constant, since time ends the runs. A classifier reads the digits of
26,000 samples.

Paper: Metz et al. 2017, Unrolled generative adversarial networks, and others as in the entries' own files.
Published: A study of our own. No published table has these settings.
Reached: not trained at full length, one of three seeds. DCGAN 972 modes, SN-GAN 923. 480 s of steps on one core each
  (commit 41b0c2a).
"""

from jaxgen.settings import default_study

# Name of the entry and of its experiment, title, width (0: as it is).
_ENTRIES = (("dcgan", "DCGAN", 16), ("sngan", "SN-GAN", 16), ("wgan_gp", "WGAN-GP", 16))
_ENTRIES += (("stylegan2", "StyleGAN2 (tiny)", 0), ("r3gan", "R3GAN (tiny)", 0))


def get_config():
    study = default_study.get_config()
    study.title = "Modes of Stacked MNIST"
    study.budget.seconds = 480.0
    study.steps_per_dispatch = 10  # slow steps end near their time
    study.checkpoint_every = study.sample_every = 500
    for optimizer in study.optimizers.values():
        optimizer.schedule = "constant"
    study.recipe.n_critic = 1
    for name, title, width in _ENTRIES:
        entry = default_study.add(study, name, f"{name}_stacked_mnist", title)
        entry.model.width = width or entry.model.width
    return study
