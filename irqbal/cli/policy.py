"""`irqbal policy new`: create the project of a new policy."""

from __future__ import annotations

import importlib.util
import re
from importlib import resources
from pathlib import Path

import click

from irqbal.cli.common import BelowGroup, common_options
from irqbal.errors import IrqbalError
from irqbal.plugins import discovery
from irqbal.render.console import echo

FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "{module}.py": "policy.py.txt",
    "tests/test_{policy}.py": "test_policy.py.txt",
    "README.md": "README.md.txt",
    ".gitignore": "gitignore.txt",
}
"""The project's files, and their templates in the folder `skeleton`."""
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*", re.ASCII)


@click.group("policy", cls=BelowGroup)
@common_options
def command(**_: object) -> None:
    """Start a policy of your own."""


@command.command("new")
@click.argument("name")
def new(name: str) -> None:
    """Create the project of a new policy in ./NAME: a module, its tests, and what pip needs to
    install it.
    """
    if not _NAME.fullmatch(name) or len(name) > 60:
        raise click.UsageError(
            f"{name!r} is no name for a policy: use lower-case letters, digits and dashes, such as "
            "irqbal-mine"
        )
    policy = name.removeprefix("irqbal-").removeprefix("irqbal_").replace("-", "_")
    module = f"irqbal_{policy}"
    installed = discovery.find().get(policy)
    if installed is not None:
        raise click.UsageError(
            f"the policy {policy} is installed already, by {installed.distributions[0]}: choose "
            "another name"
        )
    if importlib.util.find_spec(module) is not None:
        raise click.UsageError(f"a module {module} exists already: choose another name")
    folder = Path(name)
    for path, text in project(policy).items():
        _write(folder / path, text, first=path == next(iter(FILES)))
    echo(f"{folder}: a policy named {policy}; next: cd {folder}; pip install -e '.[test]'; pytest")


def project(policy: str) -> dict[str, str]:
    """The files of a policy's project: path -> text."""
    words = {
        "@POLICY@": policy,
        "@MODULE@": f"irqbal_{policy}",
        "@DIST@": f"irqbal-{policy.replace('_', '-')}",
        "@CLASS@": "".join(part.capitalize() for part in policy.split("_")),
    }
    files = {}
    for path, template in FILES.items():
        text = resources.files("irqbal.cli").joinpath("skeleton", template).read_text()
        for word, value in words.items():
            text = text.replace(word, value)
        files[path.format(policy=policy, module=f"irqbal_{policy}")] = text
    return files


def _write(path: Path, text: str, first: bool) -> None:
    """Write a file of the project. The `first` one creates the project's folder, which must not
    exist yet, so that nothing is overwritten.
    """
    try:
        path.parent.mkdir(exist_ok=not first, parents=not first)
        path.write_text(text)
    except FileExistsError:
        raise click.UsageError(
            f"{path.parent} exists already: choose another name, or remove it"
        ) from None
    except OSError as error:
        raise IrqbalError(f"{path} cannot be written: {error.strerror}") from error
