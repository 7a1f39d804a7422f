// SPI 0 of SmartFusion2, as a master that is polled: one command out, what follows in.
#pragma once

#include "core/span.h"

namespace edged::ports {

class Spi {
 public:
  // Frames of one transfer are counted in 16 bits.
  static constexpr size_t kMaxTransfer = 0xFFFF;
  // Sends `command` and `data`, then receives into `answer`; the chip stays selected throughout.
  void transfer(Bytes command, Bytes data, MutableBytes answer);
};

}  // namespace edged::ports
