"""Who may import whom, who may write, and what stays small: read from the source itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import irqbal
from irqbal.plugins import hookspecs

HERE = Path(irqbal.__file__).parent
POLICIES = HERE.parent / "policies/irqbal_policies"
SOURCES = {
    ".".join(path.relative_to(HERE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(HERE.rglob("*.py"))
}
"""Module -> file, of all of irqbal."""


def imports(path: Path, module: str = "") -> set[str]:
    """Every module that this file imports, in functions too; `from irqbal import x` counts as
    irqbal.x if that is one.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            base = node.module or ""
            names = {f"{base}.{alias.name}" for alias in node.names} & set(SOURCES)
            found |= names or {base}
            if names and len(names) < len(node.names):
                found.add(base)
    return found - {module}


def ours(module: str) -> set[str]:
    """The parts of irqbal that a module imports: `planner` for irqbal.planner.check_plan, and so
    on.
    """
    found = imports(SOURCES[module], module)
    return {
        name.split(".")[1] if "." in name else "irqbal"
        for name in found
        if name.split(".")[0] == "irqbal"
    }


def test_an_import_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    """The reader of imports, on which the tests below rest."""
    file = tmp_path / "x.py"
    file.write_text(
        "import os.path\nfrom irqbal import wire, hookimpl\ndef f():\n    from irqbal.planner "
        "import check_plan\n"
    )
    assert imports(file) == {"os.path", "irqbal.wire", "irqbal", "irqbal.planner.check_plan"}


VOCABULARY = {"addresses", "cpuset", "errors", "problems", "version", "wire"}
"""The modules beside the rooms: the words that everything else is said in."""
PURE_ROOMS = {"findings", "identify", "load", "model", "planner", "tracking"}
IMPURE = {"irqbal.tracking.tracker"}
"""It calls the host that it is given."""
ROOMS = {
    "model": set[str](),
    "process": set[str](),
    "config": set[str](),
    "findings": {"model"},
    "identify": {"model"},
    "load": {"model"},
    "planner": {"model"},
    "trials": {"load", "model"},
    "kernel": {"identify", "model"},
    "render": {"findings", "model", "trials"},
    "simulated": {"identify", "kernel", "model"},
    "tracking": {"identify", "load", "model", "planner"},
    "plugins": {"model", "planner", "process"},
    "imported": {"kernel", "model", "plugins"},
    "state": {"load", "model", "planner", "process", "trials"},
    "history": {"config", "findings", "load", "model", "process", "render"},
    "api": {"config", "findings", "history", "model", "render", "state", "trials"},
    "client": {"api", "render"},
    "central": {"api", "config", "findings", "history", "model", "process", "render", "state"},
    "service": {
        *("api", "config", "findings", "history", "kernel", "model", "planner", "plugins"),
        *("process", "render", "simulated", "state", "tracking", "trials"),
    },
    "switching": {
        *("kernel", "load", "model", "planner", "service", "state", "tracking", "trials"),
    },
    "testing": {"model", "planner", "plugins", "service", "simulated"},
    "cli": {
        *("api", "central", "client", "config", "findings", "history", "imported", "kernel"),
        *("model", "planner", "plugins", "process", "render", "service", "simulated", "state"),
        *("switching", "tracking", "trials"),
    },
    "manpages": {"cli", "client", "config", "plugins"},
}
"""Each room -> the rooms that it may import, besides the vocabulary and itself."""


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else "irqbal"


@pytest.mark.parametrize("module", SOURCES)
def test_a_room_imports_only_what_the_table_allows(module: str) -> None:
    room = part(module)
    if SOURCES[module].parent == HERE:
        # Beside the rooms: the vocabulary, the facade for policies' authors, and `-m irqbal`.
        allowed = {"irqbal": {"model", "plugins"}, "__main__": {"cli"}}.get(room, set())
        assert room in {*VOCABULARY, "irqbal", "__main__"}
    else:
        allowed = ROOMS[room] | {room}
    assert ours(module) <= allowed | VOCABULARY


def test_the_table_has_no_circle() -> None:
    """Room by room, those whose imports have all gone can go, until none is left."""
    left = dict(ROOMS)
    while left:
        free = {room for room, below in left.items() if not below & left.keys()}
        assert free, left
        left = {room: below for room, below in left.items() if room not in free}


def test_the_facade_loads_neither_pluggy_nor_the_planner() -> None:
    modules = loaded("import irqbal, irqbal.cpuset")
    assert "irqbal.model.view" in modules
    assert "pluggy" not in modules
    assert not {name for name in modules if name.startswith(("irqbal.planner", "irqbal.plugins"))}
    assert "pluggy" in loaded("from irqbal import hookimpl")


