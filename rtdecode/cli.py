"""The command ``rtdecode``: one name, sub-commands, nothing heavy imported before it is used.

Every sub-command is a thin function here that calls the module which does the
work. A ``UserError`` becomes one line on standard error and exit code 2.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rtdecode import __version__
from rtdecode.errors import UserError

app = typer.Typer(
    name="rtdecode",
    help="Decode what an animal sees from its spikes, while it sees it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rtdecode {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Decode what an animal sees from its spikes, while it sees it."""


def main() -> None:
    """Run the command line; a user's error is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"rtdecode: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("rtdecode: stopped", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
