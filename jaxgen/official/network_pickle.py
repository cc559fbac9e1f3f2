"""Reads NVIDIA's network pickles (StyleGAN2-ADA for PyTorch) without torch and without running code in them.

Such a file is a plain pickle of a dict with the modules G, D, G_ema and augment_pipe. Each module is stored as a call
of `torch_utils.persistence._reconstruct_persistent_obj`, with its attributes and the source code of its class. NVIDIA's
loader executes that code. Here stand-ins replace this name and the few others in such files, and only keep data. Source
code is dropped unread. A file with any other name is refused before anything is imported.
"""

import collections
import io
import pickle
from collections.abc import Callable, ItemsView
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from jaxgen.errors import UserError
from jaxgen.metrics.extractors import pickle_limits
from jaxgen.metrics.extractors.numpy_pickle import Encode, NumberType
from jaxgen.metrics.extractors.torch_file import DAMAGE, read_storage, strided

_MOST_TENSORS = 100_000
_MOST_MODULES = 10_000  # a network has about a hundred; a hostile file could nest them without end


class Network(NamedTuple):
    """One network of a file.

    class_name: of its Python class. options: the keyword arguments that it was made with. tensors: parameters and
    buffers by their state-dict names. attributes: plain attributes of each module in it, by the module's dotted path
    ("" is the network itself).
    """

    class_name: str = ""
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    tensors: dict[str, np.ndarray] = {}  # noqa: RUF012
    attributes: dict[str, dict[str, Any]] = {}  # noqa: RUF012


class Contents(NamedTuple):
    """networks: the networks by name, "G", "D", "G_ema", "augment_pipe", as far as the file has them.

    training_set: the training's description of its data (`training_set_kwargs`: path, resolution, xflip, ...).
    """

    networks: dict[str, Network]
    training_set: dict[str, Any]


def read_network_pickle(path: str | Path) -> Contents:
    """The networks in a `.pkl`.

    Raises:
      UserError: a missing or damaged file, a file of TensorFlow's StyleGAN2, or a file that needs more than the data of
        such networks.
    """
    path = Path(path)
    try:
        tree = _NetworkUnpickler(path.read_bytes()).load()
        networks = {str(name): _network(value) for name, value in _items(tree) if isinstance(value, _Module)}
        training_set = _plain(dict(_items(tree)).get("training_set_kwargs"), {})
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give the path of a .pkl file") from None
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: refused, and nothing in it was run: {reason[:300]}") from None
    if not networks:
        raise UserError(f"{path} is a pickle without networks. A file of StyleGAN2-ADA (PyTorch) holds G, D and G_ema")
    return Contents(networks, training_set if isinstance(training_set, dict) else {})


# What the stand-ins make. Tuples and slots: a pickle can set no attribute of theirs.
class _Module(NamedTuple):
    class_name: str
    state: dict


class _Storage(NamedTuple):
    values: np.ndarray


class _Tensor(NamedTuple):
    values: np.ndarray


class _Array:
    """Stands for a NumPy array. No network's tensor is a NumPy array, so the contents are dropped."""

    __slots__ = ()

    def __init__(self, *description):
        pass

    def __setstate__(self, state):
        pass


def _module(meta) -> _Module:
    meta = dict(_items(meta))
    if meta.get("type") != "class" or not isinstance(meta.get("class_name"), str):
        raise pickle.UnpicklingError("a module is described in a way that torch_utils.persistence does not write")
    return _Module(meta["class_name"], dict(_items(meta["state"])))


class _LoadStorage(NamedTuple):
    """Takes the place of `torch.storage._load_from_bytes`."""

    budget: pickle_limits.Budget

    def __call__(self, data) -> _Storage:
        self.budget.take(len(data))
        return _Storage(read_storage(data))


def _tensor(storage, offset, shape, strides, requires_grad=False, hooks=None, metadata=None) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor is described in a way that torch does not write")
    return _Tensor(strided(storage.values, offset, shape, strides))


def _parameter(tensor, requires_grad=False, hooks=None) -> _Tensor:
    if not isinstance(tensor, _Tensor):
        raise pickle.UnpicklingError("a parameter is described in a way that torch does not write")
    return tensor


def _number(kind: NumberType, data: bytes) -> bool | int | float:
    return np.frombuffer(data, kind.dtype, 1)[0].item()


