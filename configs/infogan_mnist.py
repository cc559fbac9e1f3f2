"""InfoGAN on MNIST (Chen et al. 2016): a code of 10 values and two continuous codes among 62 numbers of noise.

The networks are those of the paper's appendix C. Q has a hidden layer of 128 units. Adam 2e-4 for D and Q, 1e-3 for G.
The run has 10 epochs. Within minutes DCGAN's body (`--config.model.architecture=radford`) gave codes that are no
digits.

Paper: Chen et al. 2016, InfoGAN: interpretable representation learning by information maximizing generative
  adversarial nets.
Published: No number that could be checked was at hand.
Differs: PyTorch-GAN has squared errors as adversarial loss and a second softmax. A third optimiser with latents of its
  own trains G and all of D there. Here Q learns on D's turn, as in the authors' code.
Reached: not trained at full length. Width 32: NMI 0.666, cluster accuracy 0.651 after 2,880 steps, 360 s on one core
  (commit 7f73066).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("dcgan_mnist")
    config.model.update(
        {"name": "headed_gan", "architecture": "chen", "width": 64, "latent_dim": 62, "head_width": 128}
    )
    config.recipe.name = "infogan"
    config.optimizers.generator.learning_rate = 1e-3
    return config
