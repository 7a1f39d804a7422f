// Who a device says that it is, in the answer to `info` and in HELLO: from the block that the loader sealed.
#pragma once

#include <cstdint>
#include <string_view>

#include "boot/handoff.h"
#include "boot/slots.h"
#include "boot/version_text.h"
#include "protocol/cbor.h"
#include "protocol/report.h"

namespace edged::app {

// As boot::VersionText; empty for an image that is not there.
class VersionText {
 public:
  explicit VersionText(const boot::Handoff::Running& running)
      : text_(running.version), runs_(running.slot != boot::kNoSlot) {}
  [[nodiscard]] std::string_view text() const { return runs_ ? text_.text() : std::string_view(); }

 private:
  boot::VersionText text_;
  bool runs_;
};

struct Identity {
  protocol::Mode mode;
  const char* board;
  std::string_view engine;  // empty in a loader
  const boot::Handoff& handoff;
  const boot::Slots& slots;
  const boot::PublicKey& key;
};

[[nodiscard]] protocol::ImageState image_state(const Identity& identity, boot::Kind kind);
// The keys of `info` that a loader and an application share, into a map that is open.
void write_identity(const Identity& identity, protocol::SelfTest self_test, protocol::CborWriter& out);
// The texts are those of `identity` and of the two versions, which outlive the report.
[[nodiscard]] protocol::Hello hello(const Identity& identity, const VersionText& firmware, const VersionText& model);

}  // namespace edged::app
