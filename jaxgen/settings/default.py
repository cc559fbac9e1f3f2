"""Every key of jaxgen, with its meaning. Experiments start from `get_config()` here and change what differs.

Override any key on the command line: `--config.batch_size=128 --config.data.name=mnist`.
"""

from ml_collections import ConfigDict


def optimizer(**changes) -> ConfigDict:
    """One player's optimiser (optax); each player has its own."""
    values = {
        "name": "adam",  # adam | adamw | rmsprop | sgd
        "learning_rate": 2e-4,
        "b1": 0.5,  # adam: decay of the first moment; sgd and rmsprop: momentum
        "b2": 0.999,  # adam: decay of the second moment; rmsprop: decay of the squares
        "eps": 1e-8,
        "weight_decay": 0.0,  # adamw only
        "clip_norm": 0.0,  # clip the gradient to this global norm; 0: no clipping
        "schedule": "constant",  # constant | linear (to 0 at the last step) | cosine
        "warmup_steps": 0,  # linear warm-up from 0
    }
    unknown = set(changes) - set(values)
    if unknown:
        raise KeyError(f"optimizer: unknown {sorted(unknown)}; it has {sorted(values)}")
    return ConfigDict({**values, **changes})


def get_config() -> ConfigDict:
    """The defaults: a DCGAN on the digits that scikit-learn carries."""
    config = ConfigDict()

    # The run.
    config.seed = 0  # of parameters, latents and the order of the data
    config.num_seeds = 1  # more: seed, seed + 1, ... in one program, each as it would be alone
    config.seed_devices = 0  # ... spread over so many groups of devices; 0: over as many as divide them
    # ... those of a group in one batched program (vmap), one after the other (map), or (auto) in one where networks
    # have no convolutions, whose batched form is slow, and the hardware is no CPU, which gains nothing by it
    config.seed_program = "auto"
    # A work directory (its best checkpoint, or its newest) or one of its checkpoints (DIR/checkpoints/STEP) to start
    # from: weights, statistics and moving averages of all layers whose shapes agree; "": at random
    config.init_from = ""
    config.steps = 3_000  # updates of the generator (or of the VAE) in all
    config.budget = ConfigDict()
    # A run ends before its last step once its training steps have taken so many seconds (compilation, evaluation and
    # saving are not counted), over all its restarts; 0: no such limit. Such a run is not reproducible to the bit.
    config.budget.seconds = 0.0
    config.batch_size = 64  # examples per update, over all devices together
    config.grad_accum_steps = 1  # split each batch into this many parts and sum their gradients: less memory
    # Each device holds a share of the optimisers' state instead of all of it (stage 1 of ZeRO, Rajbhandari et al.
    # 2020): less memory, one all-gather more for each update; the numbers are the same.
    config.shard_optimizer = False
    config.compute_dtype = "float32"  # float32 | bfloat16 (parameters and optimiser state stay float32)
    config.steps_per_dispatch = 10  # steps compiled into one call; every cadence below is a multiple of it
    config.num_devices = 0  # 0: all that this process sees, and those of the other processes
    config.compilation_cache = "auto"  # folder of compiled programs; auto: ~/.cache/jaxgen/xla; "": none

    # What is written, and how often (in steps; 0: never; the last step has all of them).
    config.log_every = 100  # a line in metrics.jsonl (means over the steps since the last), numbers for the trackers
    config.sample_every = 500  # a PNG grid from fixed latents
    config.checkpoint_every = 500  # the whole state; the same command goes on from the newest
    config.keep_checkpoints = 2  # the newest N are kept ...
    config.best_metric = ""  # ... and the best by this metric of the evaluations during training ("": none)
    config.histogram_every = 1_000  # parameter histograms for TensorBoard
    # Where numbers and pictures are shown as well: tensorboard | wandb | mlflow (extras of these names) | import path;
    # () shows them nowhere else. A run can go on with other trackers.
    config.trackers = ("tensorboard",)
    config.eval_every = 0  # evaluate during training as well, on `evaluation.num_samples_in_training`

    # Alarms: told when they go off, in the progress line while they are on, kept in alarms.json. Each has a threshold
    # and a patience: the steps in which every line of metrics.jsonl (and two at least) must be bad; 0: off.
    config.alarms = ConfigDict()
    config.alarms.stop = ()  # names of alarms that save and end the run (exit code 2), such as ("divergence",)
    # any loss above so many times the median of its lines so far (sizes below 1 count as 1)
    config.alarms.divergence = ConfigDict({"threshold": 100.0, "patience": 200})
    # share of nearly equal pairs among the fakes of a batch, less that among its reals
    config.alarms.collapse = ConfigDict({"threshold": 0.25, "patience": 1_000})
    # generator: norm of the gradient over that of the weights, below
    config.alarms.vanishing_gradient = ConfigDict({"threshold": 1e-5, "patience": 500})
    # VAE: share of latent dimensions with less than 0.01 nats of KL
    config.alarms.posterior_collapse = ConfigDict({"threshold": 0.99, "patience": 1_000})
    # VQ-VAE: perplexity of the codes in a batch, below
    config.alarms.codebook_collapse = ConfigDict({"threshold": 1.5, "patience": 1_000})

    # Data: see the README's table of sources.
    config.data = ConfigDict()
    # digits | mnist | fashion_mnist | cifar10 | svhn_cropped | covid_radiography | ieee8023 | folder | tfds:<name> |
    # gaussian_ring | gaussian_grid | gaussian_1d (vectors, no images) | breast_cancer | csv (tables) | import path |
    # none (no images: a converted network that is only sampled from)
    config.data.name = "digits"
    config.data.dir = (
        ""  # where the original archives lie; for `folder` the folder or zip itself, for `csv` the file; "": cache_dir
    )
    config.data.cache_dir = ""  # downloads and decoded arrays; "": $JAXGEN_CACHE or ~/.cache/jaxgen
    config.data.download = True  # fetch a missing archive (SHA-256 checked)
    config.data.image_size = 16  # side in pixels; 0: as it comes
    config.data.channels = 1  # 1 | 3; 0: as they come
    config.data.crop = "center"  # center (to a square) | none (non-square images are refused)
    config.data.resize = "lanczos"  # lanczos | bicubic | bilinear | nearest (all antialiased, by Pillow)
    config.data.train_split = "train"  # the split that is trained on
    config.data.test_split = "test"  # the split that samples are measured against
    # `folder` without train/ and test/, and tables: this share of each class is the test split
    config.data.test_fraction = 0.1
    config.data.finding = ()  # ieee8023: findings to take, such as ("COVID-19", "No Finding"), and their order; (): all
    config.data.view = ()  # ieee8023: such as ("PA", "AP", "AP Supine"); (): all
    config.data.modality = ()  # ieee8023: such as ("X-ray",); (): all
    config.data.limit = 0  # use the first n images of each split; 0: all
    config.data.train_limit = 0  # train on the first n only, measured against the whole test split; 0: all
    # Training images are held on every device (never), or read from their files while training goes on (always: folder,
    # array, covid_radiography, ieee8023), or the one or the other (auto) by whether the pixels of all splits take more
    # than resident_mib. Batches are the same.
    config.data.streaming = "auto"
    config.data.resident_mib = 4_096
    config.data.workers = 0  # threads that read and decode; 0: one a core
    config.data.skip_bad_images = False  # go on without unreadable images, and say how many
    config.data.labels = False  # True: refuse data without class labels
    config.data.num_classes = 0  # refuse data with another number of classes; 0: any
    config.data.flip = False  # mirror images at random in training
    config.data.num_points = 100_000  # gaussian_*: points of the training split; the test split has a tenth of it
    config.data.seed = 0  # gaussian_*: of the points; tables: of the split; -1: config.seed
    config.data.label_column = ""  # csv: the column that holds the class; "": none
    config.data.categorical_columns = ()  # csv: other columns whose cells are names, not numbers
    config.data.missing = "refuse"  # csv, rows with empty cells: refuse | drop_rows
    # Tables: how numbers become what networks see, fitted on the training split: quantile (normal scores) |
    # class_quantile (each class by its own) | mode_specific (Gaussian mixtures, as CTGAN)
    config.data.normalization = "quantile"
    config.data.class_sampling = "uniform"  # uniform (every example once an epoch) | log (classes by log frequency)

    # The networks.
    config.model = ConfigDict()
    # dcgan | sngan | mlp_gan | point_gan (vectors) | conv_vae | mlp_vae | residual_vae | vq_vae | stylegan2 |
    # tabular_gan | tabular_vae | import path
    config.model.name = "dcgan"
    # dcgan: radford (transposed convolutions) | pytorch_gan (upsampling); sngan: cnn | resnet;
    # mlp_gan: goodfellow | pytorch_gan
    config.model.architecture = "radford"
    config.model.latent_dim = 100  # size of z
    config.model.width = 64  # channels of the widest-resolution layer; deeper layers double
    config.model.batch_norm = True  # statistics over all devices; False: no BatchNorm in any network
    # dcgan's radford: the generator's last layer has a bias, so that a black ground is within reach; the paper's has none
    config.model.output_bias = False
    config.model.dropout = 0.25  # discriminators of dcgan's pytorch_gan, mlp_gan's goodfellow and tabular_gan
    config.model.discriminator_width = 0  # sngan, point_gan, tabular_gan: of the discriminator; 0: as `width`
    config.model.spectral_norm = False  # the discriminators of sngan, point_gan and tabular_gan
    config.model.layer_norm = False  # sngan's discriminator, for gradient penalties
    config.model.conditional = False  # sngan: generator and discriminator know the class
    config.model.hidden_layers = 3  # point_gan, tabular_gan, tabular_vae: of `width` units each, in both networks
    config.model.pack = 1  # tabular_gan: rows that the discriminator judges together (PacGAN)
    config.model.latents = "normal"  # point_gan: what the generator sees; normal | uniform (both of unit variance)
    config.model.data_scale = 1.0  # point_gan: its discriminator sees the points divided by this
    config.model.residual_blocks = 2  # residual_vae, vq_vae: at the lowest resolution of encoder and decoder each
    config.model.downsamplings = 2  # residual_vae, vq_vae: halvings of the image's sides
    config.model.num_codes = 512  # vq_vae: entries of the codebook
    config.model.code_dim = 64  # vq_vae: size of each
    config.model.prior_width = 128  # vq_vae: the transformer over the codes
    config.model.prior_layers = 4
    config.model.prior_heads = 4
    # stylegan2 (`architecture`: the generator's, orig | skip | resnet; `latent_dim`: of z and of w)
    config.model.discriminator_architecture = "resnet"  # orig | skip | resnet
    config.model.mapping_layers = 8
    config.model.mapping_lr_multiplier = 0.01
    config.model.channel_base = 32_768  # channels at resolution r: channel_base / r ...
    config.model.channel_max = 512  # ... and no more than this
    config.model.conv_clamp = 0.0  # activations are cut off at +-this; 0: not
    config.model.stddev_group = 4  # images that minibatch standard deviation compares
    config.model.bfloat16_resolutions = 0  # so many of the highest resolutions compute in bfloat16
    # Activations of so many of the highest resolutions are computed again in the backward pass instead of being kept:
    # less memory for more operations
    config.model.remat_resolutions = 0
    config.model.fused_modulation = False  # each image's own kernel, a grouped convolution; slow on CPUs

    # How they are trained.
    config.recipe = ConfigDict()
    config.recipe.name = "gan"  # gan | stylegan2 | vae | vq_vae | import path
    config.recipe.ema_decay = 0.999  # moving average of the generator (or VAE) used for samples; 0: none
    # gan
    config.recipe.loss = (
        "non_saturating"  # non_saturating | saturating | least_squares | wasserstein | hinge | import path
    )
    config.recipe.n_critic = 1  # discriminator updates per generator update
    config.recipe.share_fakes = (
        True  # n_critic = 1 only: the generator goes first, the discriminator sees the same fakes
    )
    config.recipe.generator_batch = 1  # share_fakes=False only: its update makes so many times batch_size of fakes
    config.recipe.penalty = ""  # gradient penalty: wgan_gp | dragan | r1 | r2 | zero_centered | import path; "": none
    config.recipe.penalty_weight = 10.0  # lambda of wgan_gp and dragan, gamma of r1 and r2
    config.recipe.weight_clip = 0.0  # the discriminator's parameters are cut to +-this after each update; 0: not
    config.recipe.label_smoothing = 0.0  # real images count as real by 1 - this (one-sided)
    config.recipe.dequantize = False  # uniform noise of one gray level's width on the reals that the discriminator sees
    config.recipe.instance_noise = 0.0  # standard deviation of Gaussian noise on all images that it sees ...
    config.recipe.instance_noise_steps = 10_000  # ... falling linearly to 0 over so many steps
    config.recipe.diff_augment = ""  # DiffAugment on them all: "color,translation,cutout" or some of these; "": none
    # stylegan2
    config.recipe.r1_gamma = 10.0  # weight of R1, halved in the loss; 0: none
    config.recipe.r1_interval = 16  # steps from one R1 update to the next
    config.recipe.path_length_weight = 2.0  # 0: none
    config.recipe.path_length_interval = 4  # steps from one path length update to the next
    config.recipe.path_length_decay = 0.01  # of the mean length that they are compared with
    config.recipe.path_length_shrink = 2  # the batch of a path length update is smaller by this factor
    config.recipe.style_mixing = 0.9  # probability that a batch of images mixes two latents each
    config.recipe.w_avg_beta = 0.995  # decay of the mean w that truncation pulls towards
    config.recipe.ema_kimg = 10.0  # half-life of the generator's moving average in thousands of images; 0: none
    config.recipe.freeze_d_layers = 0  # so many of the discriminator's layers, from the image on, stay as they are
    # augmentation of all that the discriminator sees: "" | b | bg | bgc | bgcf | bgcfn | bgcfnc | g | c (Karras et al.
    # 2020, ADA), each with probability p
    config.recipe.ada_pipeline = ""
    config.recipe.ada_target = 0.6  # p is moved so that the mean sign of D(real) comes to this; 0: p stays
    config.recipe.ada_initial_p = 0.0  # p at the start
    config.recipe.ada_interval = 4  # steps from one move to the next
    config.recipe.ada_kimg = 500.0  # thousands of images in which p can go from 0 to 1
    config.recipe.ema_ramp = 0.0  # it is at most this share of the images seen so far; 0: no such limit
    # vae
    # gaussian | bernoulli (on binarised images) | discretised_logistic | logistic_mixture (both of 256 gray levels) |
    # tabular (rows of a table)
    config.recipe.likelihood = "gaussian"
    config.recipe.mixtures = 10  # logistic_mixture: components of each pixel
    config.recipe.sigma = 0.0  # gaussian: fixed standard deviation in [-1, 1] units; 0: learned, one for all pixels
    config.recipe.binarize = "dynamic"  # bernoulli: dynamic (pixels are probabilities, drawn anew) | threshold (at 0.5)
    config.recipe.beta = 1.0  # weight of the KL term in training; evaluation always uses 1
    config.recipe.beta_warmup = 0  # steps over which beta rises linearly from 0; 0: none
    config.recipe.free_bits = 0.0  # nats of KL that each latent dimension has for nothing (mean over the batch)
    config.recipe.iwae_samples = 1  # draws in the importance-weighted bound that is trained; 1: the VAE's own bound
    # vq_vae (and the likelihoods of vae)
    config.recipe.commitment = 0.25  # weight of the encoder's squared distance to its codes
    config.recipe.codebook_decay = 0.99  # of the moving averages that make the codebook
    config.recipe.revive_below = 0.01  # codes used less than this share of 1/num_codes start anew; 0: never

    config.optimizers = ConfigDict()
    config.optimizers.generator = optimizer()
    config.optimizers.discriminator = optimizer()
    config.optimizers.vae = optimizer(learning_rate=1e-3, b1=0.9)
    config.optimizers.prior = optimizer(learning_rate=1e-3, b1=0.9)  # vq_vae's, over the codes

    # What is measured after training (and by --mode=evaluate).
    config.evaluation = ConfigDict()
    config.evaluation.metrics = ("psnr", "ssim", "fd_efficientnet_lite0")  # names, or import paths of your own
    config.evaluation.num_samples = 10_000  # samples drawn; pairs: at most this many test images
    config.evaluation.num_samples_in_training = 2_048  # the same for `eval_every`
    config.evaluation.metrics_in_training = ()  # what `eval_every` measures; (): all `metrics`
    config.evaluation.batch_size = 100  # images at a time; the results do not depend on it
    config.evaluation.seed = 0  # of the samples' latents
    config.evaluation.num_train = 10_000  # training images that memorisation and the like look at; 0: all
    config.evaluation.extractor = "efficientnet_lite0"  # of metrics that take any: efficientnet_lite0 | inception
    config.evaluation.resize = ""  # inception: tf1 (canonical) | pytorch | clean; "": the extractor's own
    config.evaluation.extractor_weights = ""  # a file in place of the one that the extractor finds or fetches
    config.evaluation.allow_other_weights = False  # accept weights with another SHA-256; numbers are named for it
    config.evaluation.likelihood_samples = 16  # draws per image in the bound on the log-likelihood
    # Beside the prior, densities of latents fitted after training to encoded training images (recipes that encode):
    config.evaluation.latent_samplers = ()  # "normal", "gaussian_mixture"; sample metrics are computed for each
    config.evaluation.mixture_components = 10  # of gaussian_mixture
    config.evaluation.sampler_images = 10_000  # training images that they are fitted to; 0: all
    config.evaluation.path_space = "z"  # of path lengths: z (great circles) | w (straight lines; stylegan2)
    config.evaluation.path_sampling = "full"  # where on the path: full (anywhere) | end (at its start)
    # Tables, into baselines.json: real | bootstrap | class_copula | class_gaussian | class_shuffled | shuffled
    config.evaluation.baselines = ()
    config.evaluation.baseline_draws = 3  # of each
    config.evaluation.pictures = True  # t-SNE, neighbours, real beside fake, after training
    config.evaluation.allow_few_samples = False  # compute and mark metrics that have fewer samples than they need

    # --mode=project: latents whose images come closest to test images; the same budget for every model.
    config.project = ConfigDict()
    config.project.images = ""  # a folder, a zip or a file of images to invert; "": those of the test split
    config.project.num_images = 64  # the first so many of them
    config.project.steps = 200  # Adam steps of each restart
    config.project.restarts = 2  # searches from different random latents; the best one counts
    config.project.learning_rate = 0.1
    # In w, or with a w for every layer (stylegan2; Karras et al. 2020, appendix D), `num_images` and all below.
    config.project.space = "z"  # z | w | w_plus
    config.project.w_steps = 1_000  # Adam steps
    config.project.w_learning_rate = 0.1  # after the first 5%; falls in the last 25%
    config.project.w_samples = 10_000  # whose mean w is the start, and whose deviation scales the noise added to w
    config.project.w_noise = 0.05  # of that deviation, falling to 0 over the first 75%
    config.project.noise_weight = 1e5  # of the noise maps' autocorrelation in the loss
    config.project.perceptual = "efficientnet_lite0"  # distance that is minimised: efficientnet_lite0 | lpips_vgg | ""
    config.project.pixel_weight = 1.0  # of the mean squared error of pixels beside it

    # --mode=plan: the training step compiled for hardware that is not here.
    config.plan = ConfigDict()
    config.plan.num_images = 0  # of the training split, to plan without the data; 0: as the data has
    config.plan.largest_batch = True  # search the largest batch that fits (TPUs; compiles the step some more times)
    config.plan.max_batch = 65_536  # the search ends here

    config.sample = ConfigDict()
    config.sample.rows = 8  # the grid of fixed latents
    config.sample.columns = 8  # images in a row of it
    config.sample.num_images = 64  # --mode=sample: single PNG files in samples/images
    # --mode=sample with any of these writes what they ask for into files of their own name in samples/:
    # z = numpy.random.RandomState(seed).randn(1, z_dim) for each, as NVIDIA's scripts: (85, "100-103") is five of them
    config.sample.seeds = ()
    config.sample.label = -1  # the class of all; -1: seed (or number) modulo classes
    config.sample.truncation = 1.0  # psi; 1: off (stylegan2)
    config.sample.truncation_cutoff = 0  # only the first so many layers are truncated; 0: all
    config.sample.noise_mode = ""  # const | random | none (stylegan2); "": const for seeds, random for numbered images
    config.sample.style_mixing_rows = ()  # seeds; each gives all styles but those of the columns (stylegan2)
    config.sample.style_mixing_columns = ()  # seeds, which give the layers of ...
    config.sample.style_mixing_layers = "0-6"  # ... this range
    config.sample.styles = ""  # a .npz of styles that --mode=project left, or NVIDIA's projector (stylegan2)
    config.sample.video = ""  # from seed to seed and back to the first: mp4 (extra `video`) | gif
    config.sample.video_path = "spline"  # spline | slerp, in w where there is one, else in z
    config.sample.video_frames = 60  # from one seed to the next
    config.sample.video_fps = 30
    config.sample.latent_sampler = "prior"  # --mode=sample: prior | normal | gaussian_mixture (both fitted, see above)
    return config.lock()
