"""Semi-supervised GAN on MNIST (Salimans et al. 2016, section 5): 100 labelled digits, 59,900 without labels.

Dense networks of the authors' sizes without weight normalisation, feature matching, Adam 3e-3 (0.5, 0.999), batch 100.

Paper: Salimans et al. 2016, Improved techniques for training GANs.
Published: No number that could be checked was at hand.
Differs: PyTorch-GAN uses all labels, a separate output for real or fake that alone trains the generator, and a second
  softmax. Here one softmax has a class for fakes, and only the chosen labels are used.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.data.labels = True
    config.model.update({"name": "headed_gan", "architecture": "dense", "width": 250})
    config.recipe.name, config.batch_size = "semi_supervised_gan", 100
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 3e-3, "schedule": "linear"})
    config.evaluation.metrics = ("label_accuracy", "fid")
    return presets.length(config, steps=30_000, every=1_000)  # 50 epochs of 60,000
