import collections
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics.extractors.torch_file import read_torch_file
from tests.helpers.torch_files import Tensor, pickled_with_tensors, write_legacy, write_zip

GOLDEN = Path(__file__).parents[4] / "shared" / "golden"
MARKER = []


WRITERS = pytest.mark.parametrize("write", [write_zip, write_legacy])


@WRITERS
def test_reads_strides_offsets_and_shared_storage(tmp_path, write):
    base = np.arange(12, dtype=np.float32)
    tree = collections.OrderedDict(
        transposed=Tensor("FloatStorage", "0", 12, 0, (4, 3), (1, 4)),
        part=Tensor("FloatStorage", "0", 12, 5, (2,), (3,)),
        expanded=Tensor("FloatStorage", "0", 12, 2, (1000, 2), (0, 1)),
        empty=Tensor("FloatStorage", "0", 12, 0, (0, 3), (3, 1)),
        nested=[{"scalar": Tensor("LongStorage", "1", 1, 0, (), ())}, 3, "text", None],
    )
    write(tmp_path / "a.pth", tree, {"0": base, "1": np.array([7])})
    got = read_torch_file(tmp_path / "a.pth")
    np.testing.assert_array_equal(got["transposed"], base.reshape(3, 4).T)
    np.testing.assert_array_equal(got["part"], [5, 8])
    np.testing.assert_array_equal(got["expanded"], np.tile([2, 3], (1000, 1)))
    assert got["empty"].shape == (0, 3)
    assert got["nested"][0]["scalar"] == 7
    assert got["nested"][0]["scalar"].shape == ()
    assert got["nested"][1:] == [3, "text", None]


def test_legacy_views_of_old_versions(tmp_path):
    base = np.arange(10, dtype=np.float64)
    tensor = Tensor("DoubleStorage", "0", 10, 1, (2,), (1,), view=[("v", 4, 3)])
    write_legacy(tmp_path / "a.pth", tensor, {"0": base})
    np.testing.assert_array_equal(read_torch_file(tmp_path / "a.pth"), [5, 6])


@pytest.mark.parametrize("name", ["torch_zip.pth", "torch_legacy.pth"])
def test_golden_files(name):
    if not (GOLDEN / name).exists():
        pytest.skip("needs ../shared/golden")
    expected = np.load(GOLDEN / "torch_expected.npz")
    got = read_torch_file(GOLDEN / name)
    assert sorted(got) == sorted(expected.files)
    for key in expected.files:
        assert got[key].dtype == expected[key].dtype
        np.testing.assert_array_equal(got[key], expected[key])


