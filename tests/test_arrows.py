"""Imports go one way: cli, recipes, web -> stages -> store, compute, engines -> core."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "goldpan"
ENGINES = {"fetch", "formats", "imaging", "encoders", "search", "metrics", "_kernels"}
FACES = {"cli", "recipes", "web", "__main__"}
ALLOWED = {
    "core": set(),
    "store": {"core"},
    "compute": {"core"},
    "fetch": {"core"},
    "formats": {"core"},
    "imaging": {"core", "_kernels"},
    "metrics": {"core"},
    "_kernels": {"core"},
    "encoders": {"core", "imaging"},
    "search": {"core", "metrics", "_kernels"},
    "stages": {"core", "store", "compute", *ENGINES},
    **{face: {"core", "store", "compute", "stages", *ENGINES, *FACES} for face in FACES},
}
HEAVY = {"torch", "faiss", "transformers", "timm", "open_clip", "torchvision", "ray", "pandas", "matplotlib", "duckdb"}


def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Return every imported module, and whether the import runs when the file is imported."""
    tree = ast.parse(path.read_text())
    late = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) or _is_for_types(node)]
    inside = {id(node) for parent in late for node in ast.walk(parent)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [(f"{node.module}.{alias.name}", id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in inside) for alias in node.names]
    return found


def files() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    parts = path.relative_to(ROOT).parts
    room = parts[0].removesuffix(".py")
    assert room in ALLOWED, f"{room} is no room of the plan"
    for module, _ in imports_of(path):
        if not module.startswith("goldpan."):
            continue
        target = module.split(".")[1]
        if target == "__version__":
            continue
        assert target == room or target in ALLOWED[room], f"{room} must not import {module}"
        if room == "stages" and target == "stages":
            other = module.split(".")[2]
            assert other in ("stage", parts[1]), f"stage {parts[1]} must not import stage {other}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_imports_wait(path: Path) -> None:
    if path.parent.name == "encoders":
        return  # the torch encoders are modules of their own, imported when their kind is asked for
    early = {module.split(".")[0] for module, at_import in imports_of(path) if at_import}
    assert not early & HEAVY


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
