// An SPI line with one chip on it, as its driver needs it.
#pragma once

#include "core/result.h"
#include "core/span.h"

namespace edged::ports {

class SpiBus {
 public:
  static constexpr size_t kMaxTransfer = 0xFFFF;  // bytes of one transfer together: the controller counts 16 bits
  // Sends `command` and `data`, then receives into `answer`; the chip stays selected throughout. kFlashFailed if the
  // controller is stuck.
  [[nodiscard]] virtual Status transfer(Bytes command, Bytes data, MutableBytes answer) = 0;

 protected:
  ~SpiBus() = default;
};

}  // namespace edged::ports