@pytest.mark.parametrize("is_zip", [True, False])
def test_files_written_by_torch(tmp_path, is_zip):
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 4, generator=generator)
    types = ["float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64"]
    tree = {
        "base": base,
        "transposed": base.T,
        "slice": base[1::2, ::3],
        "expanded": base[:1].expand(5, 4),
        **{name: (base * 3).to(getattr(torch, name)) for name in types},
        "scalar": torch.tensor(3.5),
        "meta": [1, (2.5, "x"), None, True],
    }
    torch.save(tree, tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    got = read_torch_file(tmp_path / "a.pth")
    assert got["meta"] == tree["meta"]
    for name, tensor in tree.items():
        if name == "bfloat16":
            assert got[name].dtype.name == "bfloat16"
            np.testing.assert_array_equal(got[name].astype(np.float32), tensor.float().numpy())
        elif name != "meta":
            np.testing.assert_array_equal(got[name], tensor.numpy())
            assert got[name].dtype == tensor.numpy().dtype
    assert np.shares_memory(got["base"], got["transposed"])


class _Attack:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def _mark(value):
    MARKER.append(value)


def _malicious():
    # Each is complete pickle bytes; the last ones reach for attributes and for numbers behind the checks.
    yield pickle.dumps(_Attack(_mark, 1), protocol=2)
    yield pickle.dumps(_Attack(exec, "import os; os.abort()"), protocol=2)
    yield pickle.dumps(_Attack(__import__, "os"), protocol=4)
    yield b"cposix\nsystem\n(S'false'\ntR."
    yield b"cos\nsystem\n."
    yield b"ctorch\nload\n."
    yield b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n."
    yield b"ccollections\nOrderedDict.fromkeys\n."
    yield b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__class__\x93."
    yield b"ctorch._utils\n_rebuild_tensor_v2\n}S'__call__'\nNsb."
    yield b"ctorch\nFloatStorage\n(tR."
    yield b"\x82\x01."


@WRITERS
@pytest.mark.parametrize("code", list(_malicious()))
def test_malicious_pickle_is_refused_and_not_run(tmp_path, write, code):
    write(tmp_path / "a.pth", None, {}, pickled=code)
    with pytest.raises(UserError) as error:
        read_torch_file(tmp_path / "a.pth")
    assert "\n" not in str(error.value)
    assert "a.pth" in str(error.value)
    assert MARKER == []


def test_the_marker_would_show_an_execution():
    pickle.loads(pickle.dumps(_Attack(_mark, 1)))
    assert MARKER == [1]
    MARKER.clear()


@WRITERS
@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("FloatStorage", "0", 4, 0, (5,), (1,)),
        Tensor("FloatStorage", "0", 4, 3, (2,), (1,)),
        Tensor("FloatStorage", "0", 4, 0, (2, 2), (1 << 61, 1)),
        Tensor("FloatStorage", "0", 4, -1, (2,), (1,)),
        Tensor("FloatStorage", "0", 4, 3, (2,), (-1,)),
        Tensor("FloatStorage", "0", 4, 0, (2,), (1, 1)),
        Tensor("FloatStorage", "0", 4, 0, (2.0,), (1,)),
        Tensor("FloatStorage", "0", 400, 0, (300,), (1,)),
        Tensor("FloatStorage", "0", float("nan"), 0, (300,), (1,)),
        Tensor("FloatStorage", "0", 4, 0, (300,), (1,), view=[("v", 0, float("nan"))]),
        Tensor("FloatStorage", "0", 4, 0, (2,), (1,), view=[("v", -2, 2)]),
        Tensor("FloatStorage", "missing", 4, 0, (2,), (1,)),
        Tensor("DoubleStorage", "0", 4, 0, (4,), (1,)),
        Tensor("QInt8Storage", "0", 4, 0, (4,), (1,)),
    ],
)
def test_tensors_outside_their_storage_are_refused(tmp_path, write, tensor):
    write(tmp_path / "a.pth", {"t": tensor}, {"0": np.zeros(4, np.float32)})
    with pytest.raises(UserError, match=r"a\.pth"):
        read_torch_file(tmp_path / "a.pth")


@WRITERS
def test_a_few_bytes_cannot_take_gigabytes(tmp_path, write):
    write(tmp_path / "a.pth", None, {}, pickled=b"\x80\x02]r\xff\xff\xff\x0f.")
    with pytest.raises(UserError, match="numbers its objects out of turn"):
        read_torch_file(tmp_path / "a.pth")
    # Whoever copies it would take 4 GB.
    repeated = Tensor("FloatStorage", "0", 4, 0, (2**15, 2**15), (0, 0))
    write(tmp_path / "a.pth", {"t": repeated}, {"0": np.zeros(4, np.float32)})
    with pytest.raises(UserError, match="repeats a storage of 4 values too often"):
        read_torch_file(tmp_path / "a.pth")


def test_numbers_cannot_change_after_their_check(tmp_path):
    good = pickled_with_tensors(Tensor("FloatStorage", "0", 4, 0, (4,), (1,)))
    assert good.endswith(b".")
    change = b"(N}S'strides'\n(I-1000\ntstb."
    write_zip(tmp_path / "a.pth", None, {"0": np.zeros(4, np.float32)}, pickled=good[:-1] + change)
    with pytest.raises(UserError, match="damaged"):
        read_torch_file(tmp_path / "a.pth")


@WRITERS
def test_truncation_anywhere_is_one_line(tmp_path, write):
    path = tmp_path / "a.pth"
    write(path, {"w": Tensor("FloatStorage", "0", 40, 0, (40,), (1,))}, {"0": np.arange(40, dtype=np.float32)})
    whole = path.read_bytes()
    read_torch_file(path)
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError) as error:
            read_torch_file(path)
        assert "\n" not in str(error.value)


def test_flipped_byte_in_a_zip_is_noticed(tmp_path):
    path = tmp_path / "a.pth"
    values = np.arange(40, dtype=np.float32)
    write_zip(path, {"w": Tensor("FloatStorage", "0", 40, 0, (40,), (1,))}, {"0": values})
    whole = bytearray(path.read_bytes())
    whole[whole.find(values.tobytes()) + 5] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UserError, match="damaged"):
        read_torch_file(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.pth"
    with pytest.raises(UserError, match="cannot be read"):
        read_torch_file(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UserError, match=r"no data\.pkl"):
        read_torch_file(path)
    write_zip(path, {"a": 1}, {}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="compressed"):
        read_torch_file(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match="damaged"):
        read_torch_file(path)
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(UserError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_torch_file(path)
