"""The direction of imports, lazy ones included: a wrong arrow is a design mistake, not a matter of taste."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "jaxgen"
FILES = sorted(ROOT.rglob("*.py"))
MODULES = {
    ".".join(("jaxgen", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in FILES
}
ENTRY_POINTS = {"main", "evaluate", "convert", "export", "interface", "statistics", "weights"}
# Every package with the packages that it may import beside itself and `errors`. The order is from the foundations up.
ALLOWED = {
    "settings": set(),
    "files": {"settings"},
    "ops": set(),
    "models": {"ops", "settings"},
    "losses": {"metrics", "ops", "settings"},
    "processes": {"ops"},
    "recipes": {"losses", "models", "ops", "settings"},
    "data": {"files", "settings"},
    "metrics": {"files", "ops", "settings"},
    "devices": {"ops", "recipes"},
    "pictures": {"metrics"},
    "views": {"devices", "files", "metrics", "ops", "pictures", "recipes"},
    "evaluation": {"data", "files", "metrics", "ops", "pictures", "settings"},
    "trackers": {"files", "settings"},
    "training": {
        *("data", "devices", "files", "metrics", "ops", "pictures", "recipes", "settings", "trackers", "views"),
    },
    "runs": {
        *("data", "devices", "evaluation", "files", "metrics", "recipes", "settings", "training", "views"),
    },
    "official": {"data", "files", "metrics", "models", "ops", "settings"},
    "planning": {"data", "devices", "files", "ops", "recipes", "runs", "settings", "training"},
    "report": {"evaluation", "files", "metrics", "settings"},
    "study": {"files", "report", "settings"},
}
ALLOWED["commands"] = set(ALLOWED) - {"study"}


def imports(path: Path) -> set[str]:
    """Modules of jaxgen that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & MODULES.keys() or {node.module}
    return {name for name in found if name.split(".")[0] == "jaxgen"}


def part_of(module: str) -> str:
    return [*module.split("."), "jaxgen"][1]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_follow_the_arrows(module):
    part = part_of(module)
    targets = {part_of(target) for target in imports(MODULES[module])} - {part, "errors"}
    if part in ALLOWED:
        assert targets <= ALLOWED[part], f"{module} imports {sorted(targets - ALLOWED[part])}"
    else:
        assert part in ENTRY_POINTS | {"jaxgen", "errors"}, f"{module}: which packages may it import?"


def test_the_arrows_make_no_circle():
    below = dict(ALLOWED)
    while below:
        free = {part for part, targets in below.items() if not targets & below.keys()}
        assert free, f"these packages import each other in a circle: {sorted(below)}"
        below = {part: targets for part, targets in below.items() if part not in free}


def test_every_arrow_is_used():
    used = {part: set() for part in ALLOWED}
    for module, path in MODULES.items():
        if part_of(module) in used:
            used[part_of(module)] |= {part_of(target) for target in imports(path)}
    unused = {part: sorted(targets - used[part]) for part, targets in ALLOWED.items() if part != "commands"}
    assert not any(unused.values()), unused


def test_no_module_imports_itself_in_a_circle():
    state: dict[str, int] = {}

    def visit(name: str, trail: list[str]) -> None:
        assert state.get(name) != 1, f"circle: {' -> '.join([*trail, name])}"
        if name in MODULES and name not in state:
            state[name] = 1
            for target in sorted(imports(MODULES[name]) - {"jaxgen"}):
                visit(target, [*trail, name])
            state[name] = 2

    for name in MODULES:
        visit(name, [])


def test_few_modules_lie_beside_the_packages():
    assert len(list(ROOT.glob("*.py"))) <= 9


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_packages_say_what_they_hold(package):
    assert len(ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())) or "") > 40


def test_devices_are_named_in_one_package_only():
    for path in FILES:
        if path.relative_to(ROOT).parts[0] == "devices":
            continue
        text = path.read_text()
        for word in ("jax.devices(", "jax.local_devices(", "NamedSharding(", "Mesh("):
            assert word not in text, f"{path}: {word} belongs into jaxgen/devices"


def test_the_package_needs_neither_torch_nor_tensorflow():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            assert not {"torch", "tensorflow", "configs"} & {name.split(".")[0] for name in names}, path
