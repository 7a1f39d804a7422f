// What CONV_2D and DEPTHWISE_CONV_2D ask of their operands alike.
#pragma once

#include "ml/native/ops/channels.h"
#include "ml/native/ops/window.h"

namespace edged::ml::native {

struct ConvolutionLayout {
  uint32_t activation;         // field of the options; the dilations are the next two
  uint32_t channel_dimension;  // of the weights: that of the output's channels
};

// Takes the window, and checks what check_channels() does. Height and width of the filter are dimensions 1 and 2 of the
// weights.
[[nodiscard]] Status prepare_convolution(Prepare& prepare, const Operands& operands, const ConvolutionLayout& layout,
                                         Window& window);

}  // namespace edged::ml::native
