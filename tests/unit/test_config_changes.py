"""What differs between two configurations is found, named, and all there is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edged.config.changes import Change, compare
from edged.config.schema import DeviceSettings, Settings, SinkSettings
from edged.infer.settings import ModelSettings
from edged.mqtt.settings import MqttSettings
from edged.ota.settings import OtaSettings
from edged.sources.settings import SyntheticSettings
from edged.store.settings import StoreSettings
from edged.tracking.settings import TrackerSettings
from edged.vision.settings import CameraSettings

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.sampled_from([Path("/x"), Path("/y")])

configurations = st.builds(
    Settings,
    device=st.builds(DeviceSettings, name=NAMES, fleet=NAMES, state_directory=PATHS),
    models=st.dictionaries(NAMES, st.builds(ModelSettings, bundle=NAMES, threads=st.none() | st.integers(1, 2))),
    cameras=st.dictionaries(
        NAMES,
        st.builds(
            CameraSettings, model=NAMES, synthetic=st.builds(SyntheticSettings, seed=st.integers(0, 1)), required=st.booleans()
        ),
    ),
    tracking=st.builds(TrackerSettings, max_tracks=st.integers(1, 2)),
    store=st.builds(StoreSettings, max_events=st.integers(100, 101)),
    mqtt=st.none() | st.builds(MqttSettings, host=NAMES, live=st.booleans()),
    ota=st.none() | st.builds(OtaSettings, channel=NAMES, allow_unsigned=st.booleans()),
    sinks=st.builds(SinkSettings, console=st.booleans(), jsonl=st.none() | PATHS),
)


def apply(old: Settings, new: Settings, changes: tuple[Change, ...]) -> Settings:
    """``old`` with nothing of ``new`` but what the changes name."""
    for change in changes:
        section, *entry = change.key
        value = getattr(new, section)
        if section == "device":
            value = dataclasses.replace(old.device, **{name: getattr(value, name) for name in entry})
        elif entry:
            value = {**getattr(old, section), entry[0]: value.get(entry[0])}
            value = {name: it for name, it in value.items() if it is not None}
        old = dataclasses.replace(old, **{section: value})
    return old


@given(configurations)
def test_equal_configurations_have_no_changes(settings: Settings) -> None:
    assert compare(settings, dataclasses.replace(settings)) == ()


@given(configurations, configurations)
def test_changes_are_all_that_leads_from_one_to_the_other(old: Settings, new: Settings) -> None:
    changes = compare(old, new)
    assert apply(old, new, changes) == new
    for left_out in changes:
        assert apply(old, new, tuple(change for change in changes if change is not left_out)) != new
    back = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(change.key, back[change.what]) for change in changes} == {(it.key, it.what) for it in compare(new, old)}
    assert any(change.needs_restart for change in changes) == (old.device != new.device)


def test_changes_read_as_the_keys_of_the_file() -> None:
    old = Settings(cameras={"door": CameraSettings(model="a"), "gate": CameraSettings(model="a")})
    new = Settings(
        device=dataclasses.replace(old.device, fleet="site"),
        models={"a": ModelSettings(bundle="x")},
        cameras={"door": CameraSettings(model="b"), "yard": CameraSettings(model="a")},
        mqtt=MqttSettings(host="broker"),
    )
    assert list(map(str, compare(old, new))) == [
        "device.fleet changed",
        "models.a added",
        "cameras.door changed",
        "cameras.gate removed",
        "cameras.yard added",
        "mqtt added",
    ]