def test_a_daemon_holds_nothing_that_only_mistakes_scrapes_and_tables_need() -> None:
    modules = loaded(
        "import irqbal.cli.main, irqbal.cli.daemon, irqbal.service.lifetime, "
        "irqbal.plugins.planner_host"
    )
    assert "irqbal.service.cycle" in modules
    assert not {"difflib", "prometheus_client", "rich"} & set(modules)


@pytest.mark.parametrize("module", [module for module in SOURCES if part(module) == "client"])
def test_the_client_knows_the_wire_and_nothing_of_the_daemon(module: str) -> None:
    found = {name for name in imports(SOURCES[module]) if name.startswith("irqbal.api")}
    assert found <= {"irqbal.api.contract"}


@pytest.mark.parametrize(
    "module",
    [module for module in SOURCES if part(module) in {"api", "history", "central", "service"}],
)
def test_the_daemon_takes_sentences_from_render_and_nothing_else(module: str) -> None:
    found = {name for name in imports(SOURCES[module]) if name.startswith("irqbal.render")}
    assert found <= {
        "irqbal.render.finding_texts",
        "irqbal.render.forecast",
        "irqbal.render.trial_texts",
    }


OUTSIDE = {
    "__future__",
    "collections.abc",
    "dataclasses",
    "difflib",
    "functools",
    "heapq",
    "math",
    "msgspec",
    "re",
    "types",
}
OUTSIDE |= {"bisect", "datetime", "enum", "fnmatch", "heapq", "itertools", "operator", "typing"}
"""What a pure module may use: nothing here knows a file, a clock, a socket or another process."""


@pytest.mark.parametrize(
    "module", [module for module in SOURCES if part(module) in PURE_ROOMS and module not in IMPURE]
)
def test_pure_modules_know_no_file_no_clock_and_no_network(module: str) -> None:
    foreign = {name for name in imports(SOURCES[module]) if name.split(".")[0] != "irqbal"}
    assert foreign <= OUTSIDE
    assert not _calls(SOURCES[module]) & {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.py")), ids=lambda path: str(path.name))
def test_bundled_policies_import_only_irqbal_and_pure_modules(path: Path) -> None:
    # Their helper modules stand beside them, and are held to the same.
    helpers = {
        f"irqbal_policies.{name}" for name in ("cpu_loads", "levelling", "nodes", "queue_homes")
    }
    assert imports(path) <= {"irqbal", *helpers, *OUTSIDE}
    assert not _calls(path) & {"open", "print", "exec", "eval", "__import__"}


def _calls(path: Path) -> set[str]:
    """Names that are called as functions."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {
        node.func.id
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def loaded(statement: str) -> set[str]:
    """The modules that a fresh process holds after this."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_the_daemons_process_imports_no_policy_even_when_it_looks_for_them() -> None:
    modules = loaded(
        "import irqbal.service.daemon, irqbal.cli, "
        "irqbal.plugins.discovery\nirqbal.plugins.discovery.find()"
    )
    assert "irqbal.service.cycle" in modules
    assert not {name for name in modules if name.startswith("irqbal_")}
    assert not {"irqbal.plugins.policy_host", "irqbal.plugins.confinement"} & modules


def test_the_policy_host_stays_small_without_web_framework_yaml_or_kernel() -> None:
    modules = loaded("import irqbal.plugins.policy_host")
    assert "irqbal.planner" in modules
    roots = {name.split(".")[0] for name in modules}
    assert not roots & {"asyncio", "click", "http", "rich", "sqlite3", "ssl", "tornado", "yaml"}
    assert not {
        name for name in modules if name.startswith(("irqbal.kernel", "irqbal.state", "irqbal.api"))
    }


WITHIN = re.compile(r"\bfrom (irqbal[\w.]*) import ([\w, ]+)")
TESTS = HERE.parent / "tests"


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.name)
def test_programs_within_texts_import_what_exists(path: Path) -> None:
    """A child's program is text to a type checker: what it imports must be there all the same."""
    if path == Path(__file__):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for module, names in WITHIN.findall(node.value):
                for name in re.findall(r"\w+", names.partition(" as ")[0]):
                    found = importlib.import_module(module)
                    assert hasattr(found, name) or f"{module}.{name}" in SOURCES, (module, name)
                    assert not inspect.ismodule(getattr(found, name, None)) or name != "main"


# Who writes

WRITING_FLAGS = {"O_WRONLY", "O_RDWR", "O_APPEND", "O_CREAT", "O_TRUNC"}
WRITING_CALLS = {
    "write_text",
    "write_bytes",
    "truncate",
    "ftruncate",
    "mkdir",
    "unlink",
    "rename",
    "symlink_to",
}


