"""The direction of imports: a wrong arrow is a design mistake, not a matter of taste."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "jaxgen"
ALLOWED = {
    "ops": {"ops"},
    "models": {"models", "ops"},
    "losses": {"losses", "ops"},
    "recipes": {"recipes", "losses", "models", "ops", "lookup", "errors"},
    "data": {"data", "fetch", "lookup", "errors"},
    "training": {"training", "recipes", "data", "ops", "pictures", "configuration", "direction", "errors", "lookup"},
    "point_pictures": {"pictures"},
    "metrics": {"metrics", "ops", "direction", "errors", "fetch", "lookup"},
    "study": {"study", "training", "report", "evaluation_file", "run_config", "configuration", "lookup", "errors"},
    "evaluation": {"metrics", "gallery", "lookup", "errors"},
    "report": {
        "report",
        "aggregate",
        "command",
        "configuration",
        "direction",
        "lookup",
        "errors",
        "training",
    },  # of training only its files
}
ALLOWED["models"] |= {"errors", "lookup"}
ALLOWED["training"] |= {"point_pictures"}
FILES = sorted(ROOT.rglob("*.py"))


def imported_parts(path: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "jaxgen" else [f"jaxgen.{alias.name}" for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("jaxgen.")}
    return parts


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_arrows(path):
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if part in ALLOWED:
        assert imported_parts(path) <= ALLOWED[part]


def test_no_module_imports_itself_in_a_circle():
    edges = {}
    for path in FILES:
        name = ".".join(("jaxgen", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        tree = ast.parse(path.read_text())
        # Imports inside functions are made late on purpose and close no circle at import time.
        edges[name] = {
            target
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("jaxgen")
            for target in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        }
    state: dict[str, int] = {}

    def visit(name: str, trail: list[str]) -> None:
        assert state.get(name) != 1, f"circle: {' -> '.join([*trail, name])}"
        if name in edges and name not in state:
            state[name] = 1
            for target in sorted(edges[name]):
                visit(target, [*trail, name])
            state[name] = 2

    for name in edges:
        visit(name, [])


def test_devices_are_named_in_one_file_only():
    for path in FILES:
        if path.relative_to(ROOT).as_posix() == "training/parallel.py":
            continue
        text = path.read_text()
        for word in ("jax.devices(", "jax.local_devices(", "NamedSharding(", "Mesh("):
            assert word not in text, f"{path}: {word} belongs into training/parallel.py"


def test_the_package_needs_neither_torch_nor_tensorflow():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            assert not {"torch", "tensorflow"} & {name.split(".")[0] for name in names}, path
