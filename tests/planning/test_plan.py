"""Plans from the configs: for GPUs wherever this runs, for TPUs where libtpu is installed."""

import importlib.util
import json
import math

import jax
import numpy as np
import pytest

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.planning import plan as planning
from jaxgen.planning import subject
from jaxgen.planning.hardware import Chip, Hardware, Roofline, open_hardware
from jaxgen.planning.plan import plan
from jaxgen.planning.program import Program, TooLarge
from jaxgen.settings import default
from jaxgen.settings.experiments import experiment
from jaxgen.training.batches import StreamedBatches
from tests.helpers import stylegan2_runs

needs_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="compiles for TPUs: pip install -c constraints.txt '.[plan]'"
)


def result_of(capsys):
    lines = capsys.readouterr().out.splitlines()
    return lines[:-1], json.loads(lines[-1])


def test_gpus_are_lowered_for_and_estimated(tiny_config, capsys):
    plan(tiny_config("gan"), "h100:2")
    lines, result = result_of(capsys)
    assert result["fits"]
    assert result["estimated"]
    assert "fits: yes" in lines[1]
    assert "estimated" in lines[1]
    assert result["stablehlo_bytes"] > 1000
    parameters = result["bytes"]["parameters"]
    assert 2 * parameters < result["bytes"]["optimiser"] < 2 * parameters + 100  # Adam's two moments, and its counts
    assert result["program_bytes"]["arguments"] > result["bytes"]["data"] + 3 * parameters
    seconds = result["roofline_seconds"]
    assert seconds["step"] == pytest.approx(max(seconds["products"], seconds["memory"]) + seconds["collectives"])
    assert result["images_per_second"] == pytest.approx(16 / seconds["step"])
    assert result["days"] == pytest.approx(20 * seconds["step"] / 86_400)


@pytest.mark.full
def test_a_share_of_the_optimiser_and_streamed_images_take_less_of_each_gpu(tiny_config, capsys, tmp_path):
    np.save(tmp_path / "big.npy", np.zeros((4_000, 8, 8), np.uint8))
    results = []
    for smaller in (False, True):
        config = tiny_config("gan")
        config.data.update({"name": "array", "dir": str(tmp_path / "big.npy"), "limit": 0})
        config.data.streaming, config.shard_optimizer = "always" if smaller else "never", smaller
        plan(config, "h100:4")
        results.append(result_of(capsys)[1])
    whole, share = (result["bytes"] for result in results)
    assert share["optimiser"] < 0.3 * whole["optimiser"]
    assert share["parameters"] == whole["parameters"]
    assert (whole["data"], share["data"]) == (3_600 * 64, 16 * 64)
    assert results[1]["program_bytes"]["arguments"] < results[0]["program_bytes"]["arguments"] - 200_000


@needs_libtpu
def test_tpus_are_compiled_for(tiny_config, capsys):
    """Twice the chips with the same batch each: all-reduces alone, of the gradients, and the same operations."""
    results = {}
    for topology, devices in (("v5e:1x1", 1), ("v5e:1x2", 2)):
        config = tiny_config("gan")
        config.model.width = 64  # elementwise work, which XLA counts too, is a sixth of it
        config.batch_size, config.plan.largest_batch = 32 * devices, False
        plan(config, topology)
        lines, results[devices] = result_of(capsys)
        assert results[devices]["fits"]
        assert any("of the peak" in line for line in lines)
        assert 0.1 < results[devices]["compiler_seconds"] / results[devices]["roofline_seconds"]["step"] < 10
        assert any("a step, by the compiler" in line for line in lines)
    assert results[1]["collectives"] == []
    assert {entry["kind"] for entry in results[2]["collectives"]} == {"all-reduce"}
    moved = sum(entry["bytes"] for entry in results[2]["collectives"])
    expected = results[2]["bytes"]["parameters"] + 2 * 32 * 8 * 8 * 4  # gradients, and the images that are compared
    assert expected <= moved < 1.1 * expected  # and statistics of BatchNorm
    assert results[2]["operations_compiled"] == pytest.approx(results[1]["operations_compiled"], rel=0.02)
    assert results[2]["operations_compiled"] == pytest.approx(results[2]["operations_of_the_busiest_step"], rel=0.25)


