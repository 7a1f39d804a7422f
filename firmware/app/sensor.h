// What a board infers from when nobody injects an input: a camera, a microphone, an accelerometer.
#pragma once

#include "core/result.h"
#include "ml/engine.h"

namespace edged::app {

class Sensor {
 public:
  // Fills the model's first input with the newest measurement, in the model's own type and quantisation. It returns
  // within the watchdog's time. kUnsupported: not what this sensor can fill.
  [[nodiscard]] virtual Status fill(const ml::Tensor& input) = 0;

 protected:
  ~Sensor() = default;
};

}  // namespace edged::app
