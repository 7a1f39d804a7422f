"""Troubles of accelerators: a row for each ``DelegateFault`` that shows before a model runs."""

from __future__ import annotations

from edged.daemon.doctor.troubles.trouble import Trouble

ACCELERATORS = (
    Trouble(
        "accelerator-absent", "accelerator NAME", "warn or fail",
        "The model's state says `no Edge TPU is connected`, and it runs on the CPU; with delegate = \"edgetpu\" edged ends.",
        "The bundle has a variant for the Edge TPU, and none is connected.",
        "Plug one in; lsusb shows it as 1a6e:089a or 18d1:9302, a PCIe one is /dev/apex_0.",
    ),
    Trouble(
        "accelerator-no-variant", "accelerator NAME", "fail",
        "edged ends with `the bundle has no variant for the Edge TPU`.",
        "delegate = \"edgetpu\" demands what the bundle does not have.",
        "Compile the quantised model with edgetpu_compiler and name the result as edgetpu in [files] of model.toml.",
    ),
    Trouble(
        "accelerator-no-node", "edgetpu, accelerator NAME", "warn or fail",
        "lsusb shows the Edge TPU, and edged says that it has no device node.",
        "edged runs in a container that was not given the device.",
        "Pass /dev/bus/usb (or /dev/apex_0) into the container.",
    ),
    Trouble(
        "accelerator-no-permission", "edgetpu, accelerator NAME", "warn or fail",
        "`no permission to open the Edge TPU`.",
        "The device is there, and this user may not open it.",
        "Install Coral's udev rules (libedgetpu1-std), add the user to the group plugdev (`sudo usermod -aG plugdev USER`; a unit "
        "needs SupplementaryGroups=plugdev), and plug it in again.",
    ),
    Trouble(
        "accelerator-library-missing", "edgetpu, accelerator NAME", "warn or fail",
        "`libedgetpu.so.1: cannot open shared object file`.",
        "The library that drives the accelerator is not installed, or lies elsewhere.",
        "Install libedgetpu1-std (https://coral.ai/docs/accelerator/get-started), or name it: edgetpu = { library = ... }.",
    ),
    Trouble(
        "accelerator-library-unusable", "edgetpu, accelerator NAME", "warn or fail",
        "`invalid ELF header`, `undefined symbol`, `GLIBC not found`, with the library's name.",
        "The library was built for another system, or needs one that is missing.",
        "Take a build for this system and for the runtime that is used.",
    ),
    Trouble(
        "accelerator-library-crashes", "edgetpu, accelerator NAME", "warn or fail",
        "The vision process ends right after the start, and its models go to the CPU.",
        "The library ends, or holds up, whoever loads it.",
        "Take another build of it; `dmesg` may show a fault of the device.",
    ),
)  # fmt: skip