class _StandIn(NamedTuple):
    """Takes a function's place in the pickle: can be called, and has nothing that could be altered."""

    function: Callable

    def __call__(self, *arguments):
        return self.function(*arguments)


# What files may name. Built-in types as they are: they cannot be altered, and make nothing but data.
_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("dnnlib.util", "EasyDict"): dict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _StandIn(_module),
    ("torch._utils", "_rebuild_tensor_v2"): _StandIn(_tensor),
    ("torch._utils", "_rebuild_parameter"): _StandIn(_parameter),
    ("numpy", "dtype"): _StandIn(NumberType),
    ("numpy", "ndarray"): None,
    **{(f"numpy.{core}.multiarray", "scalar"): _StandIn(_number) for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _StandIn(_Array) for core in ("core", "_core")},
}


class _NetworkUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes):
        stream = io.BytesIO(data)
        pickle_limits.check(stream)
        super().__init__(stream)
        # Each text is turned into bytes once, and each storage is read once.
        encode, load = (kind(pickle_limits.Budget(len(data))) for kind in (Encode, _LoadStorage))
        self._names = {**_NAMES, ("_codecs", "encode"): encode, ("torch.storage", "_load_from_bytes"): load}

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in self._names:
            return self._names[module, name]
        if module.split(".")[:2] == ["dnnlib", "tflib"]:
            raise pickle.UnpicklingError(
                "it holds networks of TensorFlow's StyleGAN2 (dnnlib.tflib). Turn it into a PyTorch pickle first, "
                "with legacy.py of stylegan2-ada-pytorch"
            )
        raise pickle.UnpicklingError(f"it asks for {f'{module}.{name}'[:80]!r}, which no StyleGAN2-ADA network holds")

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError("it holds a part of another file, which no StyleGAN2-ADA network does")


def _items(tree: object) -> ItemsView:
    """The items of a dict by the type's own method: a pickle can give an OrderedDict an attribute `items`."""
    if not isinstance(tree, dict):
        raise pickle.UnpicklingError(f"it holds a {type(tree).__name__.lstrip('_')} in place of a dict")
    return dict.items(tree)


def _network(module: _Module) -> Network:
    options = _plain(module.state.get("_init_kwargs", {}), {})
    tensors: dict[str, np.ndarray] = {}
    attributes: dict[str, dict[str, Any]] = {}
    _collect(module, "", tensors, attributes)
    return Network(module.class_name, options if isinstance(options, dict) else {}, tensors, attributes)


def _collect(module: _Module, path: str, tensors: dict, attributes: dict) -> None:
    """Tensors and plain attributes of a module and of those inside it."""
    if len(attributes) == _MOST_MODULES:
        raise pickle.UnpicklingError(f"it holds more than {_MOST_MODULES} modules")
    prefix = f"{path}." if path else ""
    state = module.state
    passing = state.get("_non_persistent_buffers_set", ())
    for kind in ("_parameters", "_buffers"):
        for name, value in _items(state.get(kind, {})):
            if value is not None and not (kind == "_buffers" and name in passing):
                if not isinstance(value, _Tensor):
                    raise pickle.UnpicklingError(f"{prefix}{str(name)[:80]} is no tensor")
                if len(tensors) == _MOST_TENSORS:
                    raise pickle.UnpicklingError(f"it holds more than {_MOST_TENSORS} tensors")
                tensors[f"{prefix}{name}"] = value.values
    attributes[path] = {name: _plain(value, {}) for name, value in state.items() if not str(name).startswith("_")}
    for name, value in _items(state.get("_modules", {})):
        if isinstance(value, _Module):
            _collect(value, f"{prefix}{name}", tensors, attributes)
        elif value is not None:
            raise pickle.UnpicklingError(f"{prefix}{str(name)[:80]} is no module")


def _plain(value: object, done: dict[int, object]) -> object:
    """Numbers, strings and containers of them. Other objects are reduced to their kind.

    done: already converted containers, by identity, so that a container with many references is walked once.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if id(value) not in done:
        kind = f"<{type(value).__name__.lstrip('_').lower()}>"
        done[id(value)] = kind  # what a container that holds itself sees
        if isinstance(value, dict):
            done[id(value)] = {str(name): _plain(inner, done) for name, inner in _items(value)}
        elif isinstance(value, list | tuple) and not isinstance(value, _Module | _Storage | _Tensor | _StandIn):
            done[id(value)] = [_plain(inner, done) for inner in value]
    return done[id(value)]
