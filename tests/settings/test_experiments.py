"""Every experiment of configs/ builds: its networks are initialised in the abstract for its data's image shape."""

import ast
import functools
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from jaxgen.data import table_codec
from jaxgen.data.base import open_dataset
from jaxgen.data.table import columns_of
from jaxgen.errors import UserError
from jaxgen.metrics.extractors import lpips_vgg
from jaxgen.recipes.base import Batch
from jaxgen.settings import checks, configuration, default, experiments, lookup, presets, run_config
from jaxgen.settings.experiments import experiment
from jaxgen.settings.unread_settings import NotedConfig
from tests.helpers import random_vgg

FOLDER = experiments.folder()
# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
EXPERIMENTS = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith(("default", "study_")))
STUDIES = sorted(FOLDER.glob("study_*.py"))
# What each source's images are like before anything is resized: (side, channels), classes.
NATIVE = {"digits": (8, 1, 10), "mnist": (28, 1, 10), "fashion_mnist": (28, 1, 10), "cifar10": (32, 3, 10)}
NATIVE["svhn_cropped"] = (32, 3, 10)
NATIVE["stacked_mnist"] = (28, 3, 1_000)
NATIVE["covid_radiography"] = (299, 1, 4)
NATIVE["sprites"] = (64, 1, 3)
NATIVE["folder"] = (0, 0, 0)  # these experiments say their size
VECTORS = {"gaussian_ring": (2,), "gaussian_grid": (2,), "gaussian_1d": (1,)}
TABLES = ("breast_cancer",)


def load(path):
    return experiment(path.stem)


@pytest.fixture(autouse=True)
def _no_pretrained_weights(monkeypatch):
    """A loss by VGG16 has a small network of random weights here."""
    network = random_vgg.network()
    monkeypatch.setattr(lpips_vgg, "load", lambda: network)


@functools.cache
def codec_of(name, normalization):
    """How the rows of a table are trained on; the data come with scikit-learn."""
    config = default.get_config().data
    config.update({"name": name, "normalization": normalization, "test_fraction": 0.3})
    dataset = open_dataset(config)
    return table_codec.fit(columns_of(dataset.facts["points"]), dataset.splits["train"].images, config)


def recipe_of(config):
    if config.data.name in TABLES:
        codec = codec_of(config.data.name, config.data.normalization)
        build = lookup.module("recipes", config.recipe.name, "config.recipe.name").build
        return build(config, (codec.width,), 2, codec), (codec.width,)
    if config.data.name in VECTORS:
        side, channels, classes = 0, 0, 0
    else:
        side, channels, classes = NATIVE[config.data.name]
    side, channels = config.data.image_size or side, config.data.channels or channels
    shape = VECTORS.get(config.data.name, (side, side, channels))
    build = lookup.module("recipes", config.recipe.name, "config.recipe.name").build
    counted = {"num_examples": 1_000} if "num_examples" in inspect.signature(build).parameters else {}
    return build(config, shape, classes, **counted), shape


def test_there_are_experiments():
    names = {path.stem for path in EXPERIMENTS}
    assert {"dcgan_digits", "dcgan_mnist", "dcgan_cifar", "vae_digits", "vae_mnist", "vae_cifar"} <= names
    assert {"gan_mnist", "lsgan_mnist", "wgan_mnist", "wgan_gp_mnist", "dragan_mnist", "sngan_mnist"} <= names
    assert {"sngan_cifar", "wgan_gp_cifar", "sngan_projection_cifar"} <= names
    assert {f"{gan}_{data}" for gan in ("gan", "wgan_gp", "sngan") for data in ("ring", "grid")} <= names
    assert "gan_1d" in names


# Settings that no recipe reads: of two experiments that differ in these alone, one is traced.
ELSEWHERE = ("data.", "evaluation.", "sample", "project.", "alarms.", "plan.", "budget.", "steps", "seed", "keep_")
ELSEWHERE += ("log_every", "eval_every", "checkpoint_every", "histogram_every", "best_metric", "trackers")
traced = {}


