"""The sampler as an artifact: loaded without jaxgen, the same bytes; every kind of recipe, every platform."""

import json
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import convert, export
from jaxgen.commands import exported_sampler
from jaxgen.errors import UserError
from jaxgen.models.stylegan2.layers import broadcast, truncate
from jaxgen.ops.pixels import to_uint8
from jaxgen.runs import restoring, run_data, session
from jaxgen.settings import default, lookup, run_config
from tests.commands.test_convert import tiny_tensors

PLATFORMS = ("cpu", "cuda", "tpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A converted StyleGAN2 of 8x8 without classes."""
    base = tmp_path_factory.mktemp("export")
    np.savez(base / "a.npz", **tiny_tensors(classes=0))
    assert convert.main([str(base / "a.npz"), "--workdir", str(base / "run")]) == 0
    return base / "run"


def loader():
    """The documented lines."""
    lines = export.__doc__.split("A program that loads the file needs jax and flatbuffers alone:")[1].strip("\n")
    code = textwrap.dedent(lines).strip()
    assert len(code.splitlines()) == 5
    return code


@pytest.mark.full
def test_the_documented_loader_gives_the_samplers_bytes_where_there_is_no_jaxgen(run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr(run_data, "open_dataset")  # no data are needed
        assert export.main(["--workdir", str(run), "--out", str(tmp_path / "sampler.jax")]) == 0
    told = json.loads((tmp_path / "sampler.jax.json").read_text())
    assert (told["takes"], told["gives"]) == (["latents: float32[n,8]"], ["uint8[n,8,8,1]"])
    assert (told["platforms"], told["step"], told["classes"]) == (list(PLATFORMS), 0, 0)
    code = ["import sys", "sys.modules['jaxgen'] = None", loader().replace("randn(1,", "randn(3,")]
    code += [
        "try:",
        "    import jaxgen",
        "except ImportError:",
        "    np.savez('out.npz', latents=latents, images=images)",
    ]
    command = [sys.executable, "-I", "-c", "\n".join(code)]
    subprocess.run(command, cwd=tmp_path, env={"JAX_PLATFORMS": "cpu"}, check=True, timeout=300)
    with np.load(tmp_path / "out.npz") as out:
        latents, images = out["latents"], out["images"]
    np.testing.assert_array_equal(latents, np.random.RandomState(0).randn(3, 8).astype(np.float32))
    config = run_config.read(run).unlock()
    config.num_devices = 1
    opened = session.open_session(config, needs_images=False)
    found = restoring.load_arrays(run).players["ema"]
    ema = jax.eval_shape(opened.recipe.init, jax.random.key(0))["ema"].replace(**found)
    expected = np.asarray(opened.views.decode({"ema": ema}, latents, np.arange(3)))
    assert (images.shape, images.dtype) == ((3, 8, 8, 1), np.uint8)
    assert np.abs(expected[1:].astype(int) - expected[:1]).mean() > 5  # images depend on their latents
    np.testing.assert_array_equal(images, expected)
    # The average alone is in it: neither the other generator nor the discriminator.
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(found))
    assert weights < (tmp_path / "sampler.jax").stat().st_size < weights + 60_000


def built(recipe, model, shape, classes, **changes):
    config = default.get_config()
    config.recipe.name, config.model.name = recipe, model
    config.model.update({"width": 8, "latent_dim": 8, "channel_base": 64, "channel_max": 8, "mapping_layers": 2})
    config.model.update({"prior_width": 8, "prior_layers": 1, "prior_heads": 1, "num_codes": 8, "code_dim": 4})
    config.model.update(changes)
    return lookup.module("recipes", recipe, "").build(config, shape, classes)


@pytest.mark.parametrize(
    ("arguments", "takes", "gives"),
    [
        (("stylegan2", "stylegan2", (8, 8, 1), 3, True), "float32[n,8] int32[n]", "uint8[n,8,8,1]"),
        pytest.param(
            ("stylegan2", "stylegan2", (8, 8, 1), 3, False), "float32[n,8]", "uint8[n,8,8,1]", marks=pytest.mark.full
        ),
        (("gan", "dcgan", (16, 16, 1), 10, False), "float32[n,8]", "uint8[n,16,16,1]"),
        (("gan", "point_gan", (2,), 0, False), "float32[n,8]", "float32[n,2]"),
        (("vae", "conv_vae", (16, 16, 1), 0, False), "float32[n,8]", "uint8[n,16,16,1]"),
        (("vq_vae", "vq_vae", (8, 8, 1), 0, False), "uint32[] int32[n]", "uint8[n,8,8,1]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value[1:])),
)
def test_every_recipe_lowers_for_every_platform_and_any_number_of_images(arguments, takes, gives):
    *arguments, conditional = arguments
    changes = {"architecture": "skip"} if arguments[0] == "stylegan2" else {}
    changes |= {"batch_norm": False} if arguments[0] == "vae" else {}
    recipe = built(*arguments, conditional=conditional, **changes)
    abstract = jax.eval_shape(recipe.init, jax.random.key(0))
    sampler = exported_sampler.sampler_of(recipe, abstract, arguments[3])
    players = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract)
    exported = exported_sampler.lowered(sampler, players, PLATFORMS)
    assert exported.platforms == PLATFORMS
    assert " ".join(aval.str_short() for aval in exported.in_avals) == takes
    assert exported.out_avals[0].str_short() == gives
    assert not exported.disabled_safety_checks


def test_accelerators_get_plain_convolutions_and_a_cpu_its_own():
    """Upsampling convolutions are dilated ones on accelerators, and made without the zeros on a CPU."""
    recipe = built("gan", "dcgan", (16, 16, 1), 0)
    abstract = jax.eval_shape(recipe.init, jax.random.key(0))
    sampler = exported_sampler.sampler_of(recipe, abstract, 0)
    players = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract)

    def dilated(*platforms):
        text = exported_sampler.lowered(sampler, players, platforms, 2).mlir_module()
        return text.count("lhs_dilate = [2, 2]"), "stablehlo.case" in text

    assert dilated("cpu") == (0, False)
    count, chosen_later = dilated("cuda")
    assert count > 0
    assert not chosen_later
    both, chosen_later = dilated("cpu", "cuda")
    assert both >= count
    assert chosen_later


def test_truncation_pulls_styles_to_their_mean():
    recipe = built("stylegan2", "stylegan2", (8, 8, 1), 0, architecture="skip")
    rng = np.random.default_rng(0)
    abstract = jax.eval_shape(recipe.init, jax.random.key(0))
    ema = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), abstract["ema"])
    ema.params["mapping"] = jax.tree.map(lambda leaf: leaf * 100, ema.params["mapping"])  # its multiplier is 0.01
    latents = rng.normal(size=(4, 8)).astype(np.float32)

    def run(players, latents):
        w = recipe.views["mapping"](players, latents)
        ws = truncate(broadcast(w, 4), players["ema"].stats["w_avg"], 0.6)
        samplers = [exported_sampler.sampler_of(recipe, abstract, 0, psi) for psi in (0.6, 0.0, 1.0)]
        images = [sampler.function(players, latents) for sampler in samplers]
        return images, to_uint8(recipe.views["synthesis"](players, ws))

    images, expected = jax.jit(run)({"ema": ema}, latents)
    truncated, average, whole = (np.asarray(part, int) for part in images)
    assert np.abs(truncated - np.asarray(expected, int)).max() <= 1  # a rounding to the next gray level
    assert np.abs(truncated - whole).mean() > 5
    assert (average == average[:1]).all()
    assert truncated.std(axis=0).max() > 5


