"""Paths that a person writes: home folders, variables, and the list of all keys that hold one."""

import os

import pytest

from jaxgen.errors import UserError
from jaxgen.settings import configuration, default, paths

# Keys of text that are no path. A new key of text belongs here, or in `paths.KEYS`.
NAMES = {
    "best_metric",
    "compute_dtype",
    "seed_program",
    *(f"data.{key}" for key in ("name", "crop", "resize", "train_split", "test_split", "streaming", "label_column")),
    *(f"data.{key}" for key in ("missing", "normalization", "class_sampling")),
    *(f"model.{key}" for key in ("name", "architecture", "latents", "discriminator_architecture")),
    *(
        f"recipe.{key}"
        for key in (
            "name",
            "loss",
            "penalty",
            "diff_augment",
            "ada_pipeline",
            "likelihood",
            "binarize",
            "posterior",
            "prior",
            "process",
            "sampler",
            "second_kind",
            "regularizer",
            "tc_estimator",
            "mmd_kernel",
            "rae_penalty",
        )
    ),
    *(
        f"optimizers.{player}.{key}"
        for player in ("generator", "discriminator", "vae", "prior", "denoiser")
        for key in ("name",)
    ),
    *(f"optimizers.{player}.schedule" for player in ("generator", "discriminator", "vae", "prior", "denoiser")),
    *(f"evaluation.{key}" for key in ("extractor", "resize", "path_space", "path_sampling")),
    *(f"project.{key}" for key in ("space", "perceptual")),
    *(f"sample.{key}" for key in ("latent_sampler", "noise_mode", "style_mixing_layers", "video", "video_path")),
}


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """A home folder, a variable, and an empty folder to start from."""
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATA", str(tmp_path / "data é"))
    monkeypatch.delenv("NOPE", raising=False)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_every_key_of_text_is_a_path_or_a_name():
    flat = configuration.flatten(configuration.to_dict(default.get_config()))
    assert {key for key, value in flat.items() if isinstance(value, str)} == NAMES | set(paths.KEYS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("x/y", "x/y"),
        ("x/y/", "x/y/"),
        ("with space/é", "with space/é"),
        ("~", "{0}/home"),
        ("~/x.zip:train", "{0}/home/x.zip:train"),
        ("a~b", "a~b"),
        ("$DATA/x", "{0}/data é/x"),
        ("${DATA}x", "{0}/data éx"),
        ("x/$DATA", "x/{0}/data é"),
        ("price$", "price$"),
        ("mnist:test", "mnist:test"),
    ],
)
def test_a_path_is_filled_in(places, text, expected):
    assert paths.resolved(text) == expected.format(places)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$NOPE/x", ["'$NOPE/x'", "no variable 'NOPE'"]),
        ("${NOPE}", ["no variable 'NOPE'"]),
        ("${}", ["no variable ''"]),
        ("~nosuchuser/x", ["'~nosuchuser'", "./~nosuchuser/x"]),
        ("a\0b", ["cannot be a path"]),
        ("a" * 300, ["cannot be a path", "File name too long"]),
        ("x/" * 3000, ["cannot be a path", "File name too long"]),
    ],
)
def test_what_is_no_path_is_refused(text, words):
    with pytest.raises(UserError) as error:
        paths.resolved(text, "config.data.dir")
    assert str(error.value).startswith("config.data.dir=")
    assert len(str(error.value)) < 300
    assert all(word in str(error.value) for word in words), error.value


def test_a_home_that_is_unknown_is_refused(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where the system does not know the user
    with pytest.raises(UserError, match="home folder of '~' is unknown"):
        paths.resolved("~/x")


@pytest.mark.parametrize("name", ["~x", "$NOPE", "~", "${DATA}"])
def test_a_file_of_that_very_name_is_taken(places, name):
    (places / "here" / name).mkdir()
    assert paths.resolved(name) == name
    assert paths.resolved(f"./{name}") == f"./{name}"


@pytest.mark.parametrize("key", paths.KEYS)
def test_the_paths_of_a_run_become_absolute(places, key):
    config = default.get_config()
    for text, expected in (("$DATA/x/", "data é/x"), ("~/x", "home/x"), ("../y", "y"), ("x é/z", "here/x é/z")):
        if key in paths._SPECS:
            (places / expected).mkdir(parents=True)
        config.update_from_flattened_dict({key: text})
        paths.resolve_keys(config)
        assert configuration.flatten(config.to_dict())[key] == str(places / expected)
    config.update_from_flattened_dict({key: "$NOPE/x"})
    with pytest.raises(UserError, match=f"config.{key}=.*NOPE"):
        paths.resolve_keys(config)


def test_words_and_names_in_place_of_paths_stay():
    config = default.get_config()
    config.project.images = "mnist:test"
    before = config.to_dict()
    paths.resolve_keys(config)
    assert config.to_dict() == before
    assert config.compilation_cache == "auto"


def test_a_relative_start_of_an_earlier_version_is_the_same_start(places):
    old, new = (configuration.to_dict(default.get_config()) for _ in range(2))
    old["init_from"], new["init_from"] = "../runs/a", str(places / "runs" / "a")
    assert configuration.differences(old, new) == {}
    new["init_from"] = str(places / "runs" / "b")
    assert list(configuration.differences(old, new)) == ["init_from"]
    new["init_from"] = ""
    assert list(configuration.differences(old, new)) == ["init_from"]
