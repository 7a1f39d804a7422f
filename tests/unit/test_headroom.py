"""What a model is taken to need."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.infer.bundle import load_bundle
from edged.vision.headroom import need_bytes

PROBED_MB = {
    "ssd_mobilenet_v1_coco_quant": ("ssd_postprocess", 35.4),
    "blazeface_128x128_quant": ("blazeface", 23.7),
    "mobilenet_v1_0.25_128_quant": ("classification", 22.9),
}
"""Decoder, and what ``edged model verify`` says that it took at most."""


@pytest.mark.parametrize("name", PROBED_MB)
def test_estimate_is_above_what_was_measured_and_below_twice_that(name: str, test_data: Path) -> None:
    decoder, measured_mb = PROBED_MB[name]
    bundle = load_bundle(test_data / f"models/{name}.tflite", None, decoder)
    assert measured_mb < need_bytes(bundle, 0) / 2**20 < 2 * measured_mb
    assert need_bytes(bundle, 12345) == 12345
