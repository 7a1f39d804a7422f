#include "app/identity.h"

#include <cstring>

namespace edged::app {
namespace {

const char* word(protocol::ImageState state) {
  switch (state) {
    case protocol::ImageState::kTrial:
      return "trial";
    case protocol::ImageState::kConfirmed:
      return "confirmed";
    case protocol::ImageState::kNone:
      break;
  }
  return "none";
}

const char* word(protocol::SelfTest test) {
  switch (test) {
    case protocol::SelfTest::kPassed:
      return "passed";
    case protocol::SelfTest::kFailed:
      return "failed";
    case protocol::SelfTest::kNone:
      return "none";
    case protocol::SelfTest::kNotRun:
      break;
  }
  return "not run";
}

}  // namespace

// A trial ends with its confirmation, which the journal knows of and the block of the loader does not.
protocol::ImageState image_state(const Identity& identity, boot::Kind kind) {
  if (identity.handoff.of(kind).slot == boot::kNoSlot) return protocol::ImageState::kNone;
  return identity.slots.on_trial(kind) ? protocol::ImageState::kTrial : protocol::ImageState::kConfirmed;
}

void write_identity(const Identity& identity, protocol::SelfTest self_test, protocol::CborWriter& out) {
  const boot::Handoff& handoff = identity.handoff;
  const boot::Handoff::Running& firmware = handoff.of(boot::Kind::kFirmware);
  const boot::Handoff::Running& model = handoff.of(boot::Kind::kModel);
  const boot::State& state = identity.slots.state();
  out.key("mode").put_text(identity.mode == protocol::Mode::kLoader ? "loader" : "app");
  out.key("board").put_text(identity.board);
  out.key("version").put_text(VersionText(firmware).text());
  out.key("hash").put_bytes(firmware.hash);
  out.key("engine").put_text(identity.engine);
  out.key("state").put_text(word(image_state(identity, boot::Kind::kFirmware)));
  out.key("model").begin_map();
  out.key("name").put_text(model.name);
  out.key("version").put_text(VersionText(model).text());
  out.key("hash").put_bytes(model.hash);
  out.key("state").put_text(word(image_state(identity, boot::Kind::kModel)));
  out.end();
  out.key("self_test").put_text(word(self_test));
  out.key("key").put_bytes(Bytes(identity.key.hash).first(protocol::kShortHash));
  out.key("counter").begin_map();
  out.key("firmware").put_uint(state.of(boot::Kind::kFirmware).floor);
  out.key("model").put_uint(state.of(boot::Kind::kModel).floor);
  out.end();
  out.key("reset_reason").put_uint(static_cast<uint8_t>(handoff.reset_reason));
  out.key("boots").put_uint(handoff.boots);
  out.key("slot_size").begin_map();
  out.key("firmware").put_uint(identity.slots.region(boot::Kind::kFirmware, 0).size);
  out.key("model").put_uint(identity.slots.region(boot::Kind::kModel, 0).size);
  out.end();
}

protocol::Hello hello(const Identity& identity, const VersionText& firmware, const VersionText& model) {
  const boot::Handoff& handoff = identity.handoff;
  protocol::Hello report;
  report.mode = identity.mode;
  report.board = identity.board;
  report.fw_version = firmware.text();
  report.engine = identity.engine;
  std::memcpy(report.fw_hash, handoff.of(boot::Kind::kFirmware).hash, protocol::kShortHash);
  report.model_version = model.text();
  report.model_name = handoff.of(boot::Kind::kModel).name;
  std::memcpy(report.model_hash, handoff.of(boot::Kind::kModel).hash, protocol::kShortHash);
  report.reset_reason = static_cast<uint8_t>(handoff.reset_reason);
  report.boots = handoff.boots;
  return report;
}

}  // namespace edged::app
