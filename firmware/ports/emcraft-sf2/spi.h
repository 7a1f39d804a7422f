// SPI 0 of SmartFusion2, as a master that is polled: one command out, what follows in.
#pragma once

#include "ports/emcraft-sf2/spi_bus.h"

namespace edged::ports {

class Spi final : public SpiBus {
 public:
  [[nodiscard]] Status transfer(Bytes command, Bytes data, MutableBytes answer) override;
};

}  // namespace edged::ports
