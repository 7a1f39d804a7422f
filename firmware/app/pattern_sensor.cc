#include "app/pattern_sensor.h"

namespace edged::app {

Status PatternSensor::fill(const ml::Tensor& input) {
  if (input.type != ml::Type::kInt8 && input.type != ml::Type::kUint8 && input.type != ml::Type::kInt16) {
    return Status::kUnsupported;
  }
  const uint32_t start = frame_ * 40503u + 1;
  for (uint32_t i = 0; i < input.bytes; ++i) input.data[i] = static_cast<uint8_t>((start + i) * 2654435761u >> 24);
  ++frame_;
  return Status::kOk;
}

}  // namespace edged::app
