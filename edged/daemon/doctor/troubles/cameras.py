"""Troubles of cameras that are plugged in, of recordings, and of the secrets that cameras and brokers want."""

from __future__ import annotations

from edged.daemon.doctor.troubles.trouble import Trouble

CAMERAS = (
    Trouble(
        "cameras-none", "cameras", "warn",
        "`edged camera list` shows nothing.",
        "No Video4Linux camera is connected.",
        "Plug one in; `dmesg` tells whether the kernel saw it. A camera at the CSI connector needs picamera2.",
    ),
    Trouble(
        "camera-absent", "camera NAME", "fail",
        "`camera NAME: lost: /dev/video0: No such file or directory`.",
        "The device that the configuration names is not there, or is no camera.",
        "Plug it in, or name one that `edged camera list` shows; names in /dev/v4l/by-id stay right when another is added.",
    ),
    Trouble(
        "camera-no-permission", "camera NAME", "fail",
        "`camera NAME: lost: /dev/video0: permission denied`.",
        "The camera is there, and this user may not open it.",
        "Add the user to the group video (`sudo usermod -aG video USER`) and log in again; a unit needs SupplementaryGroups=video.",
    ),
    Trouble(
        "camera-busy", "camera NAME", "warn",
        "`camera NAME: lost: /dev/video0 cannot be opened, it is held by ...`.",
        "Another program has the camera open; only one at a time gets pictures.",
        "End that program, or let it take another camera.",
    ),
    Trouble(
        "camera-file-unreadable", "camera NAME", "fail",
        "edged ends with `...: no such file or directory`.",
        "The recording or the folder of pictures is not there, or may not be read.",
        "Correct the path, or the permissions of the file.",
    ),
    Trouble(
        "camera-picamera2-missing", "camera NAME", "fail",
        "`camera NAME: lost: picamera2 ...`.",
        "A camera at the CSI connector is read by picamera2, which is not installed or not seen from this environment.",
        "`sudo apt install python3-picamera2`, and make the venv with --system-site-packages.",
    ),
    Trouble(
        "secret-missing", "camera NAME, model NAME, broker", "fail",
        "`.../password: No such file or directory`.",
        "The file that is to hold the password or key is not there, or systemd hands out no such credential.",
        "Write it into the file: `umask 077; cat > FILE`, as the user that edged runs as.",
    ),
    Trouble(
        "secret-open-to-others", "camera NAME, model NAME, broker", "fail",
        "`... is open to others (mode 0644)`.",
        "Other users could read the password or key, so it is not used.",
        "`chmod 600` and the file.",
    ),
    Trouble(
        "secret-unusable", "camera NAME, model NAME, broker", "fail",
        "`... is empty`, `... is not UTF-8 text`, or `TLS: ...` with the name of a file.",
        "The file holds no password, no key of a model, or no certificate or key in PEM.",
        "Write the right thing into it; a key must not be encrypted.",
    ),
)  # fmt: skip
