#include "ml/native/ops/window.h"

namespace edged::ml::native {
namespace {

// The same three come first in the options of convolutions and pools.
namespace option {
enum : uint32_t { kPadding = 0, kStrideWidth = 1, kStrideHeight = 2 };
}

bool is_window(int32_t value) { return value >= 1 && value <= kMaxWindow; }

}  // namespace

bool make_axis(Padding padding, Axis& axis) {
  if (!is_window(axis.filter) || !is_window(axis.stride) || !is_window(axis.dilation)) return false;
  const int64_t reach = int64_t{axis.filter - 1} * axis.dilation + 1;
  if (reach > kMaxWindow) return false;
  const int64_t out = padding == Padding::kSame ? (int64_t{axis.in} + axis.stride - 1) / axis.stride
                                                : (int64_t{axis.in} + axis.stride - reach) / axis.stride;
  if (out != axis.out || (padding == Padding::kValid && reach > axis.in)) return false;
  const int64_t missing = (out - 1) * axis.stride + reach - axis.in;
  axis.pad = padding == Padding::kSame && missing > 0 ? static_cast<int32_t>(missing / 2) : 0;
  return true;
}

Status prepare_window(Prepare& prepare, const TensorInfo& input, const TensorInfo& output, Window& window) {
  const Table& options = prepare.options();
  const auto padding = options.scalar<Padding>(option::kPadding, Padding::kSame);
  if (padding != Padding::kSame && padding != Padding::kValid) return prepare.refuse("the padding is not supported");
  if (input.rank != 4 || output.rank != 4 || input.dims[0] != output.dims[0]) {
    return prepare.refuse("input and output do not have four dimensions and the same batch", Status::kMalformed);
  }
  window.height.in = input.dims[1];
  window.height.out = output.dims[1];
  window.height.stride = options.scalar<int32_t>(option::kStrideHeight, 0);
  window.width.in = input.dims[2];
  window.width.out = output.dims[2];
  window.width.stride = options.scalar<int32_t>(option::kStrideWidth, 0);
  if (!make_axis(padding, window.height) || !make_axis(padding, window.width)) {
    return prepare.refuse("stride, padding and filter do not give the output's shape", Status::kMalformed);
  }
  window.batches = input.dims[0];
  window.channels = static_cast<uint32_t>(input.dims[3]);
  return Status::kOk;
}

}  // namespace edged::ml::native
