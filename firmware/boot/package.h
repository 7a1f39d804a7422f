// The payload of a model image: the .tflite with the golden vectors that show a device computes it rightly.
//
//   "EDMP" | version u16 = 1 | vectors u16 | model offset u32 | model size u32
//   for each vector: input size u32 | output size u32 | tolerance u8 | 0 0 0 | input | output
//   zeros up to a multiple of kModelOffsetUnit | .tflite to the end
//
// Little endian. Input and output hold all tensors of the model in their order, each filled up with zeros to a multiple
// of 4 bytes; the sizes count that. edged/mcu/package.py builds it.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/span.h"

namespace edged::boot {

struct GoldenVector {
  Bytes input;
  Bytes output;
  uint8_t tolerance = 0;  // by how much each element of the output may differ
};

// Where the .tflite begins is a multiple of this, as its writer aligned its buffers.
inline constexpr uint32_t kModelOffsetUnit = 16;

// A view; the bytes outlive it.
class Package {
 public:
  // Checks all of it. kTruncated, kMalformed, or kUnsupported for another version.
  [[nodiscard]] static Status open(Bytes payload, Package& package);

  [[nodiscard]] Bytes model() const { return model_; }
  [[nodiscard]] uint32_t vectors() const { return count_; }
  [[nodiscard]] GoldenVector vector(uint32_t index) const;  // index < vectors()

 private:
  Bytes vectors_;
  Bytes model_;
  uint32_t count_ = 0;
};

}  // namespace edged::boot
