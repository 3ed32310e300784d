"""The manual pages: `python -m irqbal.manpages [DIR]` writes irqbal(8), irqbal-client(1) and
irqbal.yaml(5).

They are generated from the help texts and from the descriptions of the configuration's keys, so
they cannot differ from them. A test compares the pages in `man/` with the generated ones.
"""

from __future__ import annotations

from collections.abc import Iterable

import click

import irqbal.cli.main
import irqbal.client.cli.main
from irqbal.manpages import commands, keys, texts
from irqbal.manpages.roff import ManualPage, bold, escaped, italic
from irqbal.version import __version__

SOURCE = f"irqbal {__version__}"
Pairs = Iterable[tuple[str, str]]


def pages() -> dict[str, str]:
    """File name -> page. Starts the bundled policies' process, which describes their options."""
    return {"irqbal.8": _irqbal(), "irqbal-client.1": _client(), "irqbal.yaml.5": _yaml()}


def _commands(page: ManualPage, cli: click.Group, common: str) -> None:
    """Add the options that all commands share, introduced by `common`, and the commands."""
    shared = commands.options(cli)
    page.heading("OPTIONS")
    page.text(common)
    for option in shared:
        commands.describe_option(page, option)
    page.item(f"{bold('-h')}, {bold('--help')}", texts.HELP)
    page.heading("COMMANDS")
    page.text(texts.TIMES)
    for heading, section in commands.sections(cli):
        page.subheading(escaped(heading))
        for name, command in section:
            commands.describe(page, name, command, shared)


def _irqbal() -> str:
    cli = irqbal.cli.main.cli
    page = ManualPage(
        "irqbal", 8, "keep a host's interrupts on the right CPUs", SOURCE, "System administration"
    )
    page.heading("SYNOPSIS")
    page.add(
        f"{bold('irqbal')} [{italic('OPTION')}...] {italic('COMMAND')} [{italic('ARGUMENT')}...]"
    )
    page.heading("DESCRIPTION")
    page.text(*texts.IRQBAL)
    _commands(page, cli, texts.IRQBAL_COMMON)
    _pairs(page, "SIGNALS", texts.IRQBAL_SIGNALS)
    _pairs(page, "EXIT STATUS", commands.statuses(irqbal.cli.main.__doc__ or "", texts.ENDED))
    _pairs(page, "ENVIRONMENT", texts.IRQBAL_ENVIRONMENT)
    _pairs(page, "FILES", texts.IRQBAL_FILES)
    _examples(page, texts.IRQBAL_EXAMPLES)
    page.see_also(
        [
            "irqbal-client(1)",
            "irqbal.yaml(5)",
            "irqbalance(1)",
            "systemctl(1)",
            "journalctl(1)",
            "proc(5)",
        ]
    )
    return page.render()


def _client() -> str:
    cli = irqbal.client.cli.main.cli
    page = ManualPage(
        "irqbal-client",
        1,
        "inspect and control an irqbal daemon",
        SOURCE,
        "User commands",
    )
    page.heading("SYNOPSIS")
    words = [
        bold("irqbal-client"),
        f"[{italic('OPTION')}...]",
        *(italic(word) for word in commands.arguments(cli)),
    ]
    page.add(" ".join([*words, f"[{italic('ARGUMENT')}...]"]))
    page.heading("DESCRIPTION")
    page.text(*texts.CLIENT)
    _commands(page, cli, texts.CLIENT_COMMON)
    _pairs(page, "EXIT STATUS", commands.statuses(irqbal.client.cli.main.EPILOG, texts.ENDED))
    _pairs(page, "ENVIRONMENT", texts.CLIENT_ENVIRONMENT)
    _pairs(page, "FILES", texts.CLIENT_FILES)
    page.heading("EXAMPLES")
    page.example(commands.examples(irqbal.client.cli.main.EPILOG))
    page.see_also(["irqbal(8)", "irqbal.yaml(5)", "curl(1)"])
    return page.render()


def _yaml() -> str:
    page = ManualPage("irqbal.yaml", 5, "configuration of irqbal", SOURCE, "File formats")
    page.heading("SYNOPSIS")
    page.add(italic("/etc/irqbal.yaml"))
    page.heading("DESCRIPTION")
    page.text(*texts.YAML)
    page.heading("VALUES")
    for word, about in texts.VALUES:
        page.item(escaped(word), about)
    page.heading("KEYS")
    section = ""
    for key in keys.config_keys():
        # Keys outside a section come first.
        if (begun := key.name.partition(".")[0]) not in (section, key.name):
            section = begun
            page.subheading(escaped(section))
        _key(page, key)
    described = keys.policies()
    page.heading("POLICIES")
    page.text(*texts.POLICIES)
    for policy in described:
        page.subheading(bold(policy.name))
        page.text(policy.about)
        for key in policy.keys:
            _key(page, key)
    page.heading("OBSERVERS")
    page.text(*texts.OBSERVERS)
    _pairs(page, "FILES", texts.YAML_FILES)
    _examples(page, texts.YAML_EXAMPLES)
    page.text("The defaults, written out:")
    page.example(keys.defaults(described).splitlines())
    page.see_also(["irqbal(8)", "irqbal-client(1)"])
    return page.render()


def _key(page: ManualPage, key: keys.Key) -> None:
    note = texts.NOTES.get(key.name, "")
    default = (
        "Must be given."
        if key.default is None
        else ""
        if key.name == "state_dir"
        else f"Default: `{key.default}`."
    )
    page.item(f"{bold(key.name)}: {italic(key.takes)}", f"{key.about} {note} {default}")


def _pairs(page: ManualPage, heading: str, pairs: Pairs) -> None:
    page.heading(heading)
    for tag, about in pairs:
        page.item(bold(tag), keys.sentence(about))


def _examples(page: ManualPage, pairs: Pairs) -> None:
    page.heading("EXAMPLES")
    for about, lines in pairs:
        page.text(about)
        page.example(lines.splitlines())
