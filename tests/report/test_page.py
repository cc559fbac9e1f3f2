"""The page and its twin: whole, self-contained, the same numbers in both, and those that a hand computes."""

import json
import re
import shlex
import shutil
from html.parser import HTMLParser

import html5lib
import numpy as np
import pytest
from scipy import stats

from jaxgen import report
from jaxgen.report import __main__ as command
from jaxgen.report.cards import card, reproduce
from jaxgen.report.formatting import rounded
from jaxgen.report.run_search import find_runs
from jaxgen.report.sections import sections
from jaxgen.settings import run_config

FIRST, SECOND = [10.0, 10.6, 10.3], [12.0, 12.9, 12.2]
SESSIONS = (0, "0.10.0"), (500, "0.12.0")
HOSTILE = '<script>alert(1)</script> & "quoted" | `code` $x_1$ --> 文字'


@pytest.fixture(scope="module")
def built(run, tmp_path_factory):
    """A page of two models with three seeds, one on other data, and one with a name that would break things."""
    top = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        run.make(top / f"dcgan/seed_{seed}", FIRST[seed], seed=seed, log="x INFO resuming at step 500 of 3000\n" * seed)
        run.make(top / f"wgan/seed_{seed}", SECOND[seed], seed=seed, changes={"recipe.loss": "wasserstein"})
    evaluated = [{"step": s, "seed": 0, "fd_efficientnet_lite0": 40.0 - s / 100} for s in (1000, 2000)]
    other = {"example_shape": [32, 32, 3], "data": {"sha256": {"test": "cd" * 32}}}
    run.make(top / "cifar", 5.0, changes={"data.name": "cifar10"}, facts=other, lines=evaluated)
    run.make(top / HOSTILE.replace("/", "∕"), 50.0, changes={"model.width": 8})
    page = report.build([top], top / "out")
    return page.read_text(), (top / "out" / "report.md").read_text(), top / "out"


class _Parts(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    handle_startendtag = handle_starttag


def test_the_page_is_valid_html(built):
    parser = html5lib.HTMLParser(strict=True)
    parser.parse(built[0])
    assert not parser.errors


def test_nothing_is_loaded_and_every_link_leads_somewhere(built):
    page, _, _ = built
    tags = _Parts(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes[name] for _, attributes in tags for name in ("href", "xlink:href") if name in attributes]
    assert links
    assert {link[1:] for link in links} <= set(ids)
    assert all(link.startswith("#") for link in links)
    pictures = [attributes["src"] for _, attributes in tags if "src" in attributes]
    assert len(pictures) >= 4
    assert all(source.startswith("data:image/png;base64,") for source in pictures)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in tags}
    assert "@import" not in page
    assert set(re.findall(r"https?://[^\"' )<]+", page)) <= {"http://www.w3.org/2000/svg"}


def test_names_cannot_break_out(built):
    page, markdown, _ = built
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in re.sub("(?s)```.*?```", "", markdown)  # a block of code is text
    assert page.count("<script>") == page.count("</script>") == 1


def test_the_leaderboard_has_the_numbers_of_a_hand(built):
    mean, other = np.mean(FIRST), np.mean(SECOND)
    low, high = stats.t.interval(0.95, 2, loc=mean, scale=stats.sem(FIRST))
    p = stats.ttest_ind(SECOND, FIRST, equal_var=False).pvalue  # the only pair with seeds: Holm leaves it
    shown = [rounded(x, stats.sem(FIRST)) for x in (mean, low, high)]
    assert shown == ["10.30", "9.55", "11.05"]
    for text in built[:2]:
        text = text.replace("\\", "")
        for number in (shown[0], f"[{shown[1]}, {shown[2]}]", f"+{rounded(other - mean, stats.sem(SECOND))}"):
            assert number in text
        assert f"p = {p:.2g}, significant" in text
        assert "corrected by Holm for 1 pair" in text
        assert "10.30 [9.55, 11.05] over 3 seeds" in text


def test_the_twin_has_the_same_tables(built):
    page, markdown, _ = built
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    rows = [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]
    cells = {re.sub(r"\W+", "", cell) for row in rows for cell in row if re.search(r"\d", cell)}
    plain = re.sub(r"\W+", "", markdown.replace("&lt;", "").replace("&gt;", "").replace("&amp;", ""))
    assert len(cells) > 60
    assert not [cell for cell in cells if cell not in plain]


def test_pictures_and_figures_lie_beside_the_twin(built):
    _, markdown, out = built
    named = re.findall(r"\]\((figures/[^)]+)\)", markdown)
    assert len(named) >= 8
    assert all((out / name).stat().st_size > 100 for name in named)
    assert {path.name for path in (out / "figures").iterdir()} == {name.removeprefix("figures/") for name in named}


def test_data_sets_are_never_compared(built):
    page = built[0]
    first, second = page.index('id="data-1"'), page.index('id="data-2"')
    assert second > first
    cifar = page[first:second] if ">cifar10<" in page[first:second] else page[second:]
    assert "wgan" not in cifar.split("How to read it")[0]


