"""Makes an encrypted bundle of one in the clear (``edged.infer.encryption``)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from edged.core.durable import replace_file
from edged.core.errors import ModelRejected, OutputUnwritable
from edged.infer.bundle import Bundle
from edged.infer.encryption import Key, encrypt, read_model
from edged.infer.golden import FILE_NAME as GOLDEN_FILE
from edged.infer.golden import encode
from edged.infer.manifest import FILE_NAME, MAX_BYTES, format_manifest

SUFFIX = ".enc"


def encrypt_bundle(bundle: Bundle, key: Key, to: Path) -> None:
    """Write ``bundle`` with every variant encrypted into the directory ``to``, which must not hold a bundle; the manifest is last.

    Labels and anchors go into the manifest, which stays in the clear, as golden vectors do. Raises OutputUnwritable, and
    ModelRejected for a bundle that cannot be read, or is encrypted already.
    """
    if bundle.encrypted:
        raise ModelRejected(f"{bundle.manifest.name}: encrypted already ({', '.join(sorted(bundle.encrypted))})")
    if (to / FILE_NAME).exists():
        raise OutputUnwritable(f"{to}: there is a bundle already", hint="Name a directory that is new or empty.")
    sealed = {variant: encrypt(read_model(bundle, variant, None), key) for variant in bundle.paths}
    files = {variant: name + SUFFIX for variant, name in bundle.manifest.files.items()}
    digests = {variant: hashlib.sha256(content).hexdigest() for variant, content in sealed.items()}
    manifest = format_manifest(replace(bundle.manifest, files=files, sha256=digests)).encode()
    if len(manifest) > MAX_BYTES:
        raise ModelRejected(f"{bundle.manifest.name}: its manifest with labels and anchors takes {len(manifest):,} bytes")
    golden = bundle.golden()
    try:
        to.mkdir(parents=True, exist_ok=True)
        for variant, content in sealed.items():
            replace_file(to / files[variant], content)
        if golden is not None:
            replace_file(to / GOLDEN_FILE, encode(golden))
        replace_file(to / FILE_NAME, manifest)
    except OSError as error:
        raise OutputUnwritable(f"{to}: cannot be written: {error.strerror}") from error
