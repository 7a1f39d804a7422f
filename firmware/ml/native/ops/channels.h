// How the sums of an int8 convolution become int8 values: bias, multiplier and activation of each output channel.
#pragma once

#include <cstdint>

#include "ml/native/op.h"

namespace edged::ml::native {

// sum(w * (x - zero point)) is sum(w * x) - zero point * sum(w): the second part is in the bias, once for all. What
// lies outside of the input then has to count as the zero point.
struct Channels {
  int32_t* bias;       // folded
  int32_t* fractions;  // Multiplier in two arrays, since a shift needs no word
  int8_t* shifts;
  int32_t zero_point;  // of the output
  Range range;
  bool plain;  // all multipliers are below one half, and the range is that of int8

  [[nodiscard]] int8_t finish(uint32_t sum, uint32_t channel) const {
    const auto biased = static_cast<int32_t>(sum + static_cast<uint32_t>(bias[channel]));
    return static_cast<int8_t>(requantize(biased, {fractions[channel], shifts[channel]}, zero_point, range));
  }
  // Those from this one on.
  [[nodiscard]] Channels from(uint32_t channel) const {
    return {bias + channel, fractions + channel, shifts + channel, zero_point, range, plain};
  }
};

// What becomes of a sum of float32; bias: nullptr if there is none.
inline float finish(float sum, const float* bias, uint32_t channel, FloatRange range) {
  return clamp(sum + (bias == nullptr ? 0.0f : bias[channel]), range);
}

struct Operands {
  TensorInfo input;
  TensorInfo weights;
  TensorInfo bias;  // may be absent
  TensorInfo output;

  // int8 with an int32 bias, or all float32.
  [[nodiscard]] bool are(Type type) const;
};
// Inputs 0 to 2 and output 0.
[[nodiscard]] Operands read_operands(const Prepare& prepare);

// Whether `dimension` of the weights is that of the output's channels, which bias and scales go along, and the types
// are of one kind.
[[nodiscard]] Status check_channels(Prepare& prepare, const Operands& operands, uint32_t dimension);

// How weights lie: [channel][tap] in a convolution, [tap][channel] in a depthwise one.
struct WeightLayout {
  uint32_t channels;
  uint32_t taps;
  uint32_t channel_step;
  uint32_t tap_step;
};

// Checks scales and constants, and takes the memory. Where there is none, nothing is computed, and all is well: what
// the operator asks for next will not be granted either.
[[nodiscard]] Status prepare_channels(Prepare& prepare, const Operands& operands, const WeightLayout& layout,
                                      Activation activation, Channels& channels);

}  // namespace edged::ml::native
