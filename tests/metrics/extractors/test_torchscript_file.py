import zipfile

import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics.extractors.torchscript_file import read_torchscript_file

TENSORS = {
    "layers.conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "layers.conv.beta": np.ones(2, np.float32),
    "head": np.zeros((0, 4), np.float32),
}


def _text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def test_tensors_come_by_their_dotted_names(tmp_path, save_torchscript):
    tensors = read_torchscript_file(save_torchscript(tmp_path / "net.pt", TENSORS))
    assert set(tensors) == set(TENSORS)
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], values)
        assert not (values.size and tensors[name].flags.writeable)


def test_lists_of_numbers_are_left_aside(tmp_path, save_torchscript):
    strides = _text("stride") + b"ctorch.jit._pickle\nbuild_intlist\n](K\x02K\x02e\x85R"
    path = save_torchscript(tmp_path / "net.pt", TENSORS, attributes=strides)
    assert set(read_torchscript_file(path)) == set(TENSORS)


def test_equals_what_torch_saves(tmp_path):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))

        def forward(self, x):
            return self.layers(x)

    net = Net()
    torch.jit.save(torch.jit.script(net), tmp_path / "net.pt")
    tensors = read_torchscript_file(tmp_path / "net.pt")
    assert set(tensors) == set(net.state_dict())
    for name, values in net.state_dict().items():
        np.testing.assert_array_equal(tensors[name], values.numpy())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"cos\nsystem\n" + _text("touch made") + b"\x85R", "it asks for 'os.system'"),
        (b"cbuiltins\neval\n" + _text("open('made', 'w')") + b"\x85R", "it asks for 'builtins.eval'"),
        (b"ctorch.jit\nload\n" + _text("made") + b"\x85R", "it asks for 'torch.jit.load'"),
        (b"ctorch.jit._pickle\nother\n" + _text("made") + b"\x85R", "it asks for 'torch.jit._pickle.other'"),
    ],
    ids=["os.system", "eval", "torch.jit.load", "unknown wrapper"],
)
def test_files_that_would_run_something_are_refused(tmp_path, monkeypatch, save_torchscript, code, words):
    monkeypatch.chdir(tmp_path)
    path = save_torchscript(tmp_path / "net.pt", TENSORS, attributes=_text("bad") + code)
    with pytest.raises(UserError, match=words):
        read_torchscript_file(path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.pt"]


def test_a_module_that_holds_itself_is_refused(tmp_path, save_torchscript):
    # Memo 0 is the inner module, which its own attribute refers to.
    inner = b"c__torch__.network\nModule\n)\x81q\x00}" + _text("me") + b"h\x00sb"
    path = save_torchscript(tmp_path / "net.pt", TENSORS, attributes=_text("loop") + inner)
    with pytest.raises(UserError, match="a module lies in itself"):
        read_torchscript_file(path)


def test_damaged_files_are_one_line(tmp_path, save_torchscript):
    whole = save_torchscript(tmp_path / "net.pt", TENSORS).read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pt").write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"cut\.pt: not a readable TorchScript archive, or damaged"):
            read_torchscript_file(tmp_path / "cut.pt")
    with pytest.raises(UserError, match="its tensors are compressed"):
        read_torchscript_file(save_torchscript(tmp_path / "zip.pt", TENSORS, compression=zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a/data.pkl", b"N.")
    with pytest.raises(UserError, match=r"holds no data\.pkl beside code/"):
        read_torchscript_file(tmp_path / "other.zip")
    with pytest.raises(UserError, match=r"no\.pt: cannot be read \(No such file"):
        read_torchscript_file(tmp_path / "no.pt")
