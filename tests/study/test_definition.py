"""What a study's config comes to, and what each mistake in one is answered with."""

import ast

import jax
import pytest

from jaxgen.errors import UserError
from jaxgen.settings import configuration, default, default_study, experiments, lookup, run_config
from jaxgen.study import definition

# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
SHAPES = {"digits": ((16, 16, 1), 10), "mnist": ((28, 28, 1), 10)}
SHAPES |= {"cifar": ((32, 32, 3), 10), "covid": ((64, 64, 1), 4)}
STUDIES = sorted(experiments.folder().glob("study_*.py"))


@pytest.fixture
def study():
    """Two entries, two seeds."""
    study = default_study.get_config()
    study.seeds = (3, 5)
    study.evaluation.metrics = ("psnr",)
    default_study.add(study, "gan", "dcgan_digits", "DCGAN").model.width = 16
    default_study.add(study, "vae", "vae_digits")
    return study


def read(study):
    return definition.read(study, "configs/study_mine.py")


def test_runs_have_the_entry_s_config_with_the_changes_of_both(study):
    found = read(study)
    assert (found.name, found.title, found.order) == ("study_mine", "study_mine", "seeds")
    assert [entry.title for entry in found.entries] == ["DCGAN", "vae"]
    assert found.entries[0].overrides == {"evaluation.metrics": ("psnr",), "model.width": 16}
    run = found.entries[0].runs[1]
    assert (run.entry, run.seeds, run.workdir, run.label) == ("gan", (5,), "runs/gan/seed_5", "gan seed 5")
    expected = run_config.load("configs/dcgan_digits.py", [])
    with expected.unlocked():
        expected.seed, expected.model.width, expected.evaluation.metrics = 5, 16, ("psnr",)
        expected.report = False  # the study makes one of all its runs
    assert run.config.to_dict() == expected.to_dict()
    again = run_config.load(run.arguments[0].removeprefix("--config="), list(run.arguments[1:]))
    assert again.to_dict() == expected.to_dict()  # the command line says all of it


def test_order(study):
    study.entries.vae.seeds = (0, 1, 2)
    labels = [run.label for run in read(study).runs()]
    assert labels == ["gan seed 3", "vae seed 0", "gan seed 5", "vae seed 1", "vae seed 2"]
    default_study.add(study, "a", "vae_digits").seeds = (7,)  # entries keep the order in which they were added
    assert [run.label for run in read(study).runs()][:4] == ["gan seed 3", "vae seed 0", "a seed 7", "gan seed 5"]
    study.entries.a.seeds = (3,)
    study.order = "entries"
    labels = [run.label for run in read(study).runs()]
    assert labels == ["gan seed 3", "gan seed 5", "vae seed 0", "vae seed 1", "vae seed 2", "a seed 3"]


def test_budgets_become_steps(study):
    study.budget.images = 100_000  # batches of 32 and 64, dispatches of 20 and 10 steps
    gan, vae = read(study).entries
    assert (gan.runs[0].config.steps, vae.runs[0].config.steps) == (3120, 1560)
    assert gan.budget == {"images": 100_000}
    study.entries.vae.budget.steps = 70
    assert read(study).entries[1].runs[0].config.steps == 70
    study.budget.update({"images": 0, "seconds": 60.0})
    gan, vae = read(study).entries
    assert (gan.runs[0].config.budget.seconds, vae.runs[0].config.budget.seconds) == (60.0, 0.0)
    assert gan.runs[0].config.steps >= 10**8


def test_all_seeds_of_an_entry_in_one_program(study):
    study.lanes, study.seeds = True, (3, 4, 5)
    study.entries.vae.seeds = (7,)
    gan, vae = read(study).entries
    assert [(run.seeds, run.workdir, run.label) for run in gan.runs] == [((3, 4, 5), "runs/gan", "gan seeds 3, 4, 5")]
    assert (gan.runs[0].config.seed, gan.runs[0].config.num_seeds) == (3, 3)
    assert [run.workdir for run in vae.runs] == ["runs/vae/seed_7"]  # alone it is a run as any other
    assert vae.runs[0].config.num_seeds == 1


