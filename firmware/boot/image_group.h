// SMP's group 1: which images there are, which is tried, what is kept, and uploads. For loader and application alike.
// https://docs.zephyrproject.org/latest/services/device_mgmt/smp_groups/smp_group_1.html
#pragma once

#include <cstdint>

#include "boot/slots.h"
#include "boot/upload.h"
#include "protocol/smp_server.h"

namespace edged::boot {

// Who knows whether what runs has shown that it works.
class Judge {
 public:
  // kOk, or why what runs is not to be kept: kSelfTest after a failed one, kWrongState before it has run.
  [[nodiscard]] virtual Status may_confirm() = 0;

 protected:
  ~Judge() = default;
};

class ImageGroup final : public protocol::SmpGroup {
 public:
  // Without a judge nothing runs that could be confirmed: the loader.
  explicit ImageGroup(Slots& slots, Judge* judge = nullptr) : slots_(slots), judge_(judge), upload_(slots) {}

  [[nodiscard]] uint16_t id() const override { return 1; }
  Status handle(const protocol::SmpHeader& header, protocol::CborReader& body, protocol::CborWriter& out) override;
  // Numbers of this group, as smpclient and mcumgr name them; no two states that a host would answer differently share
  // one.
  [[nodiscard]] uint16_t error(Status status) const override;

 private:
  Status read_state(protocol::CborWriter& out);
  Status write_state(const protocol::CborReader& body, protocol::CborWriter& out);
  Status upload(const protocol::CborReader& body, protocol::CborWriter& out);
  Status erase(const protocol::CborReader& body);
  Status confirm();
  Status find(Bytes hash, Kind& kind, uint8_t& slot);
  void put(protocol::CborWriter& out, Kind kind, uint8_t slot, const Image& image);

  Slots& slots_;
  Judge* judge_;
  Upload upload_;
};

}  // namespace edged::boot
