"""Published networks become work directories and go back to their official names."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import convert
from jaxgen.commands import sample
from jaxgen.devices import processes
from jaxgen.errors import UserError
from jaxgen.files import workdir
from jaxgen.models import stylegan2
from jaxgen.models.stylegan2.layers import broadcast
from jaxgen.official import tensor_files, weights
from jaxgen.official.description import describe
from jaxgen.official.network_pickle import Network
from jaxgen.runs import restoring, session
from jaxgen.settings import default, run_config
from tests.helpers import official_pickles as pickles
from tests.helpers import stylegan2_golden as golden_arrays

# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
CLASSES = 2


def tiny_config(architectures=("skip", "resnet"), classes=CLASSES):
    config = default.get_config()
    config.recipe.name = config.model.name = "stylegan2"
    config.model.update({"architecture": architectures[0], "discriminator_architecture": architectures[1]})
    config.model.update({"latent_dim": 8, "mapping_layers": 2, "channel_base": 64, "channel_max": 8})
    config.model.update({"stddev_group": 2, "conv_clamp": 128.0, "conditional": bool(classes)})
    return config


def tiny_tensors(architectures=("skip", "resnet"), classes=CLASSES):
    """Random tensors of a whole file under the official names: 8x8, gray."""
    config = tiny_config(architectures, classes)
    model = stylegan2.build(config.model, (8, 8, 1), classes, jnp.float32)

    def collections():
        labels = jnp.zeros((1,), jnp.int32)
        mapped = dict(model.mapping.init(jax.random.key(0), jnp.zeros((1, 8)), labels))
        made = dict(model.synthesis.init(jax.random.key(0), jnp.zeros((1, model.num_ws, 8))))
        params = {"mapping": mapped["params"], "synthesis": made["params"]}
        g = {"params": params, "stats": {"w_avg": mapped["w_avg"]["w_avg"], "noise": made["noise"]}}
        d = model.discriminator.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), labels)
        return {"g": g, "ema": g, "d": {"params": d["params"]}}

    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(collections)
    tensors = weights.tensors_of(jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes))
    # Weights of a layer with the multiplier 0.01 are 100 times larger, or all latents would make one image.
    return {
        name: tensor * np.float32(100 if "G" in name and "mapping.fc" in name else 1)
        for name, tensor in tensors.items()
    }


def part(tensors, network):
    return {name.removeprefix(f"{network}."): t for name, t in tensors.items() if name.startswith(f"{network}.")}


def layers(tensors, **attributes):
    """The attributes that decide what the layers compute, as those of the published files have them."""
    found = {}
    for name in tensors:
        path, _, leaf = name.rpartition(".")
        if leaf == "weight":
            dense = ".fc" in f".{path}" or path.endswith(("affine", "embed", "out"))
            kind = {"activation": "linear" if path.endswith(("embed", "affine", "out", "skip")) else "lrelu"}
            multiplier = 0.01 if "mapping.fc" in path else 1.0
            found[path] = kind | ({"bias_gain": multiplier} if dense else {"conv_clamp": 128})
    found |= {"mapping": {"w_avg_beta": 0.99}} if "mapping.w_avg" in tensors else {"b4.mbstd": {"group_size": 2}}
    for path, values in attributes.items():
        found.setdefault(path.replace("_", "."), {}).update(values)
    return found


def write_pickle(path, tensors, **extra):
    contents = {"training_set_kwargs": pickles.Easy(path="digits.zip", xflip=True)}
    for name, kind in (("G", "Generator"), ("D", "Discriminator"), ("G_ema", "Generator")):
        mine = part(tensors, name)
        options = {"z_dim": 8} | ({"synthesis_kwargs": pickles.Easy(num_fp16_res=4)} if name != "D" else {})
        contents[name] = pickles.network(kind, mine, options, layers(mine))
    path.write_bytes(pickles.dumps({**contents, **extra}))
    return path


@pytest.fixture(scope="module")
def tensors():
    return tiny_tensors()


@pytest.fixture(scope="module")
def converted(tensors, tmp_path_factory):
    """The work directory of a conditional network that was converted without data."""
    base = tmp_path_factory.mktemp("converted")
    source = write_pickle(base / "network-snapshot-000123.pkl", tensors, augment_pipe=augment_pipe())
    assert convert.main([str(source), "--workdir", str(base / "run")]) == 0
    return base / "run"


def augment_pipe():
    options = {"xflip": 1, "xint": 1, "scale": 1, "brightness": 1, "imgfilter": 0}
    state = {"_buffers": pickles.Ordered(p=pickles.tensor(np.float32(0.25))), "_init_kwargs": pickles.Easy(options)}
    return pickles.module("AugmentPipe", state)


def error_line(capsys, *arguments):
    assert convert.main([str(argument) for argument in arguments]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("jaxgen: error: ")]
    return line


@golden_arrays.needs_golden
@pytest.mark.parametrize("name", ["cifar_like", pytest.param("config_f_like", marks=pytest.mark.full)])
def test_networks_in_a_pickle_make_the_references_images_and_logits(tmp_path, name):
    golden = golden_arrays.load(name)
    cifar = name == "cifar_like"
    networks = {}
    for network, options in {
        "G": {"synthesis_kwargs": pickles.Easy(conv_clamp=256 if cifar else None)},
        "D": {"conv_clamp": 256 if cifar else None, "epilogue_kwargs": {"mbstd_group_size": 8 if cifar else 4}},
    }.items():
        networks[network] = pickles.network(network, part(golden.arrays, network), options)
    (tmp_path / "a.pkl").write_bytes(pickles.dumps(networks))
    found = tensor_files.read_networks(tmp_path / "a.pkl").networks
    described = describe(found, "a.pkl")
    assert described.num_classes == (0 if cifar else 3)
    config = default.get_config()
    config.model.update(described.model)
    assert config.model.to_dict() == {**golden.config.model.to_dict(), "channel_max": described.model["channel_max"]}
    shape = (described.resolution, described.resolution, described.channels)
    model = stylegan2.build(config.model, shape, described.num_classes, jnp.float32)
    players = weights.players_of(found, "a.pkl")
    g, labels = players["ema"], None if cifar else golden.labels[:2]

    def run(latents, images):
        w = model.mapping.apply({"params": g["params"]["mapping"]}, latents, labels, mutable="w_avg")[0]
        variables = {"params": g["params"]["synthesis"], "noise": g["stats"]["noise"]}
        made = model.synthesis.apply(variables, broadcast(w, model.num_ws))
        return made, model.discriminator.apply({"params": players["d"]["params"]}, images, golden.labels)

    reals = golden.images("inputs/reals")[0]
    images, logits = jax.jit(run)(golden.arrays["inputs/z"][0, 0][:2], reals)
    for actual, expected in (
        (images, golden.images("expect/image_noise_const")[:2]),
        (logits, golden.arrays["expect/logits_real"][:, 0]),
    ):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@golden_arrays.needs_golden
@pytest.mark.parametrize("name", golden_arrays.NAMES)
def test_written_names_are_those_of_the_official_state_dicts(name):
    golden = golden_arrays.load(name)
    found = {network: Network(tensors=part(golden.arrays, network)) for network in ("G", "D")}
    written = weights.tensors_of(weights.players_of(found, name))
    expected = {key: value for key, value in golden.arrays.items() if key.startswith(("G.", "D."))}
    expected |= {f"G_ema.{key}": value for key, value in part(golden.arrays, "G").items()}
    assert written.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(written[key], value)
        assert written[key].shape == value.shape


def test_a_pickle_becomes_a_work_directory(converted, tensors):
    told = json.loads((converted / "config.json").read_text())
    model = told["config"]["model"]
    expected = json.loads(tiny_config().model.to_json())  # tuples are lists there
    assert model == expected
    assert told["config"]["recipe"]["w_avg_beta"] == 0.99
    assert told["config"]["recipe"]["ada_pipeline"] == "bgc"
    assert (told["config"]["data"]["name"], told["config"]["data"]["num_classes"]) == ("none", CLASSES)
    assert told["config"]["data"]["flip"] is True
    origin = told["converted"]
    assert (origin["kimg"], origin["half_precision_resolutions"], origin["augmentation_p"]) == (123, 4, 0.25)
    assert origin["training_set"]["path"] == "digits.zip"
    found = restoring.load_arrays(converted)
    assert found.step == 0
    written = weights.tensors_of(found.players)
    assert written.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(written[name], tensor)


def test_it_is_restored_without_data(converted):
    config = run_config.read(converted)
    with pytest.raises(UserError, match=r"data.name='none' has no images"):
        session.open_session(config)
    opened = session.open_session(config, needs_images=False)
    state, step = restoring.restore(opened, converted, "latest")
    assert step == 0
    assert float(state.players["strength"].p) == 0.25
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(state.players["d"].opt_state))


@pytest.mark.slow
def test_it_samples_without_data(converted):
    sample.sample(run_config.read(converted), converted, "latest")
    assert len(list((converted / "samples" / "images").iterdir())) == 64


def test_it_can_be_given_data_and_then_belongs_to_them(converted):
    config = run_config.read(converted).unlock()
    config.data.name = "digits"
    with pytest.raises(UserError, match=r"num_classes=2: digits has 10 classes.*init_from"):
        session.open_session(config)
    config.data.num_classes = 0
    with pytest.raises(UserError, match=r"belongs to another config \(config.data.num_classes"):
        workdir.check(converted, config)
    config.data.update({"num_classes": CLASSES, "image_size": 16})
    with pytest.raises(UserError, match=r"belongs to another config \(config.data.image_size"):
        workdir.check(converted, config)
    config.data.image_size = 8
    workdir.bind(converted, config, {"data": "of digits"})
    told = json.loads((converted / "config.json").read_text())
    assert (told["config"]["data"]["name"], told["data"], told["converted"]["kimg"]) == ("digits", "of digits", 123)
    config.data.name = "mnist"
    with pytest.raises(UserError, match=r"config.data.name: 'digits' there and 'mnist' now"):
        workdir.check(converted, config)


@pytest.mark.parametrize("architectures", [("orig", "orig"), ("skip", "skip"), ("resnet", "resnet")])
def test_architectures_show_in_the_tensors(architectures):
    tensors = tiny_tensors(architectures, 0)
    described = describe({name: Network(tensors=part(tensors, name)) for name in ("G_ema", "D")}, "a.npz")
    assert (described.model["architecture"], described.model["discriminator_architecture"]) == architectures
    assert (described.resolution, described.channels, described.num_classes) == (8, 1, 0)


def test_tensors_by_name_go_in_and_out(tmp_path, capsys):
    """Unconditional, with data and training of a config, whose model tells what tensors do not."""
    architectures = ("resnet", "skip")
    tensors = tiny_tensors(architectures, 0)
    np.savez(tmp_path / "a.npz", **tensors)
    (tmp_path / "mine.py").write_text(
        "from jaxgen.settings import default\n\n\ndef get_config():\n    config = default.get_config()\n"
        "    config.model.conv_clamp = 128.0\n    return config\n"
    )
    flags = ("--config", tmp_path / "mine.py", "--config.model.stddev_group=2", "--config.batch_size=4")
    run = tmp_path / "run"
    assert convert.main([str(x) for x in (tmp_path / "a.npz", "--workdir", run, *flags)]) == 0
    config = run_config.read(run)
    assert config.model.to_dict() == {**tiny_config(architectures, 0).model.to_dict(), "mapping_layers": 2}
    assert (config.batch_size, config.data.name, config.data.image_size) == (4, "digits", 8)
    assert "holds a run already" in error_line(capsys, tmp_path / "a.npz", "--workdir", run)
    assert convert.main(["--export_weights", str(tmp_path / "out.npz"), "--workdir", str(run)]) == 0
    check_networks(tmp_path / "out.npz", tensors)


def check_networks(path, tensors):
    networks = tensor_files.read_networks(path).networks
    assert networks.keys() == {"G", "D", "G_ema"}
    for name, network in networks.items():
        expected = part(tensors, name)
        assert network.tensors.keys() == expected.keys()
        for key, tensor in expected.items():
            np.testing.assert_array_equal(network.tensors[key], tensor, strict=True)  # the same shape, too


def test_safetensors(tensors, tmp_path):
    pytest.importorskip("safetensors")
    tensor_files.write_tensors(tmp_path / "a.safetensors", tensors, {"step": "3"})
    check_networks(tmp_path / "a.safetensors", tensors)
    (tmp_path / "b.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    with pytest.raises(UserError, match=r"cannot be read as .safetensors"):
        tensor_files.read_networks(tmp_path / "b.safetensors")


def test_state_dicts_of_torch_and_names_without_a_prefix(tensors, tmp_path):
    torch = pytest.importorskip("torch")
    nested = {name: {key: torch.tensor(t) for key, t in part(tensors, name).items()} for name in ("G", "D", "G_ema")}
    torch.save(nested, tmp_path / "a.pth")
    check_networks(tmp_path / "a.pth", tensors)
    np.savez(tmp_path / "a.npz", **part(tensors, "G_ema"))
    networks = tensor_files.read_networks(tmp_path / "a.npz").networks
    assert list(networks) == ["G_ema"]
    assert weights.players_of(networks, "a.npz").keys() == {"g", "ema"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"G_ema.mapping.fc0.weight": np.zeros((8, 9 + 8), np.float32)}, "z_dim=9 and w_dim=8"),
        ({"G_ema.synthesis.b8.resample_filter": np.full((4, 4), 1 / 16, np.float32)}, "not the filter"),
        ({"D.b4.conv.weight": np.zeros((8, 8, 3, 3), np.float32)}, "D's b4.conv.weight is (3, 3, 8, 8)"),
        ({"D.mapping.fc7.weight": None}, "D's mapping.fc7.weight is missing"),
        ({"G.synthesis.extra.weight": np.zeros((3, 3), np.float32)}, "synthesis.extra.weight"),
        ({"G_ema.synthesis.b4.conv1.weight": np.zeros((7, 8, 3, 3), np.float32)}, "channels are 7 at 4, 8 at 8"),
        ({"G_ema.synthesis.b4.const": np.full((8, 4, 4), np.nan, np.float32)}, "not finite"),
        ({"G_ema.synthesis.b4.const": None}, "no StyleGAN2"),
        ({"G_ema.synthesis.b4.conv1.noise_const": None, "G_ema.synthesis.b8.conv0.noise_const": None}, "noise"),
    ],
)
def test_networks_of_other_kinds_are_one_line(tensors, tmp_path, capsys, change, words):
    changed = {name: tensor for name, tensor in {**tensors, **change}.items() if tensor is not None}
    np.savez(tmp_path / "a.npz", **changed)
    assert words in error_line(capsys, tmp_path / "a.npz", "--workdir", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"mapping_fc0": {"activation": "relu"}}, "activation 'relu'"),
        ({"b4_mbstd": {"num_channels": 2}}, "does not add one channel"),
        ({"b4_conv": {"conv_clamp": 64}}, "128.0 in G and 64.0 in D"),
        ({"mapping_fc0": {"bias_gain": 1.0}}, "learning rate multiplier"),
    ],
)
def test_layers_of_other_kinds_are_refused(tensors, attributes, words):
    networks = {
        name: Network(name, {}, part(tensors, name), layers(part(tensors, name), **(attributes if name == "D" else {})))
        for name in ("G", "D")
    }
    with pytest.raises(UserError, match=words):
        describe(networks, "a.pkl")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mapping_kwargs": {"activation": "relu"}}, "mapping_kwargs has the activation 'relu'"),
        ({"block_kwargs": {"resample_filter": [1, 1]}}, r"block_kwargs has the filter \[1, 1\]"),
    ],
)
def test_arguments_of_other_kinds_are_refused(tensors, options, words):
    networks = {"G": Network("Generator", options, part(tensors, "G"))}
    with pytest.raises(UserError, match=words):
        describe(networks, "a.pkl")


def test_command_lines_that_cannot_be(tmp_path, capsys, converted):
    source = tmp_path / "a.npz"
    np.savez(source, **{"D.b4.conv.weight": np.zeros(3)})
    for arguments, words in (
        ((source, "--workdir", tmp_path / "r"), "holds D, but a generator, G_ema or G, is needed"),
        (("--workdir", tmp_path / "r"), "give either"),
        ((source, "--workdir", tmp_path / "r", "--export_weights", "b.npz"), "give either"),
        ((source, "--workdir", tmp_path / "r", "--config.steps=3"), "Name it with --config"),
        ((source, "--workdir", tmp_path / "r", "--confg=3"), "unknown argument '--confg=3'"),
        ((source, "--workdir", tmp_path / "r", "--config", "no.py"), "no such file"),
        ((source,), "--workdir"),
        (("--export_weights", tmp_path / "a.txt", "--workdir", converted), ".npz or .safetensors"),
        (("--export_weights", tmp_path / "no" / "a.npz", "--workdir", converted), "there is no folder"),
        (("--export_weights", tmp_path / "b.npz", "--workdir", tmp_path), "no config.json"),
        (
            ("--export_weights", tmp_path / "b.npz", "--workdir", converted, "--checkpoint", "7"),
            "no checkpoint of step 7",
        ),
    ):
        assert words in error_line(capsys, *arguments), arguments
    assert processes.is_primary()
    (tmp_path / "b.npz").write_bytes(b"PK not a zip")
    assert "cannot be read as .npz" in error_line(capsys, tmp_path / "b.npz", "--workdir", tmp_path / "r")
