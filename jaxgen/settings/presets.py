"""Settings that many experiments share and no paper decides: the keys of a data set, and the cadences of a run.

Each preset changes a config in place and returns it. The preset of a data set sets every key that depends on the data.
An experiment on one data set thus becomes an experiment on another: `presets.fashion_mnist(experiment("gan_mnist"))`.
"""

from ml_collections import ConfigDict

from jaxgen.settings import default

# Keys of `config.evaluation` that depend on the data.
_EVALUATION_KEYS = ("extractor", "num_samples", "allow_few_samples")


def _images(config: ConfigDict, name: str, size: int, channels: int, flip: bool = False) -> ConfigDict:
    for key in _EVALUATION_KEYS:
        config.evaluation[key] = default.get_config().evaluation[key]
    config.data.update({"name": name, "image_size": size, "channels": channels, "flip": flip})
    return config


def digits(config: ConfigDict) -> ConfigDict:
    """scikit-learn's 1,797 digits, enlarged from 8x8 to 16x16."""
    config = _images(config, "digits", 16, 1)
    config.evaluation.extractor = "efficientnet_lite0"  # offline and fast: images of 8x8 are none for Inception
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config


def mnist(config: ConfigDict, size: int = 28) -> ConfigDict:
    """MNIST: 60,000 training images, not mirrored."""
    return _images(config, "mnist", size, 1)


def fashion_mnist(config: ConfigDict, size: int = 28, flip: bool = False) -> ConfigDict:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 training images."""
    return _images(config, "fashion_mnist", size, 1, flip)


def cifar10(config: ConfigDict, flip: bool = True) -> ConfigDict:
    """CIFAR-10: 50,000 training images of 32x32 pixels, mirrored at random."""
    return _images(config, "cifar10", 32, 3, flip)


def svhn_cropped(config: ConfigDict) -> ConfigDict:
    """SVHN's cropped digits (Netzer et al. 2011): 73,257 training images of 32x32 pixels, not mirrored."""
    return _images(config, "svhn_cropped", 32, 3)


def sprites(config: ConfigDict) -> ConfigDict:
    """Squares, ellipses and hearts with known factors at 64x64: 100,000 training and 10,000 test images, made here.

    The metrics of disentanglement need 10,000 encoded images.
    """
    config.evaluation.metrics = ("mig", "sap", "factor_vae_score", "dci", "bits_per_dim", "active_units", "psnr")
    return _images(config, "sprites", 64, 1)


def covid_xray(config: ConfigDict) -> ConfigDict:
    """Kaggle's COVID-19 Radiography database (Rahman et al. 2021) at 64x64. Real images are resized as in training.

    Set data.dir to the folder or zip. For class folders of other X-rays add `--config.data.name=folder`.
    """
    config = _images(config, "covid_radiography", 64, 1)
    config.evaluation.metrics = ("kid", "fid")
    config.evaluation.num_samples = 2_115  # as many as there are test images
    config.evaluation.allow_few_samples = True  # smaller sets of X-rays: marked in the output
    return config


def image_folder(config: ConfigDict, size: int) -> ConfigDict:
    """Your own coloured images, mirrored at random. Set data.dir to the folder or zip."""
    return _images(config, "folder", size, 3, flip=True)


def stacked_mnist(config: ConfigDict, size: int = 28) -> ConfigDict:
    """Three digits of MNIST as the colours of an image (Metz et al. 2017): 1,000 modes, which a classifier counts."""
    config = _images(config, "stacked_mnist", size, 3)
    config.evaluation.metrics = ("stacked_modes",)
    config.evaluation.num_samples = 26_000  # the usual number
    return config


def _gaussians(config: ConfigDict, name: str) -> ConfigDict:
    config.data.name = name
    config.batch_size = 256
    config.evaluation.metrics = ("modes",)
    config.evaluation.num_samples = 2_500
    return config


def ring(config: ConfigDict) -> ConfigDict:
    """8 Gaussians on a circle (Metz et al. 2017)."""
    return _gaussians(config, "gaussian_ring")


def grid(config: ConfigDict) -> ConfigDict:
    """25 Gaussians on a grid (Srivastava et al. 2017)."""
    return _gaussians(config, "gaussian_grid")


def breast_cancer(config: ConfigDict) -> ConfigDict:
    """Breast Cancer Wisconsin (Diagnostic), split 70/30 by class, columns as normal scores within each class."""
    keys = {"name": "breast_cancer", "test_fraction": 0.3, "labels": True, "normalization": "class_quantile"}
    config.data.update(keys)
    two_samples = ("c2st_forest", "c2st_logistic")
    columns = ("ks_complement", "correlation_similarity", "frechet_columns")
    config.evaluation.metrics = (*two_samples, "tstr", *columns, "closest_record", "duplicate_rows", "class_ratio")
    config.evaluation.num_samples = 398  # as many as there are training rows
    within_classes = ("class_copula", "class_gaussian", "class_shuffled")
    config.evaluation.baselines = ("real", "bootstrap", *within_classes, "shuffled")
    config.sample.num_images = 569
    return config


def class_conditional(config: ConfigDict) -> ConfigDict:
    """Makes both networks conditional on the class of each image. Data without classes are refused."""
    config.data.labels = config.model.conditional = True
    return config


def length(config: ConfigDict, steps: int, every: int = 500, per_dispatch: int = 20) -> ConfigDict:
    """Sets the length of a run and its cadences.

    Args:
      config: changed in place.
      steps: number of updates.
      every: steps between two checkpoints, and between two grids of samples.
      per_dispatch: steps compiled into one call.
    """
    config.steps, config.steps_per_dispatch = steps, per_dispatch
    config.sample_every = config.checkpoint_every = every
    return config


def compared_images(study: ConfigDict, num_samples: int) -> ConfigDict:
    """Sets the metrics of a study on images: all metrics after training, the distance during training too.

    All runs have the network that is fast on any machine. `--config.evaluation.extractor=inception` makes it the FID.
    """
    samples = ("fid", "kid", "precision", "recall", "density", "coverage", "duplicates")
    study.evaluation.metrics = (*samples, "memorisation", "psnr", "ssim", "bits_per_dim")
    study.evaluation.num_samples = study.evaluation.num_samples_in_training = num_samples
    study.evaluation.metrics_in_training = ("fid",)
    study.evaluation.extractor = "efficientnet_lite0"
    return study
