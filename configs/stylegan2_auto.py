"""StyleGAN2 with ADA, its settings derived from resolution, devices and batch (Karras et al. 2020, limited data).

    --config=configs/stylegan2_auto.py:256,8       images of 256x256 on 8 devices
    --config=configs/stylegan2_auto.py:256,8,32    the same with a batch of 32 in all

The rules are those of "auto" in the paper's code: batch, R1 gamma 0.0002 r^2 / batch, moving average, channels, rate.
The data are --config.data.name and --config.data.dir (unless told, CIFAR-10). The steps make 25,000 kimg.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: no number, since it depends on the images.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config(sizes: str = "32,1"):
    parts = sizes.split(",")
    if not (2 <= len(parts) <= 3 and all(part.isdigit() and int(part) for part in parts)):
        raise ValueError(f"{sizes!r}: it must be resolution,devices or resolution,devices,batch, such as 256,8")
    resolution, devices, *given = map(int, parts)
    # What fits into a device's memory, 64 at most, and one image for each device at least.
    batch = given[0] if given else max(min(devices * min(4_096 // resolution, 32), 64), devices)
    config = experiment("stylegan2_ada_cifar")
    config.data.image_size = resolution
    config.batch_size = batch
    config.num_devices = devices
    config.model.discriminator_architecture = "resnet"
    config.model.channel_base = 32_768 if resolution >= 512 else 16_384
    config.model.stddev_group = max(min(batch // devices, 4), 1)
    config.model.bfloat16_resolutions = 4
    config.recipe.path_length_weight = 2.0
    config.recipe.style_mixing = 0.9
    config.recipe.r1_gamma = 0.0002 * resolution**2 / batch
    config.recipe.ema_kimg = batch * 10 / 32
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.learning_rate = 0.002 if resolution >= 1_024 else 0.0025
    config.steps = 25_000_000 // batch // 20 * 20
    return config