def test_a_program_that_depends_on_the_number_of_images_asks_for_it():
    shape = jax.ShapeDtypeStruct((1, 3), jnp.float32)
    sampler = exported_sampler.Sampler(lambda players, x: x[: x.shape[0] // 2] if x.shape[0] > 4 else x, {"x": shape})
    with pytest.raises(UserError, match=r"for any number of images .*\. Set --batch_size"):
        exported_sampler.lowered(sampler, {}, ("cpu",))
    assert exported_sampler.lowered(sampler, {}, ("cpu",), 6).out_avals[0].shape == (3, 3)


def test_command_lines_that_cannot_be(run, tmp_path, capsys):
    out = ("--out", tmp_path / "a.jax")
    for arguments, words in (
        (("--workdir", run), "--out"),
        (("--workdir", tmp_path, *out), "no run there"),
        (("--workdir", run, *out, "--platforms", "cpu,gpu"), "choices: cpu, cuda, rocm, tpu"),
        (("--workdir", run, *out, "--platforms", ","), "--platforms is empty"),
        (("--workdir", run, *out, "--batch_size", "-1"), "--batch_size=-1"),
        (("--workdir", run, *out, "--checkpoint", "3"), "no checkpoint of step 3"),
        (("--workdir", run, "--out", tmp_path / "no" / "a.jax"), "there is no folder"),
    ):
        assert export.main([str(argument) for argument in arguments]) == 2
        err = capsys.readouterr().err
        assert words in err
        assert err.count("jaxgen: error: ") == 1
    assert not (tmp_path / "a.jax").exists()
    recipe = built("vae", "conv_vae", (16, 16, 1), 0, batch_norm=False)
    with pytest.raises(UserError, match=r"--truncation=0.5: this run's recipe has no styles"):
        exported_sampler.sampler_of(recipe, jax.eval_shape(recipe.init, jax.random.key(0)), 0, 0.5)
