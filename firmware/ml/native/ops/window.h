// How a window of a filter or a pool walks over the height or the width of its input.
#pragma once

#include <cstdint>

#include "ml/native/op.h"

namespace edged::ml::native {

// Strides, dilations, filters, and what a dilated filter reaches over: beyond this they are no network's. Positions
// stay far from overflow in 32 bits.
inline constexpr int32_t kMaxWindow = 1 << 16;

struct Axis {
  int32_t in;
  int32_t out;
  int32_t filter;
  int32_t stride;
  int32_t dilation;
  int32_t pad;  // before the first element

  // Position in the input of the first tap of an output; may be negative.
  [[nodiscard]] int32_t start(int32_t output) const { return output * stride - pad; }
  // Whether no tap of any output lies outside of the input.
  [[nodiscard]] bool inside() const { return pad == 0 && (out - 1) * stride + (filter - 1) * dilation < in; }
};

// false: the numbers are none of a window, or the output does not have the size that follows from them.
[[nodiscard]] bool make_axis(Padding padding, Axis& axis);

struct Window {
  Axis height;
  Axis width;
};

// Takes both axes of an NHWC operator. Fields of options: of padding, stride_w, stride_h; height and width of the
// filter and the dilations are in `window` already.
[[nodiscard]] Status prepare_window(Prepare& prepare, const TensorInfo& input, const TensorInfo& output,
                                    Window& window);

}  // namespace edged::ml::native