@needs_libtpu
def test_gradients_of_divided_optimisers_are_scattered_and_updates_gathered(tiny_config, capsys):
    """libtpu makes all-reduces of gathers and scatters whose shares do not fill its tiles."""
    config = tiny_config("gan")
    config.model.width, config.batch_size, config.plan.largest_batch = 64, 32, False
    config.shard_optimizer = True
    plan(config, "v5e:1x2")
    _, result = result_of(capsys)
    sums = dict.fromkeys(("all-gather", "reduce-scatter", "all-reduce"), 0)
    for entry in result["collectives"]:
        sums[entry["kind"]] += entry["bytes"]
    parameters = result["bytes"]["parameters"]
    assert parameters - 4096 < sums["all-gather"] < parameters + 4 * 4096
    # The result of a scatter is a share of what was summed.
    assert 0.8 * parameters < 2 * sums["reduce-scatter"] < parameters + 4 * 4096
    compared = 2 * 32 * 8 * 8 * 4  # bytes of images
    assert sums["all-reduce"] < compared + 0.3 * parameters  # and statistics, and arrays that do not divide by two


@needs_libtpu
def test_a_loop_over_critics_is_compiled_once_and_runs_often(tiny_config, capsys):
    config = tiny_config("gan")
    config.model.width, config.batch_size, config.plan.largest_batch = 64, 32, False
    config.recipe.n_critic, config.recipe.share_fakes = 5, False
    plan(config, "v5e:1x1")
    _, result = result_of(capsys)
    # Elementwise work, which XLA counts too, is a fifth of it.
    assert result["operations_compiled"] == pytest.approx(result["operations_written"], rel=0.35)
    assert result["operations_per_step_per_device"] > 2 * result["operations_written"]


@needs_libtpu
def test_a_slice_that_there_is_not_is_refused():
    with pytest.raises(UserError, match=r"--topology='v5e:3x5': libtpu has no such slice"):
        open_hardware("v5e:3x5")


def test_known_data_need_not_be_there():
    config = experiment("sngan_cifar")
    examples = subject.examples_of(config)
    assert examples.split.images.shape == (50_000, 32, 32, 3)
    assert examples.split.labels.shape == (50_000,)
    assert examples.num_classes == 10
    config.data.limit = 100
    assert subject.examples_of(config).split.images.shape[0] == 100


def test_unknown_data_can_be_described():
    config = experiment("stylegan2_256")
    with pytest.raises(UserError, match=r"To plan without the data, set config.plan.num_images"):
        subject.examples_of(config)
    config.plan.num_images = 5000
    examples = subject.examples_of(config)
    assert examples.split.images.shape == (5000, 256, 256, 3)
    assert examples.split.labels is None


@pytest.mark.full
def test_data_that_would_be_streamed_takes_one_step_s_images_of_memory():
    config = experiment("stylegan2_256")
    config.plan.num_images, config.model.channel_max = 30_000, 8
    planned = subject.build(config, subject.examples_of(config), 8, parallel.mesh_of_others(1))
    assert isinstance(planned.data, StreamedBatches)
    assert sum(math.prod(part.shape) for part in jax.tree.leaves(planned.data)) < 10 * 256**2 * 3
    config.data.streaming = "never"
    planned = subject.build(config, subject.examples_of(config), 8, parallel.mesh_of_others(1))
    assert planned.data.images.shape == (30_000, 256**2 * 3)


def test_data_that_is_here_is_opened():
    examples = subject.examples_of(default.get_config())
    assert examples.split.images.shape == (1437, 16, 16, 1)
    assert examples.num_classes == 10


def test_rows_of_a_table_are_planned_as_networks_see_them(capsys):
    config = experiment("tabular_vae_breast_cancer")
    plan(config, "h100:1")
    result = result_of(capsys)[1]
    examples = subject.examples_of(config)
    data = subject.build(config, examples, config.batch_size, parallel.mesh_of_others(1)).data
    assert result["bytes"]["data"] == 4 * data.images.size + 4 * data.labels.size
    assert data.images.shape == examples.table.encoded.shape
    assert result["operations_per_step_per_device"] > 1e6


def test_a_batch_that_does_not_divide_names_the_nearest(tiny_config):
    config = tiny_config("gan")
    with pytest.raises(UserError, match=r"batch_size=18 .* over 4 devices: use 16 or 20"):
        subject.build(config, subject.examples_of(config), 18, parallel.mesh_of_others(4))


def of_stylegan2():
    return stylegan2_runs.tiny(model__stddev_group=4)