def test_resumptions_are_counted(run, tmp_path):
    log = "x INFO resuming at step 500 of 3000\nx INFO compiling 10 steps for 1 device(s) ...\n" * 2
    log += "x INFO compiling 10 steps for 1 device(s) ...\nx INFO resuming at step 3000 of 3000\n"
    run.make(tmp_path / "a", 3.0, log=log)
    (found,) = find_runs([tmp_path])[0]
    assert (found.resumes, found.restarts) == (2, 1)


def test_sessions_of_several_versions_stand_in_the_card(run, tmp_path):
    both = {"python": "3.11.7", "commit": None}
    entries = [{"from_step": step, "packages": {"jax": jax, "numpy": "2"}, **both} for step, jax in SESSIONS]
    run.make(tmp_path / "a", 3.0, facts={"sessions": entries})
    run.make(tmp_path / "b", 3.0, seed=1, facts={"sessions": entries[:1]})
    ((section,), _) = sections(find_runs([tmp_path])[0])
    facts = [dict(card(found, model).facts) for model in section.models for found in model.runs]
    assert (facts[0]["from step 0 to 500"], facts[0]["from step 500 on"]) == ("jax 0.10.0", "jax 0.12.0")
    assert not [name for name in facts[1] if name.startswith("from step")]


@pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
def test_the_command_of_a_card_makes_the_same_config(run, tmp_path):
    changes = {"evaluation.metrics": ("fid", "kid"), "data.dir": "a b/c", "recipe.diff_augment": "color,cutout"}
    changes |= {"alarms.stop": ("collapse",), "optimizers.generator.learning_rate": 1e-5, "data.labels": True}
    run.make(tmp_path / "a", 3.0, changes=changes)
    (found,) = find_runs([tmp_path])[0]
    words = shlex.split(reproduce(found).replace("\\\n", " "))
    assert words[:5] == ["python", "-m", "jaxgen.main", "--config", "default"]
    config = run_config.load("default", [w for w in words if w.startswith("--config.")])
    assert json.loads(config.to_json()) == found.config


@pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")
@pytest.mark.parametrize("of_seeds", [False, True])
def test_the_command_of_a_config_with_keys_of_its_own_makes_the_same(run, tmp_path, of_seeds):
    """As README's 'Extending' has it: a command line can set no key that its config file does not have."""
    folder = run.make(tmp_path / "a run", 3.0, changes={"model.width": 8})
    told = json.loads((folder / "config.json").read_text())
    told["config"]["model"]["hidden"] = 64
    told["config"].update({"num_seeds": 2, "seed_devices": 2} if of_seeds else {})
    (folder / "config.json").write_text(json.dumps(told))
    path = folder / "evaluation.json"
    evaluated = json.loads(path.read_text())
    evaluated["_run"]["config"]["evaluation"]["num_samples"] = 77  # evaluated anew
    path.write_text(json.dumps(evaluated))
    if of_seeds:
        (folder / "seed_1").mkdir()
        path.rename(folder / "seed_1" / path.name)
    found = find_runs([tmp_path])[0][-1]
    words = shlex.split(reproduce(found).replace("\\\n", " "))
    assert words[3:5] == ["--config", str(folder)]
    assert "--config.evaluation.num_samples=77" in words
    config = run_config.load(words[4], [w for w in words if w.startswith("--config.")])
    assert json.loads(config.to_json()) == found.config
    assert (config.model.hidden, config.seed, config.num_seeds) == (64, int(of_seeds), 1)
    report.build([tmp_path], tmp_path / "out")
    assert "(model.hidden). The command takes them from" in (tmp_path / "out" / "report.md").read_text()
    (folder / "config.json").unlink()
    if not of_seeds:
        evaluated["_run"]["config"]["model"]["hidden"] = 64
        (folder / "evaluation.json").write_text(json.dumps(evaluated))
        report.build([tmp_path], tmp_path / "out")
        assert (
            "The run's config.json is lost, so no command can set them" in (tmp_path / "out" / "report.md").read_text()
        )


def test_a_report_can_be_built_twice_and_drops_what_is_gone(run, tmp_path):
    run.make(tmp_path / "runs/a", 3.0)
    run.make(tmp_path / "runs/b", 4.0, changes={"model.width": 8})
    page = report.build([tmp_path / "runs"], tmp_path / "out").read_text()
    assert report.build([tmp_path / "runs"], tmp_path / "out").read_text() == page
    shutil.rmtree(tmp_path / "runs/b")
    report.build([tmp_path / "runs"], tmp_path / "out")
    assert not list((tmp_path / "out" / "figures").glob("model-2_*"))


def test_bad_input_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    cases = {
        ("none", "--out", "o"): "no such directory",
        (".", "--out", "o"): "no run there",
        (".",): "--out",
    }
    for arguments, words in cases.items():
        arguments = [str(tmp_path / a) if not a.startswith("--") else a for a in arguments]
        assert command.main(arguments) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
        assert not (tmp_path / "o").exists()


def test_an_output_that_cannot_be_written_is_one_line(run, tmp_path, capsys):
    run.make(tmp_path / "runs/a", 3.0)
    (tmp_path / "file").write_text("")
    assert command.main([str(tmp_path / "runs"), "--out", str(tmp_path / "file")]) == 2
    assert "is a file and no folder" in capsys.readouterr().err
