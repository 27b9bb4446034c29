"""Finds, loads and checks plugins; `guarded` is the one place that catches everything."""

import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from forensic_kit import api
from forensic_kit.errors import EvidenceLost, ForensicError, Misuse, PluginError

P = TypeVar("P", bound=api.Plugin)
T = TypeVar("T")
_FOLDERS = {kind.kind: kind for kind in api.KINDS}


@dataclass(frozen=True)
class Loaded:
    """A plugin that can be used."""

    plugin: type[api.Plugin]
    path: Path
    #: SHA-256 of its file, lower-case hex.
    sha256: str
    #: ``bundled``, ``installed`` or ``folder``.
    origin: str


@dataclass(frozen=True)
class Broken:
    """A plugin file that cannot be used, and why."""

    path: Path
    reason: str


@dataclass
class Registry:
    """All plugins found, by kind and name."""

    loaded: dict[str, Loaded] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)

    def of(self, kind: type[P]) -> list[type[P]]:
        """The plugin classes of a kind, in the order in which they are to be asked."""
        found = [item.plugin for item in self.loaded.values() if issubclass(item.plugin, kind)]
        return sorted(found, key=lambda plugin: (getattr(plugin, "order", 0), plugin.name))

    def get(self, name: str, kind: type[P]) -> type[P]:
        """The plugin called ``name``. Raises Misuse if there is none of this kind."""
        item = self.loaded.get(name)
        if item is None or not issubclass(item.plugin, kind):
            known = ", ".join(plugin.name for plugin in self.of(kind)) or "none"
            raise Misuse(f"no plugin of kind {kind.kind} is called {name!r}. Known: {known}.")
        return item.plugin


def resource_folder(name: str) -> Path:
    """The folder ``plugins`` or ``rules`` that came with the program: bundled in the package or in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_bundled" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise PluginError(f"the folder {name!r} of forensic-kit is missing beside {package}. Install the program again.")


def load(extra: Iterable[Path] = (), *, skip: Iterable[str] = ()) -> Registry:
    """Every plugin: bundled, then installed (entry-point group ``forensic_kit_v1``), then ``extra`` folders.

    A folder holds plugin files directly or in folders named like ours; a file that fails to load is kept as broken.

    Args: skip: names of plugins to leave out. Raises Misuse for a name that no plugin has.
    """
    registry = Registry()
    for path in _files(resource_folder("plugins")):
        _load_file(registry, path, "bundled")
    for entry_point in sorted(importlib.metadata.entry_points(group="forensic_kit_v1"), key=lambda item: item.name):
        module = guarded(entry_point.load, what=f"installed plugin {entry_point.name}")
        if isinstance(module, ForensicError):
            registry.broken.append(Broken(Path(entry_point.value), module.message))
        else:
            _add(registry, module, Path(str(module.__file__)), "installed")
    for folder in extra:
        if not folder.is_dir():
            raise Misuse(f"{folder}: no such folder of plugins. Check --plugins.")
        for path in _files(folder):
            _load_file(registry, path, "folder")
    for name in skip:
        if registry.loaded.pop(name, None) is None:
            raise Misuse(f"no plugin is called {name!r}. `plugins list` names them.")
    return registry


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*.py")) if not path.name.startswith("_"))


def _load_file(registry: Registry, path: Path, origin: str) -> None:
    name = f"forensic_kit_plugins.{hashlib.sha256(str(path).encode()).hexdigest()[:12]}.{path.stem}"
    module = guarded(lambda: _import(name, path), what=f"plugin file {path.name}")
    if isinstance(module, ForensicError):
        registry.broken.append(Broken(path, module.message))
    else:
        _add(registry, module, path, origin)


def _import(name: str, path: Path) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # msgspec looks annotations up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _add(registry: Registry, module: ModuleType, path: Path, origin: str) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for plugin in vars(module).values():
        if not (inspect.isclass(plugin) and issubclass(plugin, api.Plugin) and plugin.__module__ == module.__name__):
            continue
        if plugin.__name__.startswith("_"):
            continue  # a base class of the file's own
        reason = _refusal(plugin) or _taken(registry, plugin)
        if reason:
            registry.broken.append(Broken(path, reason))
        else:
            registry.loaded[plugin.name] = Loaded(plugin, path, digest, origin)


def _refusal(plugin: type[api.Plugin]) -> str:
    """Why this class may not be used; empty if it may."""
    if plugin.api != api.API:
        asked = "says no api number" if plugin.api is None else f"asks for api={plugin.api}"
        return f"class {plugin.__name__} {asked}; this version of forensic-kit offers api={api.API}."
    if plugin.kind not in _FOLDERS:
        return (
            f"class {plugin.__name__} is of no known kind; subclass one of {', '.join(_FOLDERS)} in forensic_kit.api."
        )
    if inspect.isabstract(plugin):
        missing = ", ".join(sorted(getattr(plugin, "__abstractmethods__", ())))
        return f"class {plugin.__name__} lacks {missing}."
    absent = [name for name in ("name", "version") if not getattr(plugin, name, "")]
    if absent:
        return f"class {plugin.__name__} lacks {' and '.join(absent)}."
    return ""


def _taken(registry: Registry, plugin: type[api.Plugin]) -> str:
    other = registry.loaded.get(plugin.name)
    return f"the name {plugin.name} is taken by {other.path}; rename one of the two." if other else ""


def guarded(call: Callable[[], T], *, what: str) -> T | ForensicError:
    """Run code that may fail in any way; a failure comes back as a value that keeps what was caught.

    `EvidenceLost`, running out of memory and the user's interruption pass through: they are no plugin's fault.

    Args: what: what was being done, for the message.
    """
    try:
        return call()
    except (EvidenceLost, MemoryError):
        raise
    except ForensicError as error:
        return error
    except Exception as error:
        wrapped = PluginError(f"{what}: {type(error).__name__}: {_first_line(error)}")
        wrapped.__cause__ = error
        return wrapped


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
