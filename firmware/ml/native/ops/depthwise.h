// The inner loop of DEPTHWISE_CONV_2D: one output pixel. Its implementations, of which a build links one:
// depthwise_portable.cc and depthwise_dsp.cc, which share depthwise_by_four.h, and depthwise_mve.cc.
#pragma once

#include <cstdint>

#include "ml/native/ops/channels.h"

namespace edged::ml::native {

struct Depthwise {
  const int8_t* weights;  // taps x output channels
  Channels channels;
  uint32_t taps;
  uint32_t outputs;     // channels
  uint32_t multiplier;  // output channels of one input channel
};

// pixels: for each tap, the input's pixel under it. to: the output's pixel.
void multiply_taps(const Depthwise& depthwise, const int8_t* const* pixels, int8_t* to);

}  // namespace edged::ml::native
