"""Troubles of network cameras: a row for each ``CameraFault``, and what else keeps a stream from being used."""

from __future__ import annotations

from edged.daemon.doctor.troubles.trouble import Trouble

STREAMS = (
    Trouble(
        "stream-host-unknown", "camera NAME", "fail",
        "`camera NAME: lost: ... cannot be found: Name or service not known`.",
        "No name server knows the camera's name.",
        "Write the camera's address, or check the name: `getent hosts NAME` asks as edged does.",
    ),
    Trouble(
        "stream-unreachable", "camera NAME", "fail",
        "`camera NAME: lost: ...: Network is unreachable`, or `No route to host`.",
        "This machine has no way to the camera's network.",
        "Is this machine's cable or Wi-Fi up, and the address right? `ip route get ADDRESS` tells.",
    ),
    Trouble(
        "stream-silent", "camera NAME", "fail",
        "`camera NAME: lost: ... is silent for 5 s`, or `gave no picture within ...`.",
        "Nothing answers at that address, or it answers and sends no picture.",
        "Is it switched on, and in this network? `ping` tells. Many cameras recover when they are restarted.",
    ),
    Trouble(
        "stream-connection-refused", "camera NAME", "fail",
        "`camera NAME: lost: ... refuses the connection`.",
        "Something is at that address, and no stream at that port.",
        "Correct the port (RTSP is usually 554), and switch the service on in the camera.",
    ),
    Trouble(
        "stream-login-refused", "camera NAME", "fail",
        "`camera NAME: lost: ... refuses the login (401)`.",
        "User name or password are wrong, or are those of another account.",
        "Use the camera's account for streams; after many attempts cameras lock it for a while.",
    ),
    Trouble(
        "stream-forbidden", "camera NAME", "fail",
        "`camera NAME: lost: ... forbids us this stream (403)`.",
        "The account is right, and may not see this stream.",
        "Give the account the right to view it.",
    ),
    Trouble(
        "stream-path-unknown", "camera NAME", "fail",
        "`camera NAME: lost: ... has nothing under this path (404)`.",
        "The camera is right, and the part of the address behind the host is not.",
        "Look up the path of the stream in the camera's manual, or ask the camera by ONVIF.",
    ),
    Trouble(
        "stream-no-video", "camera NAME", "fail",
        "`camera NAME: lost: ... sends no video`, or `sends nothing that FFmpeg knows`.",
        "What comes is no video, or of a codec that edged does not read.",
        "Take the path of the video stream, and set the camera to H.264.",
    ),
    Trouble(
        "stream-untrusted", "camera NAME", "fail",
        "`camera NAME: lost: rtsps://...` (or https) with an input/output error.",
        "The camera's certificate is not signed by an authority that is trusted, or is another host's.",
        "Name its certificate as ca_file, and the camera in url as the certificate does.",
    ),
    Trouble(
        "stream-faulty", "camera NAME", "fail",
        "`camera NAME: lost: ... has an error of its own (5xx)`, `cut the connection`, `were damaged`.",
        "The camera answers, and fails: it boots, too many watch it, or the radio link is weak.",
        "Wait for it to boot, end other viewers, take its smaller stream, lay a cable.",
    ),
    Trouble(
        "stream-unusable", "camera NAME", "fail",
        "`camera NAME: lost: picture.crop leaves ... pixels`.",
        "The stream is there, and its picture does not fit what [cameras.NAME.picture] asks for.",
        "Correct crop and masks; `edged camera snapshot NAME --config FILE` shows the picture.",
    ),
    Trouble(
        "stream-crashes", "camera NAME", "fail",
        "`the vision process ended (signal ...)`, each time this camera is opened.",
        "The process that tried the stream died of it.",
        "Set the camera to H.264 and its smaller stream; please report it with the camera's model.",
    ),
)  # fmt: skip
