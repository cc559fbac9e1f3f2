"""Network pickles are read as data: nothing in them runs, nothing else is accepted."""

import pickle
import sys
import types

import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.official.network_pickle import read_network_pickle
from tests.helpers import official_pickles as pickles
from tests.helpers.official_pickles import Call, Easy, Global

RNG = np.random.default_rng(0)
TENSORS = {
    "mapping.fc0.weight": RNG.normal(size=(4, 3)).astype(np.float32),
    "mapping.w_avg": RNG.normal(size=4).astype(np.float32),
    "synthesis.b4.const": RNG.normal(size=(2, 4, 4)).astype(np.float32),
    "synthesis.b4.conv1.noise_strength": np.float32(0.5),
}
OPTIONS = {"z_dim": 3, "synthesis_kwargs": Easy(channel_base=64, conv_clamp=None), "mapping_kwargs": Easy()}


def written(tmp_path, contents, protocol=3):
    path = tmp_path / "network.pkl"
    path.write_bytes(contents if isinstance(contents, bytes) else pickles.dumps(contents, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3])
def test_reads_tensors_options_and_attributes(tmp_path, protocol):
    attributes = {"": {"z_dim": 3}, "mapping": {"w_avg_beta": 0.995}, "mapping.fc0": {"bias_gain": pickles.gain(0.01)}}
    g = pickles.network("Generator", TENSORS, OPTIONS, attributes)
    data = {"training_set_kwargs": Easy(path="a.zip", xflip=True), "G": g, "augment_pipe": None}
    networks, training_set = read_network_pickle(written(tmp_path, data, protocol))
    assert training_set == {"path": "a.zip", "xflip": True}
    assert list(networks) == ["G"]
    network = networks["G"]
    assert network.class_name == "Generator"
    assert network.options == {"z_dim": 3, "synthesis_kwargs": {"channel_base": 64, "conv_clamp": None}} | {
        "mapping_kwargs": {}
    }
    assert network.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(network.tensors[name], tensor)
        assert network.tensors[name].dtype == np.float32
        assert network.tensors[name].shape == tensor.shape
    assert network.attributes["mapping"]["w_avg_beta"] == 0.995
    assert network.attributes["mapping.fc0"]["bias_gain"] == 0.01
    assert network.attributes[""]["z_dim"] == 3


def test_buffers_that_are_not_kept_are_left_out(tmp_path):
    state = {
        "_buffers": pickles.Ordered(
            kept=pickles.tensor(np.ones(2, np.float32)), passing=None, lost=pickles.tensor(np.ones(3))
        ),
        "_non_persistent_buffers_set": {"lost"},
        "_parameters": pickles.Ordered(frozen=None),
    }
    networks, _ = read_network_pickle(written(tmp_path, {"D": pickles.module("Discriminator", state)}))
    assert list(networks["D"].tensors) == ["kept"]


def test_reads_what_torch_itself_writes(tmp_path, monkeypatch):
    """The same reduction inside a module `torch_utils.persistence`, tensors and all pickled by torch."""
    torch = pytest.importorskip("torch")
    for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("this is NVIDIA's loader, which executes the source")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = _reconstruct_persistent_obj.__name__
    sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj

    class EasyDict(dict):
        pass

    EasyDict.__module__, EasyDict.__qualname__ = "dnnlib.util", "EasyDict"
    sys.modules["dnnlib.util"].EasyDict = EasyDict

    class Persistent(torch.nn.Module):
        def __reduce__(self):
            meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": type(self).__name__}
            return _reconstruct_persistent_obj, ({**meta, "state": self.__dict__},), None

    class Layer(Persistent):
        def __init__(self):
            super().__init__()
            base = torch.arange(12.0)
            self.weight = torch.nn.Parameter(base.reshape(3, 4).T)  # not contiguous
            self.register_buffer("part", base.half()[2:])
            self.register_buffer("noise_strength", torch.tensor(0.25, dtype=torch.float64))
            self.gain = np.sqrt(2)

    class Generator(Persistent):
        def __init__(self, **kwargs):
            super().__init__()
            self.fc0 = Layer()
            self.w_dim = 4
            self._init_args, self._init_kwargs = (), kwargs

    g = Generator(z_dim=3, synthesis_kwargs=EasyDict(channel_base=64)).eval().requires_grad_(False)
    for protocol in (3, 4, 5):
        path = written(tmp_path, pickle.dumps({"training_set_kwargs": EasyDict(xflip=False), "G_ema": g}, protocol))
        (network,) = read_network_pickle(path).networks.values()
        assert network.options == {"z_dim": 3, "synthesis_kwargs": {"channel_base": 64}}
        np.testing.assert_array_equal(network.tensors["fc0.weight"], np.arange(12).reshape(3, 4).T)
        np.testing.assert_array_equal(network.tensors["fc0.part"], np.arange(2, 12))
        assert network.tensors["fc0.part"].dtype == np.float16
        assert network.tensors["fc0.noise_strength"] == 0.25
        assert network.attributes["fc0"]["gain"] == np.sqrt(2)
        assert network.attributes[""]["w_dim"] == 4


