#include "boot/testing/device.h"

#include <algorithm>

namespace edged::boot::testing {

const Signer& device_signer() {
  static const Signer one;
  return one;
}

const Blob& device_image(Kind kind, uint8_t version) {
  static Blob made[kKinds][kNext + 1];
  Blob& one = made[static_cast<uint32_t>(kind)][version];
  if (one.empty()) {
    ImageSpec spec;
    spec.kind = kind;
    spec.version = {version, 0, 0, 0};
    spec.payload = Blob(300 + version * 7U, version);
    one = signed_image(spec, device_signer());
  }
  return one;
}

Device::Device(const Steps& steps) : steps_(steps) {
  for (const Kind kind : kAllKinds) board_.place(kind, 0, device_image(kind, kOld));
}

void Device::power_on() {
  board_.flash().restore();
  board_.power_off();
}

void Device::start(hal::ResetReason reason) {
  const std::optional<Decision> decision = steps_.start(board_, reason);
  if (!decision) return;
  if (decision->recovery != Recovery::kNone) return expected_.fail("no firmware started");
  for (const Kind kind : kAllKinds) judge(kind);
}

void Device::install(uint8_t version) {
  for (const Kind kind : kAllKinds) {
    if (!dead()) upload(kind, version);
  }
  ask(version);
}

void Device::upload(Kind kind, uint8_t version) {
  const Status status = steps_.upload(board_, kind, device_image(kind, version));
  if (dead()) return;  // perhaps before the trial of what lay there was forgotten
  if (!ok(status)) expected_.fail("an upload failed");
  expected_.asked[static_cast<uint32_t>(kind)] = 0;
}

void Device::ask(uint8_t version) {
  for (const Kind kind : kAllKinds) {
    if (!dead()) ask(kind, version);
  }
}

void Device::ask(Kind kind, uint8_t version) {
  const auto index = static_cast<uint32_t>(kind);
  expected_.asked[index] = version;
  expected_.tried[index] = false;
  const Status status = steps_.mark(board_, kind, other_slot(kind));
  if (!dead() && !ok(status)) expected_.fail("a trial was refused");
}

uint8_t Device::other_version(Kind kind) {
  Image found;
  return ok(board_.slots().inspect(kind, other_slot(kind), found)) ? found.version.major : 0;
}

void Device::confirm() {
  for (const Kind kind : kAllKinds) {
    if (on_trial(kind)) {
      expected_.maybe[static_cast<uint32_t>(kind)] = board_.handoff().of(kind).version.major;
    }
  }
  const Status status = board_.slots().confirm();
  if (dead()) return;
  if (!ok(status)) expected_.fail("a confirmation was refused");
  for (uint32_t i = 0; i < kKinds; ++i) {
    if (expected_.maybe[i] == 0) continue;
    expected_.kept[i] = expected_.maybe[i];
    expected_.maybe[i] = expected_.asked[i] = 0;
  }
}

void Device::judge(Kind kind) {
  const auto index = static_cast<uint32_t>(kind);
  const Handoff::Running& running = board_.handoff().of(kind);
  if (running.slot == kNoSlot) return expected_.fail("no model started");
  const Blob& whole = device_image(kind, running.version.major);
  const auto at = board_.memory().begin() + kMap.slot(kind, running.slot).address;
  if (!std::equal(whole.begin(), whole.end(), at)) expected_.fail("what started is not whole");
  const uint8_t version = running.version.major;
  if (running.standing == Standing::kTrial) {
    if (version != expected_.asked[index]) expected_.fail("a trial that nobody asked for");
    if (expected_.tried[index]) expected_.fail("a trial for the second time");
    expected_.tried[index] = true;
    return;
  }
  if (version == expected_.maybe[index]) {  // from now on it was confirmed
    expected_.kept[index] = version;
    expected_.maybe[index] = 0;
  }
  if (version != expected_.kept[index]) expected_.fail("something else than what was confirmed");
  expected_.maybe[index] = 0;
}

}  // namespace edged::boot::testing
