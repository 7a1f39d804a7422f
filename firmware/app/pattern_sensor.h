// A sensor of boards that have none: frame n is the same on every board and at every start.
#pragma once

#include <cstdint>

#include "app/sensor.h"

namespace edged::app {

class PatternSensor final : public Sensor {
 public:
  // Byte i of frame n is the top byte of (n * 40503 + i + 1) * 2654435761 (Knuth's multiplicative hash), modulo 2^32.
  // Any bytes are a valid tensor of whole numbers; kUnsupported for others.
  [[nodiscard]] Status fill(const ml::Tensor& input) override;

 private:
  uint32_t frame_ = 0;
};

}  // namespace edged::app
