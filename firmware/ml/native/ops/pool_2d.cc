// AVERAGE_POOL_2D and MAX_POOL_2D: int8 and float32. What lies outside of the input does not count.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "ml/native/ops/ops.h"
#include "ml/native/ops/window.h"

namespace edged::ml::native {
namespace {

namespace option {
enum : uint32_t { kFilterWidth = 3, kFilterHeight = 4, kActivation = 5 };
}

// So that the sum of that many int8 values, and half their number, fits 32 bits.
constexpr int64_t kMaxPooled = 1 << 23;

struct Params {
  Window window;
  int32_t batches;
  uint32_t channels;
  Range range;
  FloatRange float_range;

  [[nodiscard]] int8_t limit(int32_t value) const { return static_cast<int8_t>(clamp(value, range)); }
  [[nodiscard]] float limit(float value) const { return clamp(value, float_range); }
};

// The part of a window that lies in the input: [low, high).
struct Part {
  int32_t low;
  int32_t high;
};

Part part(const Axis& axis, int32_t output) {
  const int32_t start = axis.start(output);
  return {std::max(start, int32_t{0}), std::min(start + axis.filter, axis.in)};
}

// image: at the channel. The mean of integers is rounded to nearest, ties away from zero.
template <typename T>
T mean(const Params& params, const T* image, Part rows, Part columns) {
  using Sum = std::conditional_t<std::is_same_v<T, float>, float, int32_t>;
  Sum sum = 0;
  for (int32_t y = rows.low; y < rows.high; ++y) {
    const T* pixel = image + (size_t(y) * size_t(params.window.width.in) + size_t(columns.low)) * params.channels;
    for (int32_t x = columns.low; x < columns.high; ++x, pixel += params.channels) sum += *pixel;
  }
  const int32_t count = (rows.high - rows.low) * (columns.high - columns.low);
  if constexpr (std::is_same_v<T, float>) {
    return params.limit(sum / static_cast<float>(count));
  } else {
    return params.limit((sum > 0 ? sum + count / 2 : sum - count / 2) / count);
  }
}

template <typename T>
T largest(const Params& params, const T* image, Part rows, Part columns) {
  T most = std::numeric_limits<T>::lowest();
  for (int32_t y = rows.low; y < rows.high; ++y) {
    const T* pixel = image + (size_t(y) * size_t(params.window.width.in) + size_t(columns.low)) * params.channels;
    for (int32_t x = columns.low; x < columns.high; ++x, pixel += params.channels) most = std::max(most, *pixel);
  }
  using Wide = std::conditional_t<std::is_same_v<T, float>, float, int32_t>;
  return params.limit(Wide{most});
}

template <typename T, T (*pool)(const Params&, const T*, Part, Part)>
Status evaluate(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  const T* image = evaluation.input<T>(0);
  T* to = evaluation.output<T>(0);
  const size_t in = size_t(params.window.height.in) * size_t(params.window.width.in) * params.channels;
  for (int32_t batch = 0; batch < params.batches; ++batch, image += in) {
    for (int32_t y = 0; y < params.window.height.out; ++y) {
      const Part rows = part(params.window.height, y);
      for (int32_t x = 0; x < params.window.width.out; ++x) {
        const Part columns = part(params.window.width, x);
        for (uint32_t c = 0; c < params.channels; ++c) *to++ = pool(params, image + c, rows, columns);
      }
    }
  }
  return Status::kOk;
}

Status prepare(Prepare& prepare) {
  const TensorInfo input = prepare.input(0);
  const TensorInfo output = prepare.output(0);
  Window window = {};
  window.height.filter = prepare.options().scalar<int32_t>(option::kFilterHeight, 0);
  window.width.filter = prepare.options().scalar<int32_t>(option::kFilterWidth, 0);
  window.height.dilation = window.width.dilation = 1;
  const Status status = prepare_window(prepare, input, output, window);
  if (!ok(status)) return status;
  if (input.type != output.type || input.dims[3] != output.dims[3]) {
    return prepare.refuse("input and output do not have the same type and channels", Status::kMalformed);
  }
  const int64_t pooled =
      int64_t{std::min(window.height.filter, window.height.in)} * std::min(window.width.filter, window.width.in);
  if (pooled > kMaxPooled) return prepare.refuse("the window is too large", Status::kTooLarge);
  const bool average = prepare.code() == OpCode::kAveragePool2d;
  prepare.work(uint64_t{output.elements} * static_cast<uint64_t>(pooled) * 4);  // addresses cost as much as values
  Params params = {window, input.dims[0], static_cast<uint32_t>(input.dims[3]), {}, {}};
  const auto activation = prepare.options().scalar<Activation>(option::kActivation, Activation::kNone);
  if (input.type == Type::kFloat32) {
    if (!activation_range(activation, params.float_range)) return prepare.refuse("the activation is not supported");
    return prepare.evaluate_with(average ? evaluate<float, mean> : evaluate<float, largest>, params);
  }
  if (input.type != Type::kInt8) return prepare.refuse("the type is not supported: int8 or float32");
  if (!output.quantized() ||
      !activation_range(activation, output.type, output.scale(), output.zero_point(), params.range)) {
    return prepare.refuse("no scale, or an activation that is not supported");
  }
  return prepare.evaluate_with(average ? evaluate<int8_t, mean> : evaluate<int8_t, largest>, params);
}

}  // namespace

constexpr uint8_t kPool2dOptions = 5;
const Operator kAveragePool2d = {OpCode::kAveragePool2d, kPool2dOptions, 1, 1, 1, 1, prepare};
const Operator kMaxPool2d = {OpCode::kMaxPool2d, kPool2dOptions, 1, 1, 1, 1, prepare};

}  // namespace edged::ml::native
