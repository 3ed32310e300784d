"""`irqbal`: the command for administrators, with one module for each command.

Exit status: 0 done; 1 verify has findings, or the kernel refused a write; 2 wrong usage or
configuration, and nothing was done; 3 the host cannot be read or written; 4 another balancer works
on this host.
"""

from __future__ import annotations

import errno
import os
import sys

import click

from irqbal.cli.command_table import SECTIONS
from irqbal.cli.common import CommandGroup, common_options
from irqbal.errors import ConfigError, IrqbalError, LockError
from irqbal.process.malloc import refuse_huge_pages
from irqbal.render.console import echo
from irqbal.version import __version__

COMPLETING = "_IRQBAL_COMPLETE"
"""The variable that the scripts of `irqbal completion` set."""
EPILOG = """\b
Examples:
  irqbal verify
  irqbal plan
  irqbal explain 24
  irqbal simulate --host 2x16x2 --nodes 2 --nic 16x2 --traffic skewed
  irqbal daemon --dry-run

`irqbal COMMAND --help` has the options and examples of a command.

Exit status: 0 done; 1 verify has findings, or the kernel refused a write; 2 wrong usage or
configuration; 3 the host cannot be read or written; 4 another balancer works on this host."""


@click.group(
    cls=CommandGroup,
    sections=SECTIONS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="irqbal")
@common_options
def cli(**_: object) -> None:
    """Keep this host's interrupts on the right CPUs."""


def main() -> None:
    """Entry point. Errors are printed as sentences, without a traceback."""
    if COMPLETING in os.environ:
        from irqbal.client.cli.shell_script import register

        register()
    if any(word.partition("=")[0] == "--isolation" for word in sys.argv):
        # Before the command's modules fill the memory that it is about.
        refuse_huge_pages()
    try:
        status = cli(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except ConfigError as error:
        for problem in error.problems:
            echo(problem, err=True)
        sys.exit(2)
    except LockError as error:
        echo(f"irqbal: {error}", err=True)
        sys.exit(4)
    except IrqbalError as error:
        echo(f"irqbal: {error}", err=True)
        sys.exit(3)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO) or error.filename is not None:
            raise
        echo(f"irqbal: the output cannot be written: {error.strerror}", err=True)
        # Discard buffered output, so that Python's flush at exit does not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(3)
    sys.exit(status if isinstance(status, int) else 0)