def hostile(marker):
    """Pickles that would make a file if anything in them ran, by what the refusal must name."""
    command = f"touch {marker}"
    getattr_ = Global("builtins", "getattr")
    reach = Call(getattr_, (Global("collections", "OrderedDict"), "__init__"))
    inner = pickles.storage(np.ones(1, np.float32)).arguments[0]
    by_storage = inner[: inner.index(b"ctorch\nFloatStorage")] + pickles.dumps(
        Call(Global("posix", "system"), (command,)), 2
    )
    reconstruct = Global("torch_utils.persistence", "_reconstruct_persistent_obj")
    stacked = pickle.PROTO + b"\x04"
    for text in ("torch_utils.persistence", "_reconstruct_persistent_obj.__globals__"):
        stacked += pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode()
    build = b"}" + pickles.dumps({"function": Global("os", "system")})[2:-1] + b"\x86b."
    return {
        "os.system": {"G": Call(Global("os", "system"), (command,))},
        "posix.system": {"G": Call(Global("posix", "system"), (command,))},
        "builtins.eval": {"G": Call(Global("builtins", "eval"), (f"open({str(marker)!r}, 'w')",))},
        "builtins.getattr": {"G": Call(Call(getattr_, (reach, "__globals__")), ())},
        "torch.nn.modules.linear.Linear": {"G": Global("torch.nn.modules.linear", "Linear")},
        "torch_utils.persistence.import_hook": {"G": Call(Global("torch_utils.persistence", "import_hook"), ())},
        "numpy.load": {"G": Call(Global("numpy", "load"), (str(marker),))},
        "posix.system ": {"G": Call(Global("torch.storage", "_load_from_bytes"), (by_storage,))},
        "_reconstruct_persistent_obj.__globals__": stacked + pickle.STACK_GLOBAL + b".",
        "os.system ": pickles.dumps(reconstruct)[:-1] + build,  # the stand-in's own attribute, to be called instead
        "set attribute": pickles.dumps(reconstruct)[:-1] + b"N}" + pickles.dumps("function")[2:-1] + b"K\x00s\x86b.",
    }


@pytest.mark.parametrize("name", list(hostile("x")))
def test_hostile_pickles_are_refused_by_name_and_nothing_runs(tmp_path, name):
    marker = tmp_path / "it_ran"
    path = written(tmp_path, hostile(marker)[name])
    with pytest.raises(UserError) as caught:
        read_network_pickle(path)
    message = str(caught.value)
    assert "refused, and nothing in it was run" in message
    assert name.strip() in message, message
    assert "\n" not in message
    assert not marker.exists()


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ((Global("dnnlib.tflib.network", "Network"),), "legacy.py"),
        ({"G": pickles.module("G", {"_parameters": pickles.Ordered(a=3)})}, "a is no tensor"),
        ({"G": pickles.module("G", {"_modules": pickles.Ordered(a=3)})}, "a is no module"),
        (
            {"G": Call(Global("torch_utils.persistence", "_reconstruct_persistent_obj"), ({"type": "x"},))},
            "persistence",
        ),
        ({"G": pickles.parameter(np.ones(2, np.float32)).arguments[0]._replace(arguments=(3, 0, (), ()))}, "torch"),
        ({"G": 3}, "without networks"),
        ([1], "list in place of a dict"),
        (b"not a pickle", "refused"),
        (b"", "refused"),
        (pickles.dumps({"G": pickles.network("G", TENSORS, {})})[:-40], "refused"),
    ],
)
def test_other_files_are_one_line(tmp_path, contents, words):
    with pytest.raises(UserError, match=words):
        read_network_pickle(written(tmp_path, contents))


def test_a_tensor_cannot_reach_past_its_storage(tmp_path):
    call = pickles.tensor(np.ones(4, np.float32))
    wide = call._replace(arguments=(call.arguments[0], 0, (5,), (1,), *call.arguments[4:]))
    state = {"_buffers": pickles.Ordered(w_avg=wide)}
    with pytest.raises(UserError, match="past the end"):
        read_network_pickle(written(tmp_path, {"G": pickles.module("Generator", state)}))


def test_modules_that_hold_themselves_many_times_are_refused(tmp_path):
    inner = pickles.module("Layer", {})
    for _ in range(40):
        inner = pickles.module("Layer", {"_modules": pickles.Ordered(a=inner, b=inner)})
    with pytest.raises(UserError, match="more than 10000 modules"):
        read_network_pickle(written(tmp_path, {"G": inner}))


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_network_pickle(tmp_path / "none.pkl")


def test_a_few_bytes_cannot_take_gigabytes(tmp_path):
    with pytest.raises(UserError, match="numbers its objects out of turn"):
        read_network_pickle(written(tmp_path, b"\x80\x02}r\xff\xff\xff\x0f."))


def test_a_storage_cannot_be_read_again_and_again(tmp_path):
    load = pickles.storage(np.zeros(1000, np.float32))
    code = pickles.dumps(load)  # ends with the text in memory, the arguments, and the call
    assert code.endswith(b"R.")
    arguments = code[:-2] + b"q\x05R0" + b"ctorch.storage\n_load_from_bytes\nh\x05R0" * 3 + b"}."
    with pytest.raises(UserError, match="makes more bytes than it holds"):
        read_network_pickle(written(tmp_path, arguments))
