"""Every key of jaxgen, with its meaning. An experiment starts from `get_config()` and changes some keys.

Override any key on the command line: `--config.batch_size=128 --config.data.name=mnist`.

`tools/pages/config_reference.py` makes the page "Config keys" of this file. A comment at the end of a line, or right
above it, belongs to the key of that line. A comment with an empty line below it is a heading. A second one is a
paragraph below the heading.
"""

from ml_collections import ConfigDict


def optimizer(**changes) -> ConfigDict:
    """The optimiser of one network, from optax."""
    values = {
        "name": "adam",  # The optimiser: `adam`, `adamw`, `rmsprop` or `sgd`.
        "learning_rate": 2e-4,  # The learning rate, after the warm-up.
        "b1": 0.5,  # Decay of the first moment (`adam`, `adamw`), or the momentum (`rmsprop`, `sgd`).
        "b2": 0.999,  # Decay of the second moment (`adam`, `adamw`), or of the squared gradients (`rmsprop`).
        "eps": 1e-8,  # This number is added to the denominator of a step.
        "weight_decay": 0.0,  # Weight decay of `adamw`.
        "clip_norm": 0.0,  # The gradient is clipped to this global norm. 0: no clipping.
        # The learning rate over time: `constant`, `linear` (falls to 0 at the last step) or `cosine`.
        "schedule": "constant",
        "warmup_steps": 0,  # The learning rate rises linearly from 0 over this number of steps.
    }
    unknown = set(changes) - set(values)
    if unknown:
        raise KeyError(f"optimizer: unknown {sorted(unknown)}. It has {sorted(values)}")
    return ConfigDict({**values, **changes})


def alarm(threshold: float, patience: int) -> ConfigDict:
    """When one alarm goes off."""
    values = {
        "threshold": threshold,  # The value is bad beyond this number.
        # The alarm goes off after this number of steps in which every line of metrics.jsonl was bad.
        # At least two lines must be bad. 0: the alarm is off.
        "patience": patience,
    }
    return ConfigDict(values)