def writes(path: Path) -> Iterator[str]:
    """Every way in which this file could change something on disk."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in WRITING_FLAGS:
            yield f"os.{node.attr}"
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in WRITING_CALLS:
            yield name
        given = [*node.args, *(word.value for word in node.keywords)]
        texts = [
            item.value
            for item in given
            if isinstance(item, ast.Constant) and isinstance(item.value, str)
        ]
        if name in ("open", "fdopen") and any(
            set(text) & set("wax+") and len(text) < 4 for text in texts
        ):
            yield name


def test_a_write_is_seen_in_every_form(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "os.open(p, os.O_WRONLY)\np.write_text('')\nopen(p, 'wb')\np.open(mode='r+')\nopen(p, "
        "'rb')\n"
    )
    assert sorted(writes(file)) == ["open", "open", "os.O_WRONLY", "write_text"]


def test_only_affinity_writes_to_the_kernel() -> None:
    """`archive` writes the file that a person asked for, and removes a half one; `trace_instance`
    its own tracefs instance.
    """
    kernel = {path.name: set(writes(path)) for path in (HERE / "kernel").glob("*.py")}
    writing = {name: how for name, how in kernel.items() if how}
    assert "os.O_WRONLY" in writing.pop("affinity.py")
    assert writing.pop("archive.py") == {"open", "unlink"}
    writing.pop("trace_instance.py", None)
    assert writing == {}


@pytest.mark.parametrize("module", [name for name in SOURCES if name != "irqbal.render.console"])
def test_only_the_console_prints(module: str) -> None:
    """Its functions print no character that controls a terminal."""
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("click.echo", "click.secho"), ast.unparse(node)


@pytest.mark.parametrize("module", [module for module in SOURCES if module != "irqbal.wire"])
def test_only_wire_has_msgspec_decode_a_type(module: str) -> None:
    """Its functions are the ones that several threads may call."""
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        if isinstance(node, ast.Call) and "msgspec" in ast.unparse(node.func):
            name = ast.unparse(node.func).rpartition(".")[2]
            typed = name == "decode" and any(word.arg == "type" for word in node.keywords)
            assert not typed and name not in ("convert", "Decoder"), ast.unparse(node)


@pytest.mark.parametrize(
    "module", [module for module in SOURCES if part(module) not in ("kernel", "simulated")]
)
def test_nothing_outside_the_kernels_readers_names_its_files(module: str) -> None:
    """Who does not know a path cannot write to it; docstrings and messages may name the files."""
    tree = ast.parse(SOURCES[module].read_text())
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    paths = {
        text
        for text in texts
        if " " not in text and text.strip("/").startswith(("proc/irq", "sys/class/net"))
    }
    assert not paths


# The contract with policies' authors

PUBLIC = [
    "API_VERSION",
    "Claim",
    "Cpu",
    "CpuSet",
    "Device",
    "Draft",
    "Duration",
    "Interface",
    "Irq",
    "Limit",
    "Meta",
    "Needs",
    "Note",
    "Options",
    "Percent",
    "Placed",
    "Placement",
    "Queue",
    "Record",
    "RxQueue",
    "Snapshot",
    "Steering",
    "Thread",
    "TxQueue",
    "Words",
    "distance",
    "hookimpl",
]


def test_what_an_author_imports_is_pinned() -> None:
    """Policies of strangers rest on these names: to take one away breaks them."""
    assert irqbal.__all__ == PUBLIC
    assert all(hasattr(irqbal, name) for name in PUBLIC)


def test_everything_public_is_documented() -> None:
    for name in PUBLIC:
        thing = getattr(irqbal, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), name


def test_every_hook_is_documented_and_typed() -> None:
    specs = {name: spec for name, spec in vars(hookspecs).items() if hasattr(spec, "irqbal_spec")}
    assert set(specs) == set(hookspecs.HOOKS)
    for name, spec in specs.items():
        assert len(inspect.getdoc(spec) or "") > 40, name
        hints = typing.get_type_hints(spec)
        assert set(hints) == {*inspect.signature(spec).parameters, "return"}, name


@pytest.mark.parametrize("module", SOURCES)
def test_every_module_says_what_it_is_for(module: str) -> None:
    text = SOURCES[module].read_text()
    assert not text or ast.get_docstring(ast.parse(text))


def test_no_class_name_stands_twice() -> None:
    """A reader who searches for a class finds one."""
    where: dict[str, list[str]] = {}
    for folder in ("irqbal", "policies", "contrib", "tests"):
        for path in (HERE.parent / folder).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    where.setdefault(node.name, []).append(str(path))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


REASON_AT = 330
"""Lines from which a module says at its top why it is not two."""


@pytest.mark.parametrize("module", SOURCES)
def test_a_long_module_says_why_it_is_one(module: str) -> None:
    """No limit: a reason."""
    text = SOURCES[module].read_text()
    if text.count("\n") > REASON_AT:
        assert "long" in (ast.get_docstring(ast.parse(text)) or "").lower()
