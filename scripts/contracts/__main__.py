"""See scripts/contract."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import jsonschema

from edged.mqtt.asyncapi import asyncapi
from edged.tooling.contract import compare, describe

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "edged/mqtt/asyncapi.json"
CONTRACT = ROOT / "tests/contract.json"
SPECS = "@asyncapi/specs@6.11.1"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/contract")
    parser.add_argument("--validate", action="store_true", help="check against AsyncAPI's own schema, fetched by npm")
    arguments = parser.parse_args()
    document = asyncapi()
    if arguments.validate:
        validate(document)
    contract = describe(document)
    if CONTRACT.exists() and (breaks := compare(json.loads(CONTRACT.read_text()), contract)):
        print("This breaks consumers; raise v of the payload, or keep the field as it was:", *breaks, sep="\n  ", file=sys.stderr)
        return 1
    DOCUMENT.write_text(json.dumps(document, indent=2) + "\n")
    lines = ",\n".join(f"  {json.dumps(place)}: {json.dumps(meaning)}" for place, meaning in sorted(contract.items()))
    CONTRACT.write_text(f"{{\n{lines}\n}}\n")
    return 0


def validate(document: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["npm", "pack", "--silent", SPECS], cwd=directory, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(directory).glob("*.tgz")
        with tarfile.open(archive) as files:
            member = files.extractfile("package/schemas/3.0.0-without-$id.json")
            assert member
            schema = json.load(member)
    jsonschema.Draft7Validator(schema).validate(document)
    print(f"fits the schema of AsyncAPI 3.0.0 in {SPECS}")


sys.exit(main())