def built(path):
    """An experiment's config, checked, and (recipe, shape of an example, key of what its shapes depend on)."""
    config = load(path)
    assert isinstance(config, ConfigDict)
    assert config.is_locked
    checks.check(config)
    for name in config.evaluation.metrics:
        lookup.module("metrics", name, "config.evaluation.metrics")
    noted = NotedConfig(config)
    recipe, shape = recipe_of(noted)
    noted.check(default.get_config())  # an experiment says nothing that would change nothing
    settings = configuration.flatten(config.to_dict())
    read = {key: value for key, value in settings.items() if not key.startswith(ELSEWHERE)}
    classes = NATIVE[config.data.name][2] if config.data.name in NATIVE else config.data.name
    return config, recipe, shape, (repr(sorted(read.items())), shape, classes)


def once(name, key, trace):
    """`trace()`, unless it was called for the same program before."""
    if (name, key) not in traced:
        traced[name, key] = trace()
    return traced[name, key]


def state_of(recipe, key):
    return once("state", key, lambda: jax.eval_shape(recipe.init, jax.random.key(0)))


def family_of(path):
    model = load(path).model
    return load(path).recipe.name, model.name, model.architecture


def one_of_each_family(first, others):
    """Every experiment. Of each recipe, model and architecture, that with the smallest images has the marks `first`."""
    seen, chosen = set(), []
    for path in sorted(EXPERIMENTS, key=lambda path: load(path).data.image_size):
        chosen.append(pytest.param(path, marks=others if family_of(path) in seen else first, id=path.stem))
        seen.add(family_of(path))
    return chosen


@pytest.mark.parametrize("path", one_of_each_family(first=(), others=pytest.mark.full))
def test_an_experiment_builds_and_shows_samples(path):
    """Traced, not computed: shapes and types of the state and of the samples."""
    config, recipe, shape, key = built(path)
    state = state_of(recipe, key)
    assert sum(leaf.size for leaf in jax.tree.leaves(state)) > 1000
    random, ids = jax.eval_shape(lambda: jax.random.key(0)), jax.ShapeDtypeStruct((4,), jnp.int32)
    show = recipe.views["points" if len(shape) == 1 else "sample"]
    images = once("samples", key, lambda: jax.eval_shape(show, state, random, ids, ids))
    assert images.shape == ((4, 31) if config.data.name in TABLES else (4, *shape))


