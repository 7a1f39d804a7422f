#include "ml/native/ops/convolution.h"

namespace edged::ml::native {

Status prepare_convolution(Prepare& prepare, const Operands& operands, const ConvolutionLayout& layout,
                           Window& window) {
  const TensorInfo& weights = operands.weights;
  if (weights.rank != 4) return prepare.refuse("the weights do not have four dimensions", Status::kMalformed);
  window.height.filter = weights.dims[1];
  window.width.filter = weights.dims[2];
  window.width.dilation = prepare.options().scalar<int32_t>(layout.activation + 1, 1);
  window.height.dilation = prepare.options().scalar<int32_t>(layout.activation + 2, 1);
  if (const Status status = prepare_window(prepare, operands.input, operands.output, window); !ok(status)) {
    return status;
  }
  const auto channels = static_cast<uint32_t>(weights.dims[layout.channel_dimension]);
  prepare.work(uint64_t{operands.output.elements} * (weights.elements / channels));
  return check_channels(prepare, operands, layout.channel_dimension);
}

}  // namespace edged::ml::native
