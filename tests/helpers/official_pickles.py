"""Network pickles as StyleGAN2-ADA's training writes them, made without its code and without torch."""

import io
import pickle
import struct
from typing import ClassVar, NamedTuple

import numpy as np

BUFFERS = ("w_avg", "noise_const", "resample_filter")


class Global(NamedTuple):
    """A bare global name."""

    module: str
    name: str


class Call(NamedTuple):
    """`function(*arguments)` at load time."""

    function: Global
    arguments: tuple


class Easy(dict):
    """A dnnlib.EasyDict."""


class Persistent(tuple):
    """A reference to a storage whose bytes follow the pickle."""

    __slots__ = ()


class Writer(pickle._Pickler):
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def persistent_id(self, obj):
        return tuple(obj) if isinstance(obj, Persistent) else None

    def _global(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    def _call(self, obj):
        self.save(obj.function)
        self.save(obj.arguments)
        self.write(pickle.REDUCE)

    def _easy(self, obj):
        self.save(Global("dnnlib.util", "EasyDict"))
        self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        self.memoize(obj)
        self._batch_setitems(obj.items())

    def _ordered(self, obj):
        self.write(b"ccollections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE)
        self.memoize(obj)
        self._batch_setitems(obj.items())

    dispatch[Global], dispatch[Call], dispatch[Easy] = _global, _call, _easy


class Ordered(dict):
    """A collections.OrderedDict."""


Writer.dispatch[Ordered] = Writer._ordered


def dumps(obj, protocol=3) -> bytes:
    stream = io.BytesIO()
    Writer(stream, protocol).dump(obj)
    return stream.getvalue()


def storage(array: np.ndarray) -> Call:
    """A storage by itself: torch's legacy format."""
    parts = [0x1950A86A20F9469CFC6C, 1001]
    parts.append({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}})
    kind = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}[array.dtype.name]
    reference = Persistent(("storage", Global("torch", kind), "94123", "cpu", array.size, None))
    data = b"".join(dumps(part, 2) for part in [*parts, reference, ["94123"]])
    return Call(Global("torch.storage", "_load_from_bytes"), (data + struct.pack("<q", array.size) + array.tobytes(),))


def tensor(array) -> Call:
    array = np.asarray(array, order="C")
    strides = tuple(s // array.itemsize for s in array.strides)
    arguments = storage(array.reshape(-1)), 0, array.shape, strides, False, Ordered()
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments)


def parameter(array) -> Call:
    return Call(Global("torch._utils", "_rebuild_parameter"), (tensor(array), False, Ordered()))


def module(class_name, state) -> Call:
    """What `torch_utils.persistence` reduces a module to. Its source must never run."""
    source = "import os\nos._exit(3)\nraise SystemExit"
    meta = {"type": "class", "version": 6, "module_src": source, "class_name": class_name, "state": state}
    return Call(Global("torch_utils.persistence", "_reconstruct_persistent_obj"), (meta,))


def network(class_name, tensors, options, attributes=None, path=""):
    """A module with those inside it, from tensors by their state-dict names.

    attributes: plain attributes of each module, by its dotted path.
    """
    attributes = attributes or {}
    parameters, buffers, inner = Ordered(), Ordered(), {}
    for name, value in tensors.items():
        head, _, rest = name.partition(".")
        if rest:
            inner.setdefault(head, {})[rest] = value
        elif head in BUFFERS:
            buffers[head] = tensor(value)
        else:
            parameters[head] = parameter(value)
    prefix = f"{path}." if path else ""
    for name in attributes:  # modules without tensors
        if name.startswith(prefix) and name != path:
            inner.setdefault(name.removeprefix(prefix).split(".")[0], {})
    modules = Ordered({k: network("Layer", v, None, attributes, prefix + k) for k, v in inner.items()})
    state = {
        "training": False,
        "_parameters": parameters,
        "_buffers": buffers,
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": Ordered(),
        "_modules": modules,
        **attributes.get(path, {}),
        "_init_args": (),
        "_init_kwargs": Easy(options or {}),
    }
    return module(class_name, state)


def gain(value) -> Call:
    """A numpy.float64, as the layers' gains are."""
    kind = Call(Global("numpy", "dtype"), ("f8", 0, 1))
    return Call(Global("numpy.core.multiarray", "scalar"), (kind, struct.pack("<d", value)))