@pytest.mark.parametrize("path", one_of_each_family(first=pytest.mark.full, others=pytest.mark.slow))
def test_an_experiment_takes_a_step(path):
    """Traced, not computed: shapes and types of a whole update."""
    config, recipe, shape, key = built(path)
    if config.data.image_size > 256:  # the update of the same experiment at 256x256 takes long enough to trace
        assert path.with_stem(path.stem.replace(str(config.data.image_size), "256")) in EXPERIMENTS
        return
    state = state_of(recipe, key)
    parts = config.grad_accum_steps
    lead = (recipe.batches, parts, config.batch_size // parts)
    batch = Batch(jax.ShapeDtypeStruct((*lead, *shape), jnp.float32), jax.ShapeDtypeStruct(lead, jnp.int32))

    def update(state, batch, key, step):
        mesh = jax.sharding.Mesh(jax.devices()[:1], ("data",))
        spec = jax.sharding.PartitionSpec()
        run = jax.shard_map(recipe.update, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
        return run(state, batch, key, step)

    random, step = jax.eval_shape(lambda: jax.random.key(0)), jax.ShapeDtypeStruct((), jnp.int32)
    after, metrics = once("update", key, lambda: jax.eval_shape(update, state, batch, random, step))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )
    assert metrics
    assert all(value.shape == () for value in metrics.values())


# Sizes at which a program is small; those of 28 and 32 pixels cost far more to compile.
SMALL = {"latent_dim": 8, "discriminator_width": 4, "residual_blocks": 1, "hidden_layers": 2, "pack": 2}
SMALL |= {"head_width": 4}  # headed_gan
SMALL |= {"num_codes": 16, "code_dim": 4, "prior_width": 8, "prior_layers": 1, "prior_heads": 2}  # vq_vae
SMALL |= {"level_dims": (3, 2), "level_widths": (6, 4)}  # ladder_vae
SMALL |= {"channel_base": 64, "channel_max": 8, "mapping_layers": 2, "stddev_group": 2}  # stylegan2
SMALL |= {"group_width": 2}  # r3gan


def tiny(path):
    """The experiment with few channels and examples."""
    config = load(path)
    config.model.update(SMALL)
    # Two maxout units: of one, XLA's unoptimised program makes NaN where the usual one is finite.
    config.model.width = 10 if config.model.architecture == "goodfellow" else 4 if config.model.name == "unet" else 5
    config.batch_size = 4
    config.recipe.update({"categories": 4, "joint_capacities": (1.0, 1.0)})
    config.recipe.pseudo_inputs = min(config.recipe.pseudo_inputs, 3)
    if config.recipe.ada_pipeline:  # its geometry is tested by itself, and takes long to compile
        config.recipe.ada_pipeline = "c"
    if config.model.name == "r3gan":
        config.model.channel_multipliers, config.recipe.final_augment_p = (1, 1), 0.0
    config.recipe.n_critic = min(config.recipe.n_critic, 2)
    config.data.image_size = 20 if config.model.architecture == "pytorch_gan" else 8
    if config.recipe.likelihood == "ms_ssim":  # two of its scales
        config.data.image_size = 24
    for optimizer in config.optimizers.values():
        optimizer.warmup_steps = 0
        if optimizer.name == "sgd":  # gradients through a few weights of 0.005 would vanish beside float32 parameters
            optimizer.learning_rate = 100.0
    return config


def _kind(value):
    """Of numbers whether they are there, and whether they are more than one: other programs are of other sizes only."""
    if isinstance(value, float):
        return value > 0
    return min(value, 2) if type(value) is int else value


def settings_of(config) -> frozenset:
    """What tells the program of two steps from that of others: all that is not data, length or a positive number."""
    networks = f"{config.recipe.name} of {config.model.name}"
    found = {(networks, "data", VECTORS.get(config.data.name)), (networks, "dtype", config.compute_dtype)}
    found |= {(networks, key, _kind(value)) for key, value in config.model.items()}
    found |= {(config.recipe.name, key, _kind(value)) for key, value in config.recipe.items()}
    found |= {(networks, player, optimizer.name) for player, optimizer in config.optimizers.items()}
    numbers = ("ada_interval", "instance_noise_steps", "beta_warmup", "r1_interval", "path_length_interval", "mixtures")
    return frozenset(item for item in found if item[1] not in numbers)


@functools.cache
def experiments_with_every_setting():
    """Every experiment whose program is new; marked slow where all its settings occur in those before.

    So each value of each setting of each kind of network and of each recipe takes its two real steps, not every
    combination. The quick steps of a recipe are in tests/recipes.
    """
    programs = {}
    for path in EXPERIMENTS:
        programs.setdefault(settings_of(tiny(path)), path)
    left, covered, chosen = dict(programs), set(), []
    while left:
        settings = max(left, key=lambda settings: len(settings - covered))
        path = left.pop(settings)
        marks = pytest.mark.full if settings - covered else pytest.mark.slow
        chosen.append(pytest.param(path, marks=marks, id=path.stem))
        covered |= settings
    return chosen


def test_the_experiments_that_take_real_steps_have_every_setting():
    chosen = experiments_with_every_setting()
    run_by_ci = [param.values[0] for param in chosen if {mark.name for mark in param.marks} == {"full"}]
    every = set().union(*(settings_of(tiny(path)) for path in EXPERIMENTS))
    assert set().union(*(settings_of(tiny(path)) for path in run_by_ci)) == every
    assert len(run_by_ci) < len(chosen) < len(EXPERIMENTS)


@pytest.mark.parametrize("path", experiments_with_every_setting())
def test_an_experiment_takes_two_real_steps_at_tiny_width(path):
    """Computed, with few channels and examples: everything stays finite, and every trained network moves."""
    config = tiny(path)
    recipe, shape = recipe_of(config)
    rng = np.random.default_rng(0)
    lead = (recipe.batches, config.grad_accum_steps, config.batch_size // config.grad_accum_steps)
    images = jnp.asarray(rng.uniform(-1, 1, (*lead, *shape)), jnp.float32)
    batch = Batch(images, jnp.asarray(rng.integers(0, 10, lead), jnp.int32))
    mesh = jax.sharding.Mesh(jax.devices()[:1], ("data",))
    spec = jax.sharding.PartitionSpec()
    sharded = jax.shard_map(recipe.update, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    update = jax.jit(sharded)
    before = state = jax.jit(recipe.init)(jax.random.key(0))
    for step in range(2):
        state, metrics = update(state, batch, jax.random.key(step), jnp.int32(step))
        assert all(np.isfinite(value) for value in metrics.values()), metrics
    for name, player in state.items():
        if hasattr(player, "opt_state"):
            leaves = zip(jax.tree.leaves(player.params), jax.tree.leaves(before[name].params), strict=True)
            changes = [float(jnp.abs(new - old).max()) for new, old in leaves]
            assert np.isfinite(changes).all()
            assert np.mean([change > 0 for change in changes]) > 0.7, name  # a bias may have no gradient yet


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_is_short_and_says_where_its_numbers_come_from(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    assert any(f"{year}" in docstring for year in range(1986, 2027)), "cites no source"
    family = path.stem.split("_")[0]
    assert docstring.lower().replace("-", "").startswith((family, "convolutional vae"))


# Data with few test images.
_FEW_IMAGES = {"digits", "covid_radiography"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_on_other_data_evaluates_as_these_data_need(path):
    config = experiment(path.stem)
    if config.data.name in _FEW_IMAGES:
        assert config.evaluation.allow_few_samples
    else:
        assert (config.evaluation.extractor, config.evaluation.allow_few_samples) == ("auto", False)


def facts_of(path):
    """The last paragraph of an experiment's docstring: {"Paper": ..., "Published": ..., "Reached": ...}.

    Some have "Differs" too: what differs from the code of others.
    """
    last = ast.get_docstring(ast.parse(path.read_text())).split("\n\n")[-1]
    return dict(line.split(": ", 1) for line in re.sub(r"\n  ", " ", last).splitlines())


@pytest.mark.parametrize("path", [*EXPERIMENTS, *STUDIES], ids=lambda path: path.stem)
def test_an_experiment_says_what_is_published_and_what_was_reached(path):
    facts = facts_of(path)
    assert [fact for fact in facts if fact != "Differs"] == ["Paper", "Published", "Reached"]
    assert re.search(r"\b(19|20)\d\d\b", facts["Paper"]), "no year"
    assert all(fact.endswith(".") for fact in facts.values())
    at_full_length = "not trained at full length" not in facts["Reached"].lower()
    if at_full_length:
        steps = {f"{experiment(path.stem).steps:,} steps"} if path in EXPERIMENTS else {"steps"}
        assert any(words in facts["Reached"] for words in steps), "another number of steps is not its full length"
        assert re.search(r"\d s\b|minute|seconds", facts["Reached"]), "no time, and no word that none was noted"
        assert re.search(r"commit [0-9a-f]{7}\)|no commit noted", facts["Reached"])
    elif "steps" in facts["Reached"]:  # a part of it, or a smaller one
        assert re.search(r"commit [0-9a-f]{7}\)", facts["Reached"])


def test_what_was_reached_stands_in_the_pages():
    files = FOLDER.parent / "README.md", *(FOLDER.parent / "docs").rglob("*.md")
    pages = " ".join(path.read_text() for path in files)
    commits = {commit for path in EXPERIMENTS for commit in re.findall(r"commit (\w{7})\)", facts_of(path)["Reached"])}
    assert len(commits) > 5
    assert {commit for commit in commits if commit not in pages} == set()


def test_recipes_are_not_copied_from_data_set_to_data_set():
    """`configs/` held 993 statements; half of them were copies of what presets and other experiments say now."""
    bodies = [node.body for path in EXPERIMENTS for node in ast.parse(path.read_text()).body if hasattr(node, "body")]
    assert sum(map(len, bodies)) < 0.5 * 993 + 6 * (len(EXPERIMENTS) - 82)


def test_an_experiment_on_another_data_set_is_the_recipe_and_a_preset():
    changed = configuration.flatten(experiment("wgan_gp_fashion_mnist").to_dict())
    base = configuration.flatten(experiment("wgan_gp_mnist").to_dict())
    assert {key for key in base if base[key] != changed[key]} == {"data.name"}
    config = presets.svhn_cropped(experiment("vae_cifar"))
    assert (config.data.name, config.data.flip, config.model.latent_dim) == ("svhn_cropped", False, 128)
    config = presets.length(presets.mnist(default.get_config(), size=32), steps=200, every=40, per_dispatch=10)
    assert (config.data.image_size, config.steps, config.sample_every, config.checkpoint_every) == (32, 200, 40, 40)


HEAD = "from jaxgen.settings import default\nfrom jaxgen.settings.experiments import experiment\n\ndef get_config():\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\n", "{file}: it has no get_config()"),
        (f"{HEAD}    return default.get_config(\n", "{file}:5: SyntaxError: '(' was never closed"),
        (
            f"{HEAD}    config = default.get_config()\n    config.stepz = 3\n",
            "{file}:6: unknown config key 'stepz': did",
        ),
        (f"{HEAD}    return 1 / 0\n", "{file}:5: ZeroDivisionError: division by zero"),
        (f"{HEAD}    return 3\n", "{file}: get_config() returned int, not a config"),
        (f"{HEAD}    return experiment('vae_mnits')\n", "{file}:5: experiment('vae_mnits'): no file and no experiment"),
        ("import nowhere\n", "{file}:1: ModuleNotFoundError: No module named 'nowhere'"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_its_place(tmp_path, text, line):
    folder = tmp_path / "with a space"
    folder.mkdir()
    file = folder / "mine.py"
    file.write_text(text)
    with pytest.raises(UserError) as raised:
        experiment(str(file))
    assert str(raised.value).startswith(line.format(file=file))
    # One that builds on it names both places.
    (folder / "upon.py").write_text(f"{HEAD}    return experiment({str(file)!r})\n")
    with pytest.raises(UserError) as raised:
        run_config.load(str(folder / "upon.py"), [])
    assert str(raised.value).startswith(f"{folder / 'upon.py'}:5: " + line.format(file=file))


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(UserError, match=r"experiment\('dcgan_mnits'\): no file .*. Similar: dcgan_mnist, "):
        experiment("dcgan_mnits")
    with pytest.raises(UserError, match="Write vae_mnist alone for the experiment of jaxgen"):
        experiment("elsewhere/vae_mnist.py")
    with pytest.raises(UserError, match=rf"{FOLDER} holds all {len(experiments.names())} experiments"):
        experiment("qqqqqqqq")
    with pytest.raises(UserError, match=r"vae_mnist\.py: .*takes 0 positional arguments"):
        experiment("vae_mnist:3")


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_changes_only_known_keys_and_keeps_their_types(path):
    mine, defaults = (configuration.flatten(config.to_dict()) for config in (load(path), default.get_config()))
    assert set(mine) == set(defaults)
    assert {key: type(value) for key, value in mine.items()} == {key: type(value) for key, value in defaults.items()}
    assert mine != defaults or path.stem == "dcgan_digits"


def test_stylegan2_auto_follows_the_rules_of_its_paper_s_code():
    for sizes, batch, gamma, channels, rate in (
        ("256,8", 64, 0.2048, 16_384, 0.0025),
        ("1024,8", 32, 6.5536, 32_768, 0.002),
        ("512,4,16", 16, 3.2768, 32_768, 0.0025),
    ):
        config = experiment(f"stylegan2_auto:{sizes}")
        checks.check(config)
        assert (config.batch_size, config.recipe.r1_gamma) == (batch, pytest.approx(gamma))
        assert (config.model.channel_base, config.optimizers.generator.learning_rate) == (channels, rate)
        assert config.steps * batch == pytest.approx(25e6, rel=1e-4)
    for wrong in ("256", "256,0", "256,8,x", "256,8,4,4"):
        with pytest.raises(UserError, match=r"stylegan2_auto.py:\d+: ValueError: .* such as 256,8"):
            experiment(f"stylegan2_auto:{wrong}")
