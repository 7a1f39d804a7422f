// SMP's group 0: echo, the parameters of the server, and a reset.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "protocol/cbor.h"
#include "protocol/smp_frame.h"
#include "protocol/smp_server.h"

namespace edged::protocol {

// What a client may put into one packet: the message with its length and checksum, as SMP counts it.
inline constexpr uint32_t kBufferSize = kMaxMessage + 4;

// A reset is only noted: whoever owns the loop carries it out once the answer has left.
class OsGroup final : public SmpGroup {
 public:
  enum class Reset : uint8_t { kNone, kStart, kStayInLoader };

  [[nodiscard]] uint16_t id() const override { return 0; }
  Status handle(const SmpHeader& header, CborReader& body, CborWriter& out) override;
  [[nodiscard]] uint16_t error(Status status) const override;

  [[nodiscard]] Reset reset_wanted() const { return reset_; }

 private:
  Status reset(const CborReader& body);

  Reset reset_ = Reset::kNone;
};

}  // namespace edged::protocol
