#!/usr/bin/env python
"""The trust process's client, as the public conformance suite of TUF drives one: its CLIENT-CLI.md, over HTTP.

What is tested is `edged.ota.trust.client`: python-tuf with a root that is given each time and a directory that may be damaged. What
edged adds (one bundle, the binding to a channel, floors) has tests of its own. EDGED_OTA_LIMITS chooses the limits.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from urllib.parse import quote

from tuf.ngclient import UpdaterConfig
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

from edged.ota.trust.client import LIMITS, refreshed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata-dir", required=True, type=Path)
    parser.add_argument("--metadata-url")
    parser.add_argument("--target-name", action="append", default=[])
    parser.add_argument("--target-dir")
    parser.add_argument("--target-base-url")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("init").add_argument("trusted_root", type=Path)
    verbs.add_parser("refresh")
    verbs.add_parser("download")
    arguments = parser.parse_args()
    given = arguments.metadata_dir.with_name("given_root.json")  # edged keeps it apart: python-tuf's directory may be cleared
    if arguments.verb == "init":
        given.write_bytes(arguments.trusted_root.read_bytes())
        (arguments.metadata_dir / "root.json").write_bytes(arguments.trusted_root.read_bytes())
        return
    limits = LIMITS if os.environ.get("EDGED_OTA_LIMITS") == "edged" else UpdaterConfig()
    updater = refreshed(arguments.metadata_dir, arguments.metadata_url, Urllib3Fetcher(), given.read_bytes(), limits)
    for name in arguments.target_name:
        target = updater.get_targetinfo(name)
        if target is None:
            raise SystemExit(f"there is no {name}")
        path = str(Path(arguments.target_dir, quote(name, safe="")))
        if updater.find_cached_target(target, path) is None:
            updater.download_target(target, path, arguments.target_base_url)


if __name__ == "__main__":
    main()
