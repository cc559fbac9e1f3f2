"""The generator of PyTorch's DCGAN example becomes a run whose images are those of the example's own layers."""

import itertools
import json

import jax
import numpy as np
import pytest

from jaxgen import convert
from jaxgen.official import dcgan_generator, tensor_files
from jaxgen.official.network_pickle import Network
from jaxgen.ops.random import example_normal
from jaxgen.runs import restoring, run_views, session
from jaxgen.settings import run_config
from tests.helpers.torch_files import state_dict, write_legacy, write_zip

# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
LATENT, WIDTH, SIDE, CHANNELS = 5, 3, 16, 3


def net_g(bias=False, counters=True):
    """Random tensors of `netG` for 16x16 RGB under the example's names."""
    random = np.random.default_rng(0)
    tensors = {}
    sizes = [LATENT, 2 * WIDTH, WIDTH, CHANNELS]
    for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
        tensors[f"main.{3 * layer}.weight"] = random.normal(size=(before, after, 4, 4)).astype(np.float32)
        if layer < 2:
            for kind in ("weight", "bias", "running_mean"):
                tensors[f"main.{3 * layer + 1}.{kind}"] = random.normal(size=after).astype(np.float32)
            tensors[f"main.{3 * layer + 1}.running_var"] = random.uniform(1, 9, after).astype(np.float32)
            if counters:
                tensors[f"main.{3 * layer + 1}.num_batches_tracked"] = np.array(17)
    if bias:
        tensors["main.6.bias"] = random.normal(size=CHANNELS).astype(np.float32)
    return tensors


def transposed_convolution(x, kernel, stride, padding):
    """torch's ConvTranspose2d by its definition: each pixel adds its kernel. x: [n, C, H, W]. kernel: [C, O, k, k]."""
    n, _, height, width = x.shape
    size = kernel.shape[-1]
    whole = np.zeros((n, kernel.shape[1], stride * (height - 1) + size, stride * (width - 1) + size))
    for i in range(height):
        for j in range(width):
            part = np.einsum("nc,cokl->nokl", x[:, :, i, j], kernel)
            whole[:, :, stride * i : stride * i + size, stride * j : stride * j + size] += part
    return whole[:, :, padding : whole.shape[2] - padding, padding : whole.shape[3] - padding]


def images_of(tensors, latents):
    """The images [n, H, W, C] in [-1, 1] of `netG` in evaluation mode, in float64."""
    t = {name: np.float64(array) for name, array in tensors.items()}
    layers = sum(array.ndim == 4 for array in tensors.values())
    x = np.float64(latents)[:, :, None, None]
    for layer in range(layers):
        x = transposed_convolution(x, t[f"main.{3 * layer}.weight"], *((1, 0) if layer == 0 else (2, 1)))
        if f"main.{3 * layer}.bias" in t:
            x += t[f"main.{3 * layer}.bias"][:, None, None]
        if layer < layers - 1:
            scale, bias, mean, var = (
                t[f"main.{3 * layer + 1}.{kind}"][:, None, None]
                for kind in ("weight", "bias", "running_mean", "running_var")
            )
            x = np.maximum((x - mean) / np.sqrt(var + 1e-5) * scale + bias, 0)
    return np.tanh(x).transpose(0, 2, 3, 1)


def error_line(capsys, *arguments):
    assert convert.main([str(argument) for argument in arguments]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("jaxgen: error: ")]
    return line


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    base = tmp_path_factory.mktemp("dcgan")
    tree, storages = state_dict(net_g())
    write_zip(base / "weights.tar", {"netG_state_dict": tree, "epoch": 9}, storages)
    assert convert.main([str(base / "weights.tar"), "--workdir", str(base / "run")]) == 0
    return base / "run"


def test_the_run_makes_the_images_of_the_layers_by_their_definition(converted):
    config = run_config.read(converted)
    opened = session.open_session(config, needs_images=False)
    assert opened.example_shape == (SIDE, SIDE, CHANNELS)
    state, step = restoring.restore(opened, converted, "latest")
    assert step == 0
    key, ids = jax.random.key(3), np.arange(4)
    expected = images_of(net_g(), example_normal(key, ids, (LATENT,)))
    made = np.asarray(jax.jit(opened.recipe.views["sample"])(state.players, key, ids, None))
    np.testing.assert_allclose(made, expected, atol=1e-5)
    assert made.std() > 0.3
    sampled = np.asarray(run_views.bound_views(opened, state.players)["sample"](ids))
    assert (sampled.shape, sampled.dtype) == ((4, SIDE, SIDE, CHANNELS), np.uint8)


