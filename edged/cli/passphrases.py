"""Passphrases from a file, a systemd credential, the environment or a person; never from the command line, which others see."""

from __future__ import annotations

import argparse
import getpass
import os
from pathlib import Path

from edged.core.errors import PublisherFailed
from edged.core.secrets import read_secret

VARIABLE = "EDGED_OTA_PASSPHRASE"

HINT = f"Use --passphrase-file, --passphrase-credential or {VARIABLE} where nobody can be asked."


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say where from."""
    group = parser.add_argument_group("passphrases", f"asked for, unless one of these or {VARIABLE} gives one for all keys")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--passphrase-file", type=Path, metavar="FILE", help="a file that only you may read")
    source.add_argument("--passphrase-credential", metavar="NAME", help="a systemd credential (LoadCredential=)")


class Passphrases:
    """Those of one run of the command."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        given = read_secret(arguments.passphrase_file, arguments.passphrase_credential)
        self._given = given if given is not None else os.environ.get(VARIABLE) or None

    def existing(self, name: str) -> str:
        """The passphrase of a key that there is; raises PublisherFailed, SecretUnreadable."""
        return self._given or _ask(f"Passphrase of {name}: ")

    def new(self, name: str) -> str:
        """One for keys that are made now, asked for twice."""
        if self._given:
            return self._given
        passphrase = _ask(f"New passphrase for {name}: ")
        if _ask("Again: ") != passphrase:
            raise PublisherFailed("these were two different passphrases", hint="Begin again; nothing was changed.")
        return passphrase


def _ask(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except EOFError as error:
        raise PublisherFailed("there is nobody to ask for a passphrase", hint=HINT) from error
