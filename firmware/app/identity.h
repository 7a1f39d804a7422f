// Who a device says that it is, in the answer to `info` and in HELLO: from the block that the loader sealed.
#pragma once

#include <cstdint>
#include <string_view>

#include "boot/handoff.h"
#include "boot/slots.h"
#include "protocol/cbor.h"
#include "protocol/report.h"

namespace edged::app {

// "1.2.3", or "1.2.3.4" with a build number; empty for an image that is not there.
class VersionText {
 public:
  explicit VersionText(const boot::Handoff::Running& running);
  [[nodiscard]] std::string_view text() const { return {text_, size_}; }

 private:
  static constexpr size_t kLongest = 3 + 1 + 3 + 1 + 5 + 1 + 10;
  void number(uint32_t value);

  char text_[kLongest];
  size_t size_ = 0;
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
