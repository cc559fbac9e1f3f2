import os
import pickle

import numpy as np
import pytest

from jaxgen.errors import UserError
from jaxgen.metrics.extractors.numpy_pickle import read_numpy_pickle

TREE = {
    "net": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.ones(3, np.float64)},
    "more": [np.array(5, np.int64), (np.asfortranarray(np.arange(6, dtype=">f4").reshape(3, 2)),)],
    "step": 7,
}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_come_by_their_dotted_paths(tmp_path, protocol):
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps(TREE, protocol))
    arrays = read_numpy_pickle(tmp_path / "w.ckpt")
    expected = {"net.kernel": TREE["net"]["kernel"], "net.bias": TREE["net"]["bias"]}
    expected |= {"more.0": TREE["more"][0], "more.1.0": TREE["more"][1][0]}
    assert set(arrays) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(arrays[name], values)
        assert (arrays[name].dtype, arrays[name].shape) == (values.dtype, values.shape)


class _Attack:
    def __init__(self, call, *arguments):
        self.parts = call, arguments

    def __reduce__(self):
        return self.parts


def test_files_that_would_run_something_are_refused(tmp_path):
    target = tmp_path / "made"
    for attack in (_Attack(open, str(target), "w"), _Attack(os.mkdir, str(target)), _Attack(np.load, str(target))):
        (tmp_path / "w.ckpt").write_bytes(pickle.dumps({"a": attack}))
        with pytest.raises(UserError, match=r"w\.ckpt: not a readable pickle .* it asks for"):
            read_numpy_pickle(tmp_path / "w.ckpt")
        assert not target.exists()
    pickle.loads(pickle.dumps(_Attack(os.mkdir, str(target))))
    assert target.exists()  # so the attacks are real ones


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"a": np.array(["text"], object)}, "which are no numbers"),
        ({"a": np.zeros(2, [("x", "f4")])}, "which are no numbers|not a readable"),
        ({"a": {1, 2}}, "not a readable"),
    ],
    ids=["objects", "records", "sets"],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, tree, words):
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps(tree))
    with pytest.raises(UserError, match=words):
        read_numpy_pickle(tmp_path / "w.ckpt")


def test_wrong_sizes_and_cut_files_are_one_line(tmp_path):
    whole = pickle.dumps({"a": np.arange(100, dtype=np.float32)}, 3)
    for size in (0, 5, len(whole) // 2, len(whole) - 2):
        (tmp_path / "w.ckpt").write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"w\.ckpt: not a readable pickle"):
            read_numpy_pickle(tmp_path / "w.ckpt")
    assert b"Kd" in whole  # the shape (100,)
    (tmp_path / "w.ckpt").write_bytes(whole.replace(b"Kd", b"Ke"))
    with pytest.raises(UserError, match="bytes do not fit its shape"):
        read_numpy_pickle(tmp_path / "w.ckpt")
    with pytest.raises(UserError, match=r"no\.ckpt: cannot be read"):
        read_numpy_pickle(tmp_path / "no.ckpt")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"\x80\x02]r\xff\xff\xff\x0f.", "numbers its objects out of turn"),
        (b"\x80\x02]p4000000000\n.", "numbers its objects out of turn"),
        (b"\x80\x02(" + b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x85R" * 3 + b"l", "not a readable"),
    ],
)
def test_a_few_bytes_cannot_take_gigabytes(tmp_path, code, words):
    (tmp_path / "w.ckpt").write_bytes(code)
    with pytest.raises(UserError, match=words):
        read_numpy_pickle(tmp_path / "w.ckpt")


def test_a_text_cannot_be_turned_into_bytes_again_and_again(tmp_path):
    text = b"X" + (1000).to_bytes(4, "little") + b"a" * 1000 + b"q\x01X\x06\x00\x00\x00latin1\x86q\x02"
    code = b"\x80\x02]c_codecs\nencode\nq\x00" + text + b"R" + b"h\x00h\x02R" * 5 + b"."
    (tmp_path / "w.ckpt").write_bytes(code)
    with pytest.raises(UserError, match="makes more bytes than it holds"):
        read_numpy_pickle(tmp_path / "w.ckpt")


def test_nor_an_endless_tree_of_nothing(tmp_path):
    tree = []
    for _ in range(40):
        tree = [tree, tree]
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps(tree))
    with pytest.raises(UserError, match="nested too deeply, or hold too much"):
        read_numpy_pickle(tmp_path / "w.ckpt")


def test_a_small_file_cannot_describe_an_endless_tree(tmp_path):
    tree = [np.zeros(1, np.float32)]
    for _ in range(60):
        tree = [tree, tree]
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps(tree))
    with pytest.raises(UserError, match="nested too deeply, or hold too much"):
        read_numpy_pickle(tmp_path / "w.ckpt")
