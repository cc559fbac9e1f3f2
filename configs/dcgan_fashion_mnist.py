"""DCGAN (Radford et al. 2016) on Fashion-MNIST (Xiao et al. 2017), all 60,000 images at 28x28: 10 epochs.

Adam 2e-4, beta1 0.5, weights from N(0, 0.02): the paper's section 4. A quarter of its width, enough for one channel.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "fashion_mnist"
    config.data.image_size = 28
    config.model.width = 32
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    return config
