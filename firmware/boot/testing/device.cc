#include "boot/testing/device.h"

#include <algorithm>

namespace edged::boot::testing {
namespace {

constexpr uint32_t kMajorOffset = 20;  // of the major version in an image

}  // namespace

Device::Device(const Steps& steps) : steps_(steps) {
  for (const Kind kind : kAllKinds) board_.place(kind, 0, device_image(kind, kOld));
}

const std::string& Device::broken() const {
  const std::string& first = expected(Kind::kFirmware).broken();
  return first.empty() ? expected(Kind::kModel).broken() : first;
}

bool Device::holds(Kind kind, uint8_t slot, const Blob& image) {
  return std::equal(image.begin(), image.end(), board_.memory().begin() + kMap.slot(kind, slot).address);
}

Content Device::content(Kind kind) {
  Content found;
  for (uint8_t slot = 0; slot < kSlots; ++slot) {
    const uint8_t version = board_.memory()[kMap.slot(kind, slot).address + kMajorOffset];
    if (version < kOld || version > kLatest) continue;
    if (holds(kind, slot, device_image(kind, version))) found.slot[slot] = version;
  }
  return found;
}

uint8_t Device::other_slot(Kind kind) const {
  return running(kind) == kNoSlot ? uint8_t{0} : static_cast<uint8_t>(1 - running(kind));
}

void Device::power_on() {
  board_.flash().restore();
  board_.power_off();
  for (Expectation& one : expected_) one.power_lost();
}

void Device::start(hal::ResetReason reason) {
  const Decision decision = board_.start(reason);
  if (dead()) {  // before the jump
    for (const Kind kind : kAllKinds) expected(kind).start_cut(content(kind));
    return;
  }
  if (decision.recovery == Recovery::kNone) {
    for (const Kind kind : kAllKinds) expected(kind).started(content(kind), board_.handoff().of(kind));
    return judge_copy_of_model();
  }
  Handoff::Running nothing{};
  nothing.slot = kNoSlot;
  expected(Kind::kFirmware).started(content(Kind::kFirmware), nothing);
  expected(Kind::kModel).passed_over(content(Kind::kModel));
}

// The application reads the model where the loader has copied it to.
void Device::judge_copy_of_model() {
  const Handoff::Running& model = board_.handoff().of(Kind::kModel);
  if (model.slot == kNoSlot || !broken().empty()) return;
  const Blob& image = device_image(Kind::kModel, model.version.major);
  const auto* copy = reinterpret_cast<const uint8_t*>(static_cast<uintptr_t>(board_.handoff().model_address));
  if (!std::equal(copy, copy + board_.handoff().model_size, image.begin() + kHeaderSize)) {
    expected(Kind::kModel).fail("what was copied is not the model");
  }
}

void Device::install(uint8_t version) {
  for (const Kind kind : kAllKinds) {
    if (!dead()) upload(kind, version);
  }
  ask();
}

void Device::upload(Kind kind, uint8_t version) { send(kind, version, device_image(kind, version)); }
void Device::upload_wrong(Kind kind, const Blob& image) { send(kind, 0, image); }

void Device::send(Kind kind, uint8_t version, const Blob& image) {
  Expectation& expectation = expected(kind);
  const Content before = content(kind);
  const Answer answer = expectation.upload(before, version);
  const bool held[kSlots] = {holds(kind, 0, image), holds(kind, 1, image)};
  const Status status = steps_.upload(board_, kind, image);
  if (!expectation.survives(before, content(kind))) expectation.fail("an upload went over what is kept for it");
  if (dead()) return expectation.upload_failed();  // perhaps before the trial of what lay there was forgotten
  expectation.answered("an upload", answer, ok(status));
  if (ok(status)) return expectation.uploaded(content(kind));
  for (uint8_t slot = 0; slot < kSlots; ++slot) {
    if (!held[slot] && holds(kind, slot, image)) expectation.fail("what was refused stays");
  }
  expectation.upload_failed();
}

void Device::ask() {
  for (const Kind kind : kAllKinds) {
    if (!dead() && running(kind) != kNoSlot) ask(kind, other_slot(kind));
  }
}

void Device::ask(Kind kind, uint8_t slot) {
  Expectation& expectation = expected(kind);
  const Answer answer = expectation.ask(content(kind), slot);
  const Status status = board_.slots().mark_for_test(kind, slot);
  if (dead()) return;
  expectation.answered("a trial", answer, ok(status));
  if (ok(status)) expectation.accepted();
}

void Device::confirm() {
  bool may = running(Kind::kFirmware) != kNoSlot;
  for (const Kind kind : kAllKinds) may = may && expected(kind).confirmable(content(kind));
  for (const Kind kind : kAllKinds) {
    if (may) expected(kind).confirming();
  }
  const Status status = board_.slots().confirm();
  if (dead()) return;
  for (const Kind kind : kAllKinds) {
    expected(kind).answered("a confirmation", may ? Answer::kYes : Answer::kNo, ok(status));
    if (may) {
      expected(kind).confirmed();
    } else if (on_trial(kind) != board_.slots().on_trial(kind)) {
      expected(kind).fail("a confirmation that was refused took effect");
    }
  }
}

void Device::must_run(uint8_t version) {
  for (const Kind kind : kAllKinds) {
    const bool runs = running(kind) != kNoSlot && content(kind).slot[running(kind)] == version && !on_trial(kind);
    if (!runs) expected(kind).fail("an upgrade did not go through");
  }
}

void Device::decay(Kind kind, uint8_t slot, uint32_t bit) {
  uint8_t& byte = board_.memory()[kMap.slot(kind, slot).address + bit / 8];
  byte = static_cast<uint8_t>(byte ^ 1U << bit % 8);
}

}  // namespace edged::boot::testing
