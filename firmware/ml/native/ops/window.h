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
  // Whether a position is one of the input.
  [[nodiscard]] bool holds(int32_t position) const { return position >= 0 && position < in; }
};

// false: the numbers are none of a window, or the output does not have the size that follows from them.
[[nodiscard]] bool make_axis(Padding padding, Axis& axis);

// Over an NHWC input.
struct Window {
  Axis height;
  Axis width;
  int32_t batches;
  uint32_t channels;  // of the input

  // Elements of the input in one batch.
  [[nodiscard]] size_t image() const { return size_t(height.in) * size_t(width.in) * channels; }
};

// Calls visit(image, y, x, to) for each pixel of the output, batch by batch; image: the batch's.
template <typename T, typename Visit>
void each_pixel(const Window& window, const T* image, T* to, uint32_t to_channels, Visit visit) {
  for (int32_t batch = 0; batch < window.batches; ++batch, image += window.image()) {
    for (int32_t y = 0; y < window.height.out; ++y) {
      for (int32_t x = 0; x < window.width.out; ++x, to += to_channels) visit(image, y, x, to);
    }
  }
}

// Takes all of the window but height and width of the filter and the dilations, which are in it already. Fields of
// options: of padding, stride_w, stride_h.
[[nodiscard]] Status prepare_window(Prepare& prepare, const TensorInfo& input, const TensorInfo& output,
                                    Window& window);

}  // namespace edged::ml::native