def get_config() -> ConfigDict:
    """The defaults: a DCGAN on the digits that scikit-learn carries."""
    config = ConfigDict()

    # The run

    config.seed = 0  # The seed of the parameters, the latents and the order of the data.
    # The number of seeds that one program trains: `seed`, `seed + 1` and so on. Each gives the run that it would give
    # alone.
    config.num_seeds = 1
    # The seeds are spread over this number of groups of devices. 0: as many groups as divide the seeds.
    config.seed_devices = 0
    # How one group of devices trains its seeds. `vmap`: all in one batched program. `map`: one after the other.
    # `auto`: `vmap` for networks without convolutions on accelerators, else `map`. Batched convolutions are slow.
    config.seed_program = "auto"
    # Training starts from the weights, statistics and moving averages of this run. The value is a work directory or
    # one of its checkpoints, DIR/checkpoints/STEP. A layer of another shape starts at random. "": all start at random.
    config.init_from = ""
    config.steps = 3_000  # The number of updates of the generator, or of the VAE.
    config.budget = ConfigDict()  # A limit on the training time.
    # Training ends once its steps have taken this number of seconds, over all restarts. Compilation, evaluation and
    # saving do not count. Such a run is not reproducible to the bit. 0: no limit.
    config.budget.seconds = 0.0
    config.batch_size = 64  # The number of examples in one update, over all devices together.
    # A batch is split into this number of parts, one after the other. Their gradients are averaged. More parts need
    # less memory.
    config.grad_accum_steps = 1
    # Each device holds a share of the optimisers' state and of the mean gradient (stages 1 and 2 of ZeRO, Rajbhandari
    # et al. 2020). This needs less memory. Each update has a reduce-scatter and an all-gather, not an all-reduce.
    config.shard_optimizer = False
    # The numbers of the networks: `float32` or `bfloat16`. Parameters and optimisers stay float32.
    config.compute_dtype = "float32"
    # One call of the compiled program does this number of steps. Every interval below must be a multiple of it.
    config.steps_per_dispatch = 10
    # The number of devices. 0: all devices of this process and of the other processes.
    config.num_devices = 0
    # The folder of compiled programs. `auto`: xla/ in the folder of caches. "": programs are not kept.
    config.compilation_cache = "auto"

    # What is written, and how often

    # Every interval counts steps, and 0 means never. The last step counts for every interval above 0. A run always ends
    # with a checkpoint.

    config.log_every = 100  # Steps between two lines of metrics.jsonl. A line holds means since the last line.
    config.sample_every = 500  # Steps between two PNG grids of samples. All grids come from the same latents.
    config.checkpoint_every = 500  # Steps between two checkpoints. The same command goes on from the newest one.
    config.keep_checkpoints = 2  # The number of newest checkpoints that are kept.
    # The checkpoint that is best by this metric is kept too. It needs `eval_every`. "": no such checkpoint.
    config.best_metric = ""
    config.histogram_every = 1_000  # Steps between two histograms of the parameters in TensorBoard.
    config.report = True  # At its end the run writes report/index.html. Runs of a study leave the page to the study.
    # Trackers show numbers and pictures: `tensorboard`, `wandb`, `mlflow` or an import path. `wandb` and `mlflow` need
    # the extras of these names. A run can go on with other trackers. `()`: no tracker.
    config.trackers = ("tensorboard",)
    # Steps between two evaluations during training. They use `evaluation.num_samples_in_training` samples.
    config.eval_every = 0

    # Alarms

    config.alarms = ConfigDict()  # An alarm reads every line of metrics.jsonl. The page "Alarms" explains each of them.
    # Names of alarms that save and end the run with exit code 2, such as `("divergence",)`.
    config.alarms.stop = ()
    # Value: a loss, divided by the median of its earlier lines. Medians below 1 count as 1.
    config.alarms.divergence = alarm(threshold=100.0, patience=200)
    # Value: the share of nearly equal pairs among the fakes of a batch, minus the share among the reals.
    config.alarms.collapse = alarm(threshold=0.25, patience=1_000)
    # Value: the norm of the generator's gradient, divided by the norm of its weights. Small values are bad.
    config.alarms.vanishing_gradient = alarm(threshold=1e-5, patience=500)
    # Value, of a VAE: the share of latent dimensions with a KL divergence below 0.01 nats.
    config.alarms.posterior_collapse = alarm(threshold=0.99, patience=1_000)
    # Value, of a VQ-VAE: the perplexity of the codes in a batch. Small values are bad.
    config.alarms.codebook_collapse = alarm(threshold=1.5, patience=1_000)

    # Data

    config.data = ConfigDict()  # The data set. The guide "Data" describes every source.
    # The source. Images: `digits`, `mnist`, `stacked_mnist`, `fashion_mnist`, `cifar10`, `svhn_cropped`,
    # `covid_radiography`, `ieee8023`, `sprites`, `folder`, `array`, `tfds:<name>`. Vectors: `gaussian_ring`,
    # `gaussian_grid`, `gaussian_1d`. Tables: `breast_cancer`, `csv`. Or an import path. `none`: no data, for a
    # converted network that only samples.
    config.data.name = "digits"
    # The folder of the original archives. For `folder`, `array` and `csv`: the data themselves, a folder or a file.
    # "": `cache_dir`.
    config.data.dir = ""
    # The folder of downloads and decoded arrays. "": the variable $JAXGEN_CACHE, or ~/.cache/jaxgen.
    config.data.cache_dir = ""
    config.data.download = True  # A missing archive is downloaded, and its SHA-256 is checked.
    config.data.image_size = 16  # The side of an image in pixels. 0: the size of the data.
    config.data.channels = 1  # 1 (gray) or 3 (colour). 0: the channels of the data.
    # `center`: the middle square. `none`: the whole image, so that `image_size` changes its proportions.
    config.data.crop = "center"
    # How Pillow resizes images: `lanczos`, `bicubic`, `bilinear` or `nearest`. All are antialiased.
    config.data.resize = "lanczos"
    config.data.train_split = "train"  # The split that trains the networks.
    config.data.test_split = "test"  # The split that samples are measured against.
    # The share of each class in the test split, for tables and for a `folder` without train/ and test/.
    config.data.test_fraction = 0.1
    # For `ieee8023`: the findings to use, in this order, such as `("COVID-19", "No Finding")`. (): all findings.
    config.data.finding = ()
    config.data.view = ()  # For `ieee8023`: the views to use, such as `("PA", "AP", "AP Supine")`. (): all views.
    config.data.modality = ()  # For `ieee8023`: the modalities to use, such as `("X-ray",)`. (): all modalities.
    config.data.limit = 0  # Only the first examples of each split are used, this number of them. 0: all.
    # Only the first examples of the training split are used, this number of them. The test split stays whole. 0: all.
    config.data.train_limit = 0
    # `never`: all images lie on every device. `always`: they are read from their files during training. `auto`: they
    # are read from files if their pixels take more than `resident_mib`. The batches are the same in each case.
    # Sources that can stream: `folder`, `array`, `covid_radiography`, `ieee8023`.
    config.data.streaming = "auto"
    config.data.resident_mib = 4_096  # The limit of `streaming="auto"` in MiB, for the pixels of all splits.
    config.data.workers = 0  # The number of threads that read and decode images. 0: one for each core.
    config.data.skip_bad_images = False  # Unreadable images are left out and counted. False: they are an error.
    config.data.labels = False  # True: data without class labels are refused.
    config.data.num_classes = 0  # Data with another number of classes are refused. 0: any number.
    config.data.flip = False  # Images are mirrored at random in training.
    # For `gaussian_*`, `stacked_mnist`, `sprites`: the number of examples in the training split. The test split has a
    # tenth of it.
    config.data.num_points = 100_000
    # For `gaussian_*`, `stacked_mnist`, `sprites`: the seed of the examples. For tables: the seed of the split. For
    # `semi_supervised_gan`: the seed of the choice of labelled examples. -1: the value of `config.seed`.
    config.data.seed = 0
    config.data.label_column = ""  # For `csv`: the column that holds the class. "": there is none.
    config.data.categorical_columns = ()  # For `csv`: other columns whose cells are names and not numbers.
    config.data.missing = "refuse"  # For `csv`: what happens to rows with empty cells, `refuse` or `drop_rows`.
    # For `csv`: the words that count as empty cells, in any case of letters. (): every cell is a value.
    config.data.missing_words = ("", "na", "n/a", "nan", "null", "none", "?")
    # For tables: how numbers are encoded for the networks. The encoding is fitted on the training split. `quantile`:
    # normal scores. `class_quantile`: normal scores within each class. `mode_specific`: Gaussian mixtures, as in CTGAN.
    config.data.normalization = "quantile"
    # How examples are drawn. `uniform`: each example once an epoch. `log`: classes by the logarithm of their frequency.
    config.data.class_sampling = "uniform"

    # Networks

    config.model = ConfigDict()  # The networks. Each model reads some of these keys.
    # The model. GANs: `dcgan`, `sngan`, `mlp_gan`, `point_gan` (vectors), `stylegan2`, `r3gan`, `tabular_gan`, `cgan`
    # (concatenated labels), `headed_gan` (several outputs), `energy_gan` (an autoencoder as discriminator). GANs with
    # an encoder or a partner: `bigan`, `vae_gan`, `cluster_gan`, `cogan`. VAEs: `conv_vae`, `mlp_vae`, `residual_vae`,
    # `ladder_vae`, `vq_vae`, `tabular_vae`. Diffusion: `unet`. Or an import path.
    config.model.name = "dcgan"
    # The form of the network. `dcgan`: `radford` (transposed convolutions) or `pytorch_gan` (upsampling). `sngan`:
    # `cnn` or `resnet`. `mlp_gan`: `goodfellow` or `pytorch_gan`. `stylegan2` (generator): `orig`, `skip` or `resnet`.
    # `cgan`: `radford` or `pytorch_gan` (dense). `headed_gan`: `radford`, `chen` (with a dense layer), `pytorch_gan` or
    # `dense`. `energy_gan`: `conv` or `dense`. `bigan`: `mlp` or `radford`.
    config.model.architecture = "radford"
    config.model.latent_dim = 100  # The size of the latents z. For `stylegan2` also the size of w.
    # The number of channels at the highest resolution. Deeper layers double it. For dense networks: units of a layer.
    config.model.width = 64
    # Networks have BatchNorm, with statistics over all devices. False: no network has BatchNorm.
    config.model.batch_norm = True
    # For `dcgan`, `cgan` (both `radford`) and `headed_gan` (`radford`, `chen`): the generator's last layer has a bias,
    # so that a black ground is within reach. The paper's network has none.
    config.model.output_bias = False
    # The dropout rate in the discriminators of `tabular_gan`, `mlp_gan` (`goodfellow`), and `dcgan`, `cgan` and
    # `headed_gan` (all `pytorch_gan`), and in the `unet`.
    config.model.dropout = 0.25
    # For `dcgan`, `cgan` (both `radford`), `headed_gan` (`radford`, `chen`), `energy_gan`, `sngan`, `point_gan`,
    # `tabular_gan`: the width of the discriminator. 0: the same as `width`.
    config.model.discriminator_width = 0
    # For `dcgan` (`radford`), `headed_gan` (`radford`, `chen`), `sngan`, `point_gan`, `tabular_gan`: the discriminator
    # has spectral normalisation.
    config.model.spectral_norm = False
    config.model.layer_norm = False  # For `sngan`: the discriminator has LayerNorm, for gradient penalties.
    # For `sngan`, `stylegan2`, `r3gan`, `unet`, `conv_vae`, `mlp_vae`: the networks know the class.
    config.model.conditional = False
    # For `point_gan`, `tabular_gan`, `tabular_vae`: the number of hidden layers in each network. For `energy_gan`
    # (`dense`): in the generator.
    config.model.hidden_layers = 3
    config.model.num_clusters = 10  # For `cluster_gan`: the number of clusters.
    config.model.pack = 1  # For `tabular_gan`: the discriminator judges this number of rows together (PacGAN).
    # For `point_gan`, `energy_gan`: the distribution of the latents, `normal` or `uniform`. Both have variance 1.
    config.model.latents = "normal"
    config.model.data_scale = 1.0  # For `point_gan`: the discriminator sees the points divided by this number.
    # For `residual_vae`, `vq_vae`: residual blocks at the lowest resolution, in the encoder and in the decoder. For
    # `unet`: residual blocks at each resolution on the way down, and one more on the way up. For `r3gan`: residual
    # blocks at each resolution, in each network.
    config.model.residual_blocks = 2
    config.model.downsamplings = 2  # For `residual_vae`, `vq_vae`: how many times the encoder halves the sides.
    config.model.num_codes = 512  # For `vq_vae`: the number of entries in the codebook.
    # For `vq_vae`: the size of an entry. For `energy_gan`: the size of the autoencoder's code.
    config.model.code_dim = 64
    config.model.prior_width = 128  # For `vq_vae`: the width of the transformer over the codes.
    config.model.prior_layers = 4  # For `vq_vae`: the number of layers of the transformer.
    config.model.prior_heads = 4  # For `vq_vae`: the number of attention heads in each layer.

    # For `unet`, `r3gan`: the channels at each resolution, in units of `width`. Each resolution has half the side of
    # the last.
    config.model.channel_multipliers = (1, 2)
    config.model.attention_sides = ()  # For `unet`: sides of the feature maps with self-attention, such as `(16,)`.
    # For `unet`: squares of this side are the pixels of the highest resolution (Hoogeboom et al. 2023). With 2 a step
    # costs less.
    config.model.patch = 1

    config.model.group_width = 16  # For `r3gan`: the number of channels in a group of a grouped convolution.
    # For `headed_gan`: every output but the first has a hidden layer of this number of units. 0: none has.
    config.model.head_width = 0
    # For `headed_gan` (`dense`): the standard deviation of Gaussian noise between the layers of the discriminator.
    config.model.layer_noise = 0.5
    # For `ladder_vae`: the number of latents on each level, from the image up.
    config.model.level_dims = (32, 16)
    config.model.level_widths = (256, 128)  # For `ladder_vae`: the units of the two dense layers below each level.

    # Networks of StyleGAN2

    config.model.discriminator_architecture = "resnet"  # The discriminator: `orig`, `skip` or `resnet`.
    config.model.mapping_layers = 8  # The number of layers of the mapping network.
    config.model.mapping_lr_multiplier = 0.01  # The learning rate of the mapping network is multiplied by this.
    config.model.channel_base = 32_768  # A layer at resolution r has `channel_base` / r channels.
    config.model.channel_max = 512  # No layer has more channels than this.
    config.model.conv_clamp = 0.0  # Activations are clipped to plus and minus this number. 0: no clipping.
    config.model.stddev_group = 4  # Minibatch standard deviation compares this number of images.
    # This number of the highest resolutions computes in bfloat16. For `r3gan`, too.
    config.model.bfloat16_resolutions = 0
    # The backward pass computes the activations of this number of the highest resolutions again. This needs less memory
    # and more operations.
    config.model.remat_resolutions = 0
    # Each image has its own kernel in a grouped convolution. This is slow on CPUs.
    config.model.fused_modulation = False

    # Training

    config.recipe = ConfigDict()  # The objective. Each recipe reads some of these keys.
    # The recipe: `gan`, `r3gan`, `acgan`, `infogan`, `semi_supervised_gan`, `ebgan`, `began`, `bigan`,
    # `adversarial_autoencoder`, `vae_gan`, `cluster_gan`, `cogan`, `stylegan2`, `vae`, `factor_vae`, `ladder_vae`,
    # `rae`, `vq_vae`, `diffusion`, or an import path.
    config.recipe.name = "gan"
    # The decay of the moving average of the generator, the VAE or the denoiser. Samples come from this average. 0: no
    # average.
    config.recipe.ema_decay = 0.999

    # Training of GANs

    # The loss: `non_saturating`, `saturating` (or `minimax`), `least_squares`, `wasserstein`, `hinge`, `relativistic`,
    # `relativistic_average`, `softmax`, `boundary_seeking`, or an import path.
    config.recipe.loss = "non_saturating"
    config.recipe.n_critic = 1  # The number of discriminator updates for each generator update.
    # The generator goes first, and the discriminator sees the same fakes. This needs `n_critic=1`.
    config.recipe.share_fakes = True
    # A generator update makes this number of batches of fakes. More than 1 needs `share_fakes=False`.
    config.recipe.generator_batch = 1
    # The gradient penalty: `wgan_gp`, `dragan`, `r1`, `r2`, `r1_r2`, `zero_centered`, `wgan_div`, or an import path.
    # "": none.
    config.recipe.penalty = ""
    # Lambda of `wgan_gp` and `dragan`, gamma of `r1`, `r2` and `r1_r2`, k of `wgan_div`.
    config.recipe.penalty_weight = 10.0
    # The penalty is about gradients with respect to the images before augmentation and noise, and not after them.
    config.recipe.penalize_plain = False
    # The discriminator's parameters are clipped to plus and minus this number after each update. 0: no clipping.
    config.recipe.weight_clip = 0.0
    config.recipe.label_smoothing = 0.0  # The target of real images is 1 minus this number (one-sided).
    # The reals that the discriminator sees get uniform noise as wide as one gray level.
    config.recipe.dequantize = False
    # The standard deviation of Gaussian noise on all images that the discriminator sees.
    config.recipe.instance_noise = 0.0
    config.recipe.instance_noise_steps = 10_000  # The instance noise falls linearly to 0 over this number of steps.
    # DiffAugment on all images that the discriminator sees: some of `color,translation,cutout`. "": none.
    config.recipe.diff_augment = ""

    # Training of R3GAN

    # This recipe also reads `loss`, `r1_gamma`, `ada_initial_p` and `ema_kimg`. Over the first images, settings move by
    # half a cosine to their last values. The half-life of the moving average starts at 0.

    config.recipe.burn_in_kimg = 20_000.0  # Thousands of images after which the settings have their last values.
    config.recipe.final_learning_rate = 5e-5  # The last learning rate of both optimisers.
    config.recipe.final_b2 = 0.99  # The last decay of the squared gradients, `b2` of both optimisers.
    config.recipe.final_r1_gamma = 0.0  # The last weight of R1 and R2. The first one is `r1_gamma`.
    # The last probability of each augmentation of the images that the discriminator sees: ADA's `bgc` and its cutout,
    # with colours changed half as often. The first one is `ada_initial_p`.
    config.recipe.final_augment_p = 0.0

    # Training of GANs with further outputs

    # These keys belong to discriminators with a second output, or with an autoencoder. Such recipes also read
    # `share_fakes`, and `acgan` and `infogan` read `loss` and `label_smoothing`.

    config.recipe.class_weight = 1.0  # For `acgan`: the weight of the log-likelihood of the class.
    config.recipe.categorical_codes = (10,)  # For `infogan`: the number of values of each categorical code.
    config.recipe.continuous_codes = 2  # For `infogan`: the number of codes that are uniform in [-1, 1).
    config.recipe.code_weight = 1.0  # For `infogan`: lambda of the categorical codes.
    config.recipe.continuous_code_weight = 0.1  # For `infogan`: lambda of the continuous codes.
    # For `semi_supervised_gan`: the number of training examples of each class whose label is known. `data.seed` chooses
    # them.
    config.recipe.labelled_per_class = 10
    config.recipe.unlabelled_weight = 1.0  # For `semi_supervised_gan`: the weight of the loss of real and fake images.
    config.recipe.margin = 10.0  # For `ebgan`: fakes of more energy than this no longer count for the discriminator.
    config.recipe.pull_away_weight = 0.1  # For `ebgan`: the weight of the pull-away term. 0: none.
    # For `began`: gamma, the wanted ratio of the errors of fake and real images. Small values give less diverse images.
    config.recipe.diversity_ratio = 0.5
    config.recipe.balance_rate = 0.001  # For `began`: how fast the weight of the fakes follows that ratio.

    # Training of GANs with an encoder or a partner

    # These recipes also read the loss and, but for `cogan`, the gradient penalty.

    # For `adversarial_autoencoder`: the weight of the adversary, where the log-likelihood of an image has weight 1.
    config.recipe.adversary_weight = 1.0
    config.recipe.critic_width = 512  # For `adversarial_autoencoder`: units of a layer in the discriminator of latents.
    config.recipe.critic_layers = 2  # For `adversarial_autoencoder`: hidden layers of that discriminator.
    # For `vae_gan`: the weight of the feature error in the generator's loss, gamma in the paper.
    config.recipe.feature_weight = 0.01
    config.recipe.latent_deviation = 0.1  # For `cluster_gan`: the standard deviation of the continuous latents.
    # For `cluster_gan`: the weight of the squared error of the continuous latents, a mean over them.
    config.recipe.latent_weight = 10.0
    config.recipe.cluster_weight = 10.0  # For `cluster_gan`: the weight of the cross-entropy of the cluster.
    # For `cogan`: how images of the second kind are made, `edges` or `negative`.
    config.recipe.second_kind = "edges"

    # Training of StyleGAN2

    config.recipe.r1_gamma = 10.0  # The weight of R1 (for `r3gan` also of R2). The loss halves it. 0: no R1.
    config.recipe.r1_interval = 16  # Steps from one R1 update to the next.
    config.recipe.path_length_weight = 2.0  # The weight of path length regularisation. 0: none.
    config.recipe.path_length_interval = 4  # Steps from one path length update to the next.
    config.recipe.path_length_decay = 0.01  # The decay of the mean path length.
    config.recipe.path_length_shrink = 2  # The batch of a path length update is smaller by this factor.
    config.recipe.style_mixing = 0.9  # The probability that a batch mixes two latents in each image.
    config.recipe.w_avg_beta = 0.995  # The decay of the mean w, which truncation pulls towards.
    # The half-life of the generator's moving average, in thousands of images. For `r3gan` the last one. 0: no average.
    config.recipe.ema_kimg = 10.0
    # The half-life is at most this share of the images so far. 0: no such limit.
    config.recipe.ema_ramp = 0.0
    # This number of the discriminator's layers, from the image on, keeps its weights (FreezeD).
    config.recipe.freeze_d_layers = 0
    # The augmentation of all images that the discriminator sees (ADA, Karras et al. 2020): `b`, `bg`, `bgc`, `bgcf`,
    # `bgcfn`, `bgcfnc`, `g` or `c`. Each operation has probability p. "": none.
    config.recipe.ada_pipeline = ""
    config.recipe.ada_target = 0.6  # ADA moves p towards this mean sign of D(real). 0: p stays fixed.
    config.recipe.ada_initial_p = 0.0  # The value of p at the start.
    config.recipe.ada_interval = 4  # Steps from one change of p to the next.
    config.recipe.ada_kimg = 500.0  # Thousands of images in which p can rise from 0 to 1.

    # Training of VAEs

    # The likelihood of the decoder: `gaussian`, `log_cosh`, `bernoulli` (on binarised images), `discretised_logistic`,
    # `logistic_mixture` (both of 256 gray levels), `tabular` (rows of a table), or an import path. Losses that are no
    # likelihoods: `ms_ssim`, `perceptual` (distance of VGG features).
    config.recipe.likelihood = "gaussian"
    config.recipe.log_cosh_sharpness = 10.0  # For `log_cosh`: how soon squared errors become absolute errors.
    config.recipe.reconstruction_weight = 1_000.0  # For `ms_ssim` and `perceptual`: the nats of one unit of the loss.
    config.recipe.mixtures = 10  # For `logistic_mixture`: the number of components of each pixel.
    # For `gaussian` and `log_cosh`: the standard deviation, or scale, where pixels lie in [-1, 1]. 0: it is learned,
    # one for all pixels.
    config.recipe.sigma = 0.0
    # For `bernoulli`: how images become binary. `dynamic`: drawn anew in each step, with pixels as probabilities.
    # `threshold`: cut at one half.
    config.recipe.binarize = "dynamic"
    config.recipe.beta = 1.0  # The weight of the KL term in training. Evaluation always uses 1.
    config.recipe.beta_warmup = 0  # Beta rises linearly from 0 over this number of steps. 0: no warm-up.
    # Each latent dimension has this number of nats of KL without cost (mean over the batch).
    config.recipe.free_bits = 0.0
    # The number of draws in the importance-weighted bound that is trained. 1: the usual bound of a VAE.
    config.recipe.iwae_samples = 1

    # Distributions of the latents of VAEs

    # The family of the posterior and its prior: `gaussian`, `categorical` (one-hot variables), `joint` (Gaussian and
    # one-hot latents side by side), `gamma` (positive latents), or an import path.
    config.recipe.posterior = "gaussian"
    # The prior of Gaussian latents: `normal`, `vamp` (a mixture of the posteriors of learned images), or an import
    # path.
    config.recipe.prior = "normal"
    config.recipe.pseudo_inputs = 500  # For `vamp`: the number of learned images.
    # For `categorical` and `joint`: the number of categories of a variable. A `categorical` posterior has
    # `model.latent_dim` / `categories` variables.
    config.recipe.categories = 10
    config.recipe.discrete_latents = 1  # For `joint`: the number of one-hot variables. They are the last latents.
    config.recipe.temperature = 1.0  # For `categorical` and `joint`: the temperature of relaxed draws at the start.
    config.recipe.temperature_minimum = 0.5  # The temperature does not fall below this number.
    config.recipe.temperature_decay = 1e-4  # The temperature is multiplied by exp(-`temperature_decay`) in each step.
    # For `categorical` and `joint`: the decoder sees one-hot draws in training, with the gradient of relaxed ones.
    config.recipe.straight_through = False
    # For `joint`: the KL terms of the Gaussian and of the one-hot latents, in nats, that training aims at.
    config.recipe.joint_capacities = (5.0, 2.0)
    config.recipe.joint_capacity_steps = 25_000  # Both capacities rise linearly from 0 over this number of steps.
    config.recipe.joint_capacity_weight = 30.0  # The cost of a nat more or less than a capacity.
    config.recipe.gamma_prior = (1.0, 1.0)  # For `gamma`: the shape and the rate of the prior.

    # Training of regularised autoencoders

    # The penalty on the decoder: `decoder_l2` (its squared parameters) or `gradient` (its squared slopes).
    config.recipe.rae_penalty = "decoder_l2"
    config.recipe.rae_penalty_weight = 1e-7  # The weight of this penalty.
    config.recipe.rae_latent_weight = 1e-4  # The weight of half the squared length of the latents.

    # Training of VQ-VAEs

    # This recipe reads the keys of the likelihood, too.

    config.recipe.commitment = 0.25  # The weight of the squared distance from the encoder's output to its codes.
    config.recipe.codebook_decay = 0.99  # The decay of the moving averages that make the codebook.
    # A code starts anew if its share falls below this number, divided by `num_codes`. 0: never.
    config.recipe.revive_below = 0.01

    # Bounds and regularisers of VAEs

    # The number of bounds that are averaged, each of `iwae_samples` draws (MIWAE).
    config.recipe.iwae_bounds = 1
    config.recipe.iwae_elbo_share = 0.0  # This share of the trained bound is the ELBO of the same draws (CIWAE).
    # The decoder learns from one bound of all draws, and the encoder from the mean of the bounds (PIWAE).
    config.recipe.piwae = False
    # The latents are the mean of the posterior, without noise. With the recipe `vae` this is WAE, and needs `beta=0`.
    # `bigan` and `adversarial_autoencoder` read it, too.
    config.recipe.deterministic_encoder = False
    # A term of the loss that sees the latents of a whole batch: `total_correlation`, `dip_i`, `dip_ii`, `mmd`,
    # `sliced_wasserstein`, `capacity`, or an import path. "": none.
    config.recipe.regularizer = ""
    # The weight of the regulariser, for all but `total_correlation`. In `factor_vae`: the weight of the density ratio.
    config.recipe.regularizer_weight = 1.0
    # For `total_correlation`: the weights of mutual information, total correlation and dimension-wise KL.
    config.recipe.tc_weights = (1.0, 6.0, 1.0)
    # For `total_correlation`: how a batch stands for the training images, `stratified` or `weighted` sampling.
    config.recipe.tc_estimator = "stratified"
    # For `dip_i`, `dip_ii`: the weight of the diagonal of the covariance, divided by that of the other entries.
    config.recipe.dip_diagonal = 10.0
    config.recipe.mmd_kernel = "imq"  # For `mmd`: the kernel, `imq` (inverse multiquadratics) or `rbf` (Gaussian).
    config.recipe.projections = 50  # For `sliced_wasserstein`: the number of directions.
    config.recipe.capacity = 25.0  # For `capacity`: the KL that the latents reach, in nats.
    config.recipe.capacity_steps = 100_000  # For `capacity`: the number of steps in which it is reached.

    # Training of diffusion models

    # The way from data to noise: `edm`, `flow_matching`, `variational` (the bound of VDM, with a learned schedule), or
    # an import path.
    config.recipe.process = "edm"
    # How samples are made. `heun`, `euler`: along the probability flow, so that latents determine the image.
    # `ancestral`: with fresh noise in every step.
    config.recipe.sampler = "heun"
    # The number of steps of a sample. `heun` evaluates the network twice in each step but the last.
    config.recipe.sampling_steps = 18
    config.recipe.likelihood_steps = 128  # The number of steps of a log-likelihood.
    # For networks that know the class: the share of training images whose label is hidden.
    config.recipe.label_dropout = 0.0
    # For networks that know the class: how far samples are pulled towards it. 1: none. More than 1 makes samples more
    # typical of their class and less diverse.
    config.recipe.guidance = 1.0

    # Optimisers

    config.optimizers = ConfigDict()  # Each network has an optimiser of its own.
    # For the generator, in all recipes of GANs. In `bigan` and `cluster_gan` also for the encoder.
    config.optimizers.generator = optimizer()
    config.optimizers.discriminator = optimizer()  # For the discriminator, in all recipes that have one.
    # For the networks of a VAE, a VQ-VAE or an adversarial autoencoder. In `vae_gan` for the encoder.
    config.optimizers.vae = optimizer(learning_rate=1e-3, b1=0.9)
    config.optimizers.prior = optimizer(learning_rate=1e-3, b1=0.9)  # For the prior of a VQ-VAE over its codes.
    config.optimizers.denoiser = optimizer(learning_rate=1e-3, b1=0.9)  # For the network of a diffusion model.

    # Evaluation

    # What is measured after training, and by `--mode=evaluate`.
    config.evaluation = ConfigDict()
    # Names of metrics, or import paths. The guide "Evaluate" lists all metrics.
    config.evaluation.metrics = ("psnr", "ssim", "fid")
    config.evaluation.num_samples = 10_000  # The number of samples. For pairs: at most this number of test images.
    config.evaluation.num_samples_in_training = 2_048  # The number of samples for `eval_every`.
    config.evaluation.metrics_in_training = ()  # The metrics for `eval_every`. (): all of `metrics`.
    config.evaluation.batch_size = 100  # The number of images at a time. The results do not depend on it.
    config.evaluation.seed = 0  # The seed of the latents of the samples.
    # The number of training images that metrics such as `memorisation` look at. 0: all.
    config.evaluation.num_train = 10_000
    # The feature network, for metrics that work with any: `inception`, `efficientnet_lite0` or an import path. `auto`:
    # `inception` if its weights can be had, else `efficientnet_lite0`. Training writes its choice into config.json.
    config.evaluation.extractor = "auto"
    # The input path of `inception`: `tf1` (canonical), `pytorch` or `clean`. "": the usual path of the feature network.
    config.evaluation.resize = ""
    # A file with weights for the feature network. "": the network finds or downloads its weights.
    config.evaluation.extractor_weights = ""
    # A file of `python -m jaxgen.statistics` with the statistics of the test split, for Frechet distances. "": they are
    # computed once and kept in the cache.
    config.evaluation.real_statistics = ""
    # Weights with another SHA-256 are accepted. The name of each number then says so.
    config.evaluation.allow_other_weights = False
    config.evaluation.likelihood_samples = 16  # Draws for each image in the bound on the log-likelihood.
    # Densities of latents that are fitted after training: `normal`, `gaussian_mixture`, `maf` (a flow), `two_stage` (a
    # second VAE). Sample metrics are computed for each of them, beside the prior. This needs a model that encodes
    # images.
    config.evaluation.latent_samplers = ()
    config.evaluation.mixture_components = 10  # The number of components of `gaussian_mixture`.
    config.evaluation.sampler_steps = 2_000  # For `maf` and `two_stage`: the number of updates.
    config.evaluation.sampler_width = 128  # For `maf` and `two_stage`: the units of a hidden layer.
    config.evaluation.sampler_images = 10_000  # The number of training images that densities are fitted to. 0: all.
    # The space of path lengths: `z` (great circles), or `w` (straight lines, for `stylegan2`).
    config.evaluation.path_space = "z"
    config.evaluation.path_sampling = "full"  # The place on a path: `full` (anywhere) or `end` (at its start).
    # For tables, into baselines.json: `real`, `bootstrap`, `class_copula`, `class_gaussian`, `class_shuffled`,
    # `shuffled`.
    config.evaluation.baselines = ()
    config.evaluation.baseline_draws = 3  # The number of draws of each baseline.
    # Pictures are drawn after training: t-SNE, nearest neighbours, real images beside samples.
    config.evaluation.pictures = True
    # Metrics with fewer samples than they need are computed and marked. False: they are an error.
    config.evaluation.allow_few_samples = False

    # Projection

    # `--mode=project` searches latents whose images come closest to given images. All models have the same budget.
    config.project = ConfigDict()
    config.project.images = ""  # A folder, a zip or a file of images to invert. "": images of the test split.
    config.project.num_images = 64  # The number of images, from the first on.
    config.project.steps = 200  # In z: Adam steps of each search.
    config.project.restarts = 2  # In z: the number of searches. The best one counts.
    config.project.learning_rate = 0.1  # In z: the learning rate of Adam.
    # `z`, or for `stylegan2` also `w` and `w_plus`, with a w for every layer (Karras et al. 2020, appendix D).
    config.project.space = "z"

    # Projection in w and W+

    config.project.w_steps = 1_000  # The number of Adam steps.
    # The learning rate. It rises over the first 5% of the steps and falls over the last 25%.
    config.project.w_learning_rate = 0.1
    # The number of samples of w. Their mean is the start, and their deviation scales the noise on w.
    config.project.w_samples = 10_000
    config.project.w_noise = 0.05  # The noise on w, in units of that deviation. It falls to 0 over the first 75%.
    config.project.noise_weight = 1e5  # The weight of the autocorrelation of the noise maps in the loss.
    # The distance that is minimised: `efficientnet_lite0` or `lpips_vgg`. "": pixels alone.
    config.project.perceptual = "efficientnet_lite0"
    config.project.pixel_weight = 1.0  # The weight of the mean squared error of pixels in the loss.

    # Plans

    # `--mode=plan` compiles the training step for hardware that is not here.
    config.plan = ConfigDict()
    config.plan.num_images = 0  # The number of training images, to plan without the data. 0: as in the data.
    # The plan searches the largest batch that fits. For TPUs this compiles the step several times.
    config.plan.largest_batch = True
    config.plan.max_batch = 65_536  # The search ends at this batch size.

    # Samples

    config.sample = ConfigDict()  # The grids of a run, and what `--mode=sample` writes.
    config.sample.rows = 8  # The number of rows in a grid.
    config.sample.columns = 8  # The number of images in a row.
    config.sample.num_images = 64  # The number of single PNG files in samples/images.
    # `prior`, or a density that is fitted: one of those of `evaluation.latent_samplers`.
    config.sample.latent_sampler = "prior"

    # Samples of seeds, style mixing and video

    # With one of these keys `--mode=sample` writes files under names of their own into samples/.

    # The seeds of the images, such as `(85, "100-103")` for five of them. A seed gives the latents
    # `numpy.random.RandomState(seed).randn(1, z_dim)`, as in NVIDIA's scripts.
    config.sample.seeds = ()
    config.sample.label = -1  # The class of all images. -1: the seed or number of an image, modulo the classes.
    config.sample.truncation = 1.0  # For `stylegan2`: psi of the truncation. 1: none.
    config.sample.truncation_cutoff = 0  # For `stylegan2`: only this number of first layers is truncated. 0: all.
    # For `stylegan2`: `const`, `random` or `none`. "": `const` for seeds, `random` for numbered images.
    config.sample.noise_mode = ""
    # For `stylegan2`: seeds of rows. A row gives all styles except those of the column.
    config.sample.style_mixing_rows = ()
    config.sample.style_mixing_columns = ()  # For `stylegan2`: seeds of columns.
    config.sample.style_mixing_layers = "0-6"  # For `stylegan2`: the layers whose styles come from the column.
    # For `stylegan2`: a .npz file of styles, from `--mode=project` or from NVIDIA's projector.
    config.sample.styles = ""
    # A video from seed to seed and back to the first: `gif`, or `mp4` (with the extra `video`). "": none.
    config.sample.video = ""
    config.sample.video_path = "spline"  # The path between seeds: `spline` or `slerp`, in w if there is one, else in z.
    config.sample.video_frames = 60  # The number of frames from one seed to the next.
    config.sample.video_fps = 30  # The number of frames in a second.
    return config.lock()
