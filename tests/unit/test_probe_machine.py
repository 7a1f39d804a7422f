from __future__ import annotations

from edged.infer.probe.machine import MAX_MEMORY_BYTES, free_bytes, processor, this_processor

PI_4 = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd crc32\nCPU part\t: 0xd08\n\nHardware\t: BCM2835\nSerial\t: 1\n"


def test_a_processor_is_known_by_its_kind_and_not_by_what_changes() -> None:
    assert processor(PI_4) == processor(PI_4.replace("108.00", "54.00").replace("Serial\t: 1", "Serial\t: 2"))
    assert processor(PI_4) != processor(PI_4.replace("crc32", "crc32 asimddp"))
    assert this_processor() == this_processor()


def test_there_is_memory_and_no_model_takes_all_of_it() -> None:
    assert 0 < free_bytes() <= MAX_MEMORY_BYTES