def test_the_config_says_where_it_came_from(converted):
    told = json.loads((converted / "config.json").read_text())
    model = told["config"]["model"]
    assert {key: model[key] for key in ("name", "architecture", "latent_dim", "width", "output_bias")} == {
        "name": "dcgan",
        "architecture": "radford",
        "latent_dim": LATENT,
        "width": WIDTH,
        "output_bias": False,
    }
    assert (told["config"]["recipe"]["name"], told["config"]["data"]["name"]) == ("gan", "none")
    assert told["config"]["data"]["image_size"] == SIDE
    assert told["converted"]["networks"] == ["netG"]


def test_weights_go_out_as_they_came_in(converted, tmp_path, capsys):
    assert convert.main(["--export_weights", str(tmp_path / "out.npz"), "--workdir", str(converted)]) == 0
    written = tensor_files.read_networks(tmp_path / "out.npz").networks["G_ema"].tensors
    expected = net_g(counters=False)
    assert written.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(written[name], tensor, strict=True)
    # ... and the written file is one that can be read.
    found = dcgan_generator.find({"G_ema": Network(tensors=written)}, "out.npz")
    assert found[1:] == (LATENT, WIDTH, SIDE, CHANNELS)


def test_legacy_files_and_a_last_bias(tmp_path):
    tree, storages = state_dict(net_g(bias=True))
    write_legacy(tmp_path / "netG_epoch_24.pth", tree, storages)
    networks = tensor_files.read_networks(tmp_path / "netG_epoch_24.pth").networks
    found = dcgan_generator.find(networks, "netG_epoch_24.pth")
    assert found.model()["output_bias"] is True
    player = dcgan_generator.players_of(found)["ema"]
    bias = net_g(bias=True)["main.6.bias"]
    np.testing.assert_array_equal(player["params"]["ConvTranspose_1"]["bias"], bias)
    assert dcgan_generator.is_one(player)
    np.testing.assert_array_equal(dcgan_generator.tensors_of(player)["main.6.bias"], bias)


def test_the_discriminator_of_a_checkpoint_is_no_second_generator():
    other = {"main.0.weight": np.zeros((3, 3, 4, 4)), "main.3.running_mean": np.zeros(3)}
    tensors = {f"netG.{name}": array for name, array in net_g().items()}
    tensors |= {f"netD.{name}": array for name, array in other.items()}
    assert dcgan_generator.find({"G_ema": Network(tensors=tensors)}, "x").side == SIDE
    assert dcgan_generator.find({"G_ema": Network(tensors={"synthesis.b4.const": np.zeros(3)})}, "x") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"main.6.weight": np.zeros((3, 2, 4, 4))}, "2 channels"),
        ({"main.3.weight": np.zeros((6, 4, 4, 4))}, "main.3.weight is (6, 4, 4, 4), but (6, 3, 4, 4)"),
        ({"main.3.weight": np.zeros((6, 3, 5, 5))}, "main.3.weight is (6, 3, 5, 5)"),
        ({"main.3.bias": np.zeros(3)}, "main.3.bias is (3,), but no such tensor"),
        ({"main.4.running_var": None}, "main.4.running_var is missing"),
        ({"main.3.weight": None}, "convolutions at main.[0, 6]"),
        ({"main.6.weight": np.full((3, 3, 4, 4), np.nan)}, "not finite"),
        ({f"other.{name}": array for name, array in net_g().items()}, "several generators: main, other"),
    ],
)
def test_generators_of_other_kinds_are_one_line(tmp_path, capsys, change, words):
    changed = {name: np.float32(t) for name, t in {**net_g(), **change}.items() if t is not None}
    np.savez(tmp_path / "a.npz", **changed)
    assert words in error_line(capsys, tmp_path / "a.npz", "--workdir", tmp_path / "run")
    assert not (tmp_path / "run").exists()