def of_packs():
    config = experiment("tabular_gan_breast_cancer")
    config.model.update({"width": 8, "pack": 3})
    return config


@pytest.mark.parametrize(
    ("config_of", "start", "devices", "capacity", "largest"),
    [
        (of_stylegan2, 4, 1, 30, 28),
        (of_stylegan2, 8, 4, 30, 24),  # two of each device, for path lengths
        (of_packs, 12, 2, 40, 36),
    ],
)
def test_the_largest_batch_is_one_that_can_be(monkeypatch, config_of, start, devices, capacity, largest):
    compiled = []

    def compile_step(subject_, mesh):
        compiled.append(subject_.batching.batch_size)
        if compiled[-1] > capacity:
            return TooLarge(float("nan"), 0.0)
        return Program(0, 0, 0, 0, 0, 1.0, 1.0, (), 0.0)

    monkeypatch.setattr(planning, "compile_step", compile_step)
    config = config_of()
    config.batch_size = start
    examples = subject.examples_of(config)
    hardware = Hardware("x", None, devices, parallel.mesh_of_others(devices), 0)
    planned = subject.build(config, examples, start, hardware.mesh)
    found = planning._largest_batch(config, planned, hardware, compile_step(planned, None))
    assert found == {"largest_batch": largest, "largest_batch_ended_by_limit": False}
    config.plan.max_batch = capacity
    assert planning._largest_batch(config, planned, hardware, compile_step(planned, None)) == {
        "largest_batch": largest,
        "largest_batch_ended_by_limit": True,
    }


def test_the_plan_is_there_before_the_search_for_the_largest_batch(tiny_config, capsys, monkeypatch):
    """The search compiles for minutes or hours; what is known is shown first."""
    shown = []

    def compile_step(subject_, mesh):
        shown.append(capsys.readouterr().out)
        return Program(1, 2, 3, 0, 0, 1.0, 1.0, (), 0.0) if subject_.batching.batch_size <= 32 else TooLarge(2e10, 0.0)

    chip = Chip(100, 50, 16, 1000, 10)
    hardware = Hardware("x", chip, 1, parallel.mesh_of_others(1), 0)
    monkeypatch.setattr(planning, "open_hardware", lambda topology: hardware)
    monkeypatch.setattr(planning, "compile_step", compile_step)
    plan(tiny_config("gan"), "x")
    assert shown[0] == ""
    assert shown[1].startswith("x: 1 device, batch 16")
    assert "fits: yes" in shown[1]
    lines, result = result_of(capsys)
    assert lines == ["largest batch that fits: 32"]
    assert result["largest_batch"] == 32


def test_a_batch_that_no_run_can_have_is_not_planned():
    config = of_stylegan2()
    with pytest.raises(UserError, match=r"batch_size=4 gives each of 4 devices 1 example.*batch_size of 8"):
        subject.build(config, subject.examples_of(config), 4, parallel.mesh_of_others(4))


@pytest.mark.parametrize(
    ("topology", "message"),
    [
        (None, "--mode=plan needs --topology"),
        ("v5:2x4", "--topology='v5' is unknown: did you mean 'v5p'"),
        ("v5e", "the sides of the slice must follow"),
        ("v5e:2by4", "the sides of the slice must follow"),
        ("h100:two", "a number of GPUs must follow, such as h100:8"),
    ],
)
def test_mistakes_are_one_line(tiny_config, topology, message):
    with pytest.raises(UserError, match=message):
        plan(tiny_config("gan"), topology)


@pytest.mark.parametrize(
    ("seconds", "sane"), [(0.02, True), (0.002, True), (0.0009, False), (0.0, False), (-1.0, False), (math.nan, False)]
)
def test_the_compilers_time_is_told_where_it_is_sane(seconds, sane):
    bound = Roofline(0.004, 0.01, 1.0, 1.01, "collectives", 0.1)
    assert planning._compilers_time(seconds, bound) == ({"compiler_seconds": seconds} if sane else {})
    assert planning._compilers_time(math.inf, bound) == {}


def test_state_bytes_are_all_there_is(tiny_config):
    config = tiny_config("gan")
    built = subject.build(config, subject.examples_of(config), 16, parallel.mesh_of_others(1))
    leaves = jax.tree.leaves(built.state.players)
    assert sum(subject.state_bytes(built.state).values()) == sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
