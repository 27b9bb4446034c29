"""The arrows of docs/explanation/architecture.md, held by a test: left may import right, never back."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ENGINE = ROOT / "forensic_kit"
#: Lowest first. A module may import those of its own line and of the lines above it.
LAYERS = (
    ("errors",),
    ("times",),
    ("bytesource",),
    ("model",),
    ("formats",),
    ("api",),
    ("registry", "profile", "passes", "records"),
    ("space", "content"),
    ("evidence",),
    ("audit", "case"),
    ("look",),
    ("examine", "lookup"),
    ("workers", "worker"),
    ("tasks", "verify", "ledger"),
    ("session",),
    ("queries", "extract"),
    ("pipeline", "facts"),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
#: Libraries that only one part of the program may know.
ONLY_IN = {
    "click": "cli",
    "rich": "cli",
    "tqdm": "cli",
    **dict.fromkeys(("pytsk3", "pyewf", "yara", "magic", "hyperscan", "deflate", "jinja2", "typst"), "plugins"),
}


def imports(path: Path) -> set[str]:
    """Every module a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def part(path: Path) -> str:
    """The part of the engine a file belongs to."""
    relative = path.relative_to(ENGINE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


ENGINE_FILES = sorted(
    path for path in ENGINE.rglob("*.py") if "_bundled" not in path.parts and path.name != "__init__.py"
)
PLUGIN_FILES = sorted((ROOT / "plugins").rglob("*.py"))


@pytest.mark.parametrize("path", ENGINE_FILES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_an_engine_module_imports_only_what_lies_below_it(path):
    own = RANK[part(path)]
    for name in imports(path):
        if name.startswith("forensic_kit.") and (target := name.split(".")[1]) in RANK:
            assert RANK[target] <= own, f"{part(path)} imports {target}, which lies above it"


@pytest.mark.parametrize("path", ENGINE_FILES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_a_library_is_known_only_where_it_belongs(path):
    for name in imports(path):
        home = ONLY_IN.get(name.split(".")[0])
        assert home in (None, part(path)) or (name.startswith("deflate") and part(path) == "formats"), (
            f"{part(path)} imports {name}, which only {home} may"
        )


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_plugin_imports_the_api_the_formats_and_libraries_only(path):
    for name in imports(path):
        assert name.split(".")[0] not in ("click", "rich", "tqdm", "plugins"), f"{path.name} imports {name}"
        if name.startswith("forensic_kit"):
            assert name == "forensic_kit" or name.startswith(("forensic_kit.api", "forensic_kit.formats")), (
                f"{path.name} imports {name}; a plugin sees the engine through forensic_kit.api alone"
            )


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_plugin_imports_its_format_library_inside_methods(path):
    top = ast.parse(path.read_text(encoding="utf-8")).body
    names = {
        name.split(".")[0]
        for node in top
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([item.name for item in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    foreign = names - set(sys.stdlib_module_names) - {"forensic_kit", "msgspec"}
    assert not foreign, f"looking the plugin up would load {sorted(foreign)}"


def test_looking_plugins_up_loads_no_format_library():
    code = (
        "import sys; from forensic_kit import registry; registry.load(); "
        "print([name for name in ('pytsk3', 'pyewf', 'yara', 'magic', 'hyperscan', 'jinja2', 'typst', 'deflate') "
        "if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def test_only_guarded_and_the_worker_process_catch_everything():
    for path in [*ENGINE_FILES, *PLUGIN_FILES]:
        if path.name in ("registry.py", "worker.py"):  # `guarded`, and the last line of a worker process
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = node.type.id if isinstance(node.type, ast.Name) else ""
                reraises = any(isinstance(child, ast.Raise) and child.exc is None for child in ast.walk(node))
                assert node.type is not None, f"{path.name}:{node.lineno} catches everything"
                assert caught not in ("Exception", "BaseException") or reraises, (
                    f"{path.name}:{node.lineno} catches {caught}"
                )


def test_nothing_in_the_project_opens_a_network_connection():
    for path in [*ENGINE_FILES, *PLUGIN_FILES]:
        roots = {name.split(".")[0] for name in imports(path)}
        # The supervisor's pipes are socket pairs within this machine; nothing in it connects or listens.
        if path.name in ("worker.py", "workers.py"):
            text = path.read_text(encoding="utf-8")
            assert not any(word in text for word in (".connect(", ".bind(", ".listen(", "AF_INET"))
            roots -= {"socket"}
        assert not roots & {"socket", "http", "ftplib", "smtplib", "requests", "httpx", "asyncio"}, path.name
        assert "urllib.request" not in imports(path), path.name
