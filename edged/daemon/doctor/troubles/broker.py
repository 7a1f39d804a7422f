"""Troubles of the broker: a row for each ``BrokerFault``, and the right to publish."""

from __future__ import annotations

from edged.daemon.doctor.troubles.trouble import Trouble

BROKER = (
    Trouble(
        "broker-host-unknown", "broker", "fail",
        "`broker ...: Name or service not known`.",
        "No name server knows the broker's name.",
        "Check the name, or write the broker's address; names in .local need avahi on both machines.",
    ),
    Trouble(
        "broker-unreachable", "broker", "fail",
        "`broker ...: Network is unreachable`.",
        "This machine has no way to the broker's network.",
        "Is this machine's cable or Wi-Fi up? `ip route` tells. Events wait in the store meanwhile.",
    ),
    Trouble(
        "broker-silent", "broker", "fail",
        "`broker ...: no answer from the network`.",
        "Nothing answers at that address: the machine is off, or a firewall swallows what is sent.",
        "Is the broker's machine on, the address right, the port open in its firewall?",
    ),
    Trouble(
        "broker-connection-refused", "broker", "fail",
        "`broker ...: nothing listens there`.",
        "The machine is there, and no broker at that port.",
        "Start the broker. Mosquitto listens to its own machine alone until it has a `listener` line.",
    ),
    Trouble(
        "broker-no-answer", "broker", "fail",
        "`broker ... does not answer CONNECT`, or closes the connection.",
        "Something listens there that does not speak MQTT with us: another service, or a broker that wants TLS or a certificate.",
        "Correct the port (1883, or 8883 with TLS), and set [mqtt.tls] if the broker speaks TLS.",
    ),
    Trouble(
        "broker-refused", "broker", "fail",
        "`broker ... refuses the connection:` and a reason.",
        "The broker is there, and says no for a reason of its own.",
        "Do as the reason says; the broker's log has more.",
    ),
    Trouble(
        "broker-login-refused", "broker", "fail",
        "`broker ... refuses the connection: Not authorized`, or `Bad user name or password`.",
        "User name or password are wrong, or missing.",
        "Set username and password_file in [mqtt]; in Home Assistant it is the account of a user made for this device.",
    ),
    Trouble(
        "broker-protocol-refused", "broker", "fail",
        "`broker ... refuses the connection: Unsupported protocol version`.",
        "The broker does not speak the version of MQTT that is demanded.",
        'Leave protocol out, or set it to "auto".',
    ),
    Trouble(
        "broker-untrusted", "broker", "fail",
        "`broker ...: its certificate is not trusted: self-signed certificate in certificate chain`.",
        "The broker's certificate was signed by another authority than those that are trusted.",
        "Name the authority's certificate as ca_file in [mqtt.tls].",
    ),
    Trouble(
        "broker-certificate-expired", "broker", "fail",
        "`broker ...: its certificate is not trusted: certificate has expired` (or `is not yet valid`).",
        "The broker's certificate is too old, or this machine's clock is wrong.",
        "Renew the broker's certificate; if it is not old, set the clock of this machine.",
    ),
    Trouble(
        "broker-other-name", "broker", "fail",
        "`broker ...: its certificate is not trusted: Hostname mismatch` (or `IP address mismatch`).",
        "The certificate is made out to another name than the one that is written as host.",
        "Write host as the certificate has it, or have one made for this name.",
    ),
    Trouble(
        "broker-no-tls", "broker", "fail",
        "`broker ...: TLS: WRONG_VERSION_NUMBER`, or it hangs up during the TLS handshake.",
        "TLS is configured, and that port does not speak it.",
        "Use the broker's port for TLS, usually 8883, or take [mqtt.tls] out.",
    ),
    Trouble(
        "broker-publish-refused", "broker", "fail",
        "`edged tail` shows nothing; `the broker refuses` in edged's log.",
        "The broker lets us in, and does not let us publish.",
        "Allow this user to write to the topics edged/v1/FLEET/DEVICE/# in the broker's access control list.",
    ),
    Trouble(
        "broker-lost", "broker", "fail",
        "`the connection to ... is lost`, again and again.",
        "The broker took us and then ended the connection.",
        "The broker's log says why; if two devices have the same name, they throw each other out: set name in [device].",
    ),
)  # fmt: skip
