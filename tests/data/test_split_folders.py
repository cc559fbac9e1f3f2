import pytest

from jaxgen.data.split_folders import alike_but_for_split, split_of, splits_among


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((name, "train") for name in ("train", "Train", "TRAIN", "Training", "trainset", "training_set", "train2017")),
        *((name, "train") for name in ("TrainingData", "Training Images", "images_train", "01-train", "train_images")),
        *((name, "test") for name in ("test", "TEST", "Testing", "testing set", "TestSet", "test-images", "testdata")),
        *((name, "val") for name in ("val", "VAL", "val2017", "ValSet")),
        *((name, "valid") for name in ("valid", "Valid", "validset")),
        *((name, "validation") for name in ("validation", "Validation", "validation images", "ValidationSet")),
        *((name, "evaluation") for name in ("evaluation", "Eval")),
        *((name, None) for name in ("cat", "trains", "test tube", "train station", "contest", "vals", "Valerie", "")),
        *((name, None) for name in ("data", "images", "train-test", "trainval", "trainA", "invalid", "attest", "列車")),
        ("test列", None),
    ],
)
def test_which_names_are_splits(name, split):
    assert split_of(name) == split


def test_valid_beside_invalid_is_a_class():
    assert splits_among(["valid", "invalid"]) == {}
    assert splits_among(["valid", "train"]) == {"valid": "valid", "train": "train"}


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["trainA", "trainB", "testA", "testB"], ("testA", "trainA")),
        (["cats_train", "cats_test"], ("cats_test", "cats_train")),
        (["Training cats", "test_cats", "x"], ("Training cats", "test_cats")),
        (["train station", "test tube"], None),
        (["train", "test"], None),
        (["trainA", "trainB"], None),
        (["a", "b"], None),
    ],
)
def test_folders_that_differ_in_the_split_alone(names, pair):
    assert alike_but_for_split(names) == pair