def test_every_key_of_a_run_but_the_study_s_own_can_be_set():
    run, study = (configuration.flatten(module.get_config().to_dict()) for module in (default, default_study))
    own = {"title", "seeds", "order", "rank_by", "runs_at_once", "lanes", "redo"} | {
        f"budget.{kind}" for kind in definition.BUDGETS
    }
    assert set(study) - set(run) == own - set(run)
    assert set(run) - set(study) <= {"seed", "num_seeds"}
    assert all(study[key] is None for key in set(study) - own)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(order="random"), ["config.order='random'", "seeds, entries"]),
        (lambda s: s.update(seeds=()), ["config.seeds=()", "one seed"]),
        (lambda s: s.update(seeds=(1, 1)), ["config.seeds=(1, 1)", "twice"]),
        (lambda s: s.update(seeds=(1.5,)), ["config.seeds=(1.5,)", "whole numbers"]),
        (lambda s: s.entries.gan.update(seeds=(-1,)), ["entries.gan.seeds", "whole numbers"]),
        (lambda s: s.entries.gan.update(config="dcgan_digit"), ["entries.gan.config", "did you mean 'dcgan_digits'"]),
        (lambda s: s.entries.gan.update(config="study_digits"), ["entries.gan", "is a study itself"]),
        (lambda s: s.entries.gan.model.update(name="dcgann"), ["entries.gan: config.model.name", "mean 'dcgan'"]),
        (lambda s: s.evaluation.update(metrics=("fidd",)), ["entries.gan: config.evaluation.metrics", "mean 'fid'"]),
        (lambda s: s.update(batch_size=0), ["entries.gan: config.batch_size=0"]),
        (lambda s: s.update(steps=30), ["entries.gan: config.steps=30", "steps_per_dispatch=20", "use 40"]),
        (lambda s: s.budget.update(steps=100, images=9), ["config.budget has steps and images"]),
        (lambda s: s.budget.update(images=-1), ["config.budget.images=-1"]),
        (lambda s: s.budget.update(images=64), ["entries.gan", "budget.images=64", "20 steps of 32 images"]),
        (lambda s: s.update(steps=100, budget={"steps": 200}), ["entries.gan", "steps=100", "budget.steps"]),
        (lambda s: s.update(runs_at_once=0), ["config.runs_at_once=0: it must be 1 or more"]),
        (lambda s: s.update(redo=("gun",)), ["config.redo='gun'", "did you mean 'gan'"]),
        (lambda s: s.update(rank_by="psrn"), ["config.rank_by='psrn'", "did you mean 'psnr'"]),
        (lambda s: s.update(lanes=True), ["entries.gan", "consecutive", "(3, 5)"]),
        (lambda s: default_study.add(s, "a b", "vae_digits"), ["entries.a b", "letters"]),
    ],
)
def test_mistakes_name_what_is_wrong(study, change, words):
    change(study)
    with pytest.raises(UserError) as raised:
        read(study)
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_study_without_entries_or_with_entries_of_another_kind():
    study = default_study.get_config()
    with pytest.raises(UserError, match="no entries"):
        read(study)
    with study.unlocked():
        study.entries.gan = "dcgan_digits"
    with pytest.raises(UserError, match=r"config.entries.gan: add entries with default_study.add"):
        read(study)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("study.titel = 'x'", "unknown config key 'titel': did you mean 'title'?"),
        ("entry.model.widht = 3", "unknown config key 'widht': did you mean 'width'?"),
        ("entry.seed = 3", "unknown config key 'seed': did you mean 'seeds'?"),
        ("entry.model.width = 'wide'", "TypeError"),
        ("study.seeds = 3", "TypeError"),
        ("default_study.add(study, 'gan', 'vae_digits')", "the study has an entry gan already"),
    ],
)
def test_a_mistake_in_a_study_s_file_names_the_line(tmp_path, line, words):
    path = tmp_path / "study_mine.py"
    head = "from jaxgen.settings import default_study\n\ndef get_config():\n    study = default_study.get_config()\n"
    path.write_text(f"{head}    entry = default_study.add(study, 'gan', 'gan_digits')\n    {line}\n    return study\n")
    with pytest.raises(UserError) as raised:
        run_config.load(str(path), [])
    assert str(raised.value).startswith(f"{path}:6: ")
    assert words in str(raised.value)


def test_keys_of_all_runs_and_of_one_entry_on_the_command_line():
    overrides = ["--config.model.width=5", "--config.entries.vae.model.width=6", "--config.seeds=(8,)"]
    found = read(run_config.load("configs/study_digits.py", [*overrides, "--config.data.dir=there"]))
    widths = {entry.name: entry.runs[0].config.model.width for entry in found.entries}
    assert widths["gan"] == 5
    assert widths["vae"] == 6
    assert {run.seeds for run in found.runs()} == {(8,)}
    assert {run.config.data.dir for run in found.runs()} == {"there"}


def test_runs_of_a_study_leave_the_page_to_the_study_unless_they_are_told_to():
    for overrides, pages in (([], {False}), (["--config.report=True"], {True})):
        found = read(run_config.load("configs/study_digits.py", overrides))
        assert {run.config.report for run in found.runs()} == pages


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_configs_can_be_run(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    assert ast.get_docstring(ast.parse(text))
    study = run_config.load(str(path), [])
    assert definition.is_study(study)
    found = definition.read(study, str(path))
    assert len(found.entries) >= 2
    assert found.title != found.name
    folders = [run.workdir for run in found.runs()]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("name", SHAPES)
def test_the_networks_of_a_study_on_images_can_be_made(name):
    """In the abstract: sizes that do not fit together would show."""
    path = f"configs/study_{name}.py"
    shape, classes = SHAPES[name]
    found = definition.read(run_config.load(path, []), path)
    for entry in found.entries:
        config = entry.runs[0].config
        assert (config.data.image_size, config.data.channels) == shape[1:]
        recipe = lookup.module("recipes", config.recipe.name, "").build(config, shape, classes)
        assert sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(recipe.init, jax.random.key(0)))) > 1000
