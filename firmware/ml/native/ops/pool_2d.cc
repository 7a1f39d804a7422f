// AVERAGE_POOL_2D and MAX_POOL_2D: int8 and float32. What lies outside of the input does not count.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "ml/native/ops/checks.h"
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

// What values are summed up or compared in.
template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, float>, float, int32_t>;

// Calls visit(value) for each value of one channel; image: at the channel.
template <typename T, typename Visit>
void each_value(const Window& window, const T* image, Part rows, Part columns, const Visit& visit) {
  for (int32_t y = rows.low; y < rows.high; ++y) {
    const T* pixel = image + (size_t(y) * size_t(window.width.in) + size_t(columns.low)) * window.channels;
    for (int32_t x = columns.low; x < columns.high; ++x, pixel += window.channels) visit(Wide<T>{*pixel});
  }
}

// The mean of integers is rounded to nearest, ties away from zero.
template <typename T>
Wide<T> mean(const Window& window, const T* image, Part rows, Part columns) {
  Wide<T> sum = 0;
  each_value(window, image, rows, columns, [&sum](Wide<T> value) { sum += value; });
  const int32_t count = (rows.high - rows.low) * (columns.high - columns.low);
  if constexpr (std::is_same_v<T, float>) {
    return sum / static_cast<float>(count);
  } else {
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
  }
}

template <typename T>
Wide<T> largest(const Window& window, const T* image, Part rows, Part columns) {
  Wide<T> most = std::numeric_limits<T>::lowest();
  each_value(window, image, rows, columns, [&most](Wide<T> value) { most = std::max(most, value); });
  return most;
}

template <typename T, Wide<T> (*pool)(const Window&, const T*, Part, Part)>
Status evaluate(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  const uint32_t channels = params.window.channels;
  each_pixel(params.window, evaluation.input<T>(0), evaluation.output<T>(0), channels,
             [&](const T* image, int32_t y, int32_t x, T* to) {
               const Part rows = part(params.window.height, y);
               const Part columns = part(params.window.width, x);
               for (uint32_t c = 0; c < channels; ++c)
                 to[c] = params.limit(pool(params.window, image + c, rows, columns));
             });
  return Status::kOk;
}

Status prepare(Prepare& prepare) {
  const TensorInfo input = prepare.input(0);
  const TensorInfo output = prepare.output(0);
  Window window = {};
  window.height.filter = prepare.options().scalar<int32_t>(option::kFilterHeight, 0);
  window.width.filter = prepare.options().scalar<int32_t>(option::kFilterWidth, 0);
  window.height.dilation = window.width.dilation = 1;
  if (const Status status = prepare_window(prepare, input, output, window); !ok(status)) return status;
  if (input.type != output.type || input.dims[3] != output.dims[3]) {
    return prepare.refuse("input and output do not have the same type and channels", Status::kMalformed);
  }
  const int64_t pooled =
      int64_t{std::min(window.height.filter, window.height.in)} * std::min(window.width.filter, window.width.in);
  if (pooled > kMaxPooled) return prepare.refuse("the window is too large", Status::kTooLarge);
  const bool average = prepare.code() == OpCode::kAveragePool2d;
  prepare.work(uint64_t{output.elements} * static_cast<uint64_t>(pooled) * 4);  // addresses cost as much as values
  Params params = {window, {}, {}};
  const Activation activation = fused_activation(prepare, option::kActivation);
  if (input.type == Type::kFloat32) {
    if (const Status status = take_activation(prepare, activation, params.float_range); !ok(status)) return status;
    return prepare.evaluate_with(average ? evaluate<float, mean> : evaluate<float, largest>, params);
  }
  if (input.type != Type::kInt8) return prepare.refuse("the type is not supported: int8 or float32");
  if (!output.quantized()) return prepare.refuse("the output has no scale");
  if (const Status status = take_activation(prepare, activation, output, params.range); !ok(status)) return status;
  return prepare.evaluate_with(average ? evaluate<int8_t, mean> : evaluate<int8_t, largest>, params);
}

}  // namespace

constexpr uint8_t kPool2dOptions = 5;
const Operator kAveragePool2d = {OpCode::kAveragePool2d, kPool2dOptions, 1, 1, 1, 1, prepare};
const Operator kMaxPool2d = {OpCode::kMaxPool2d, kPool2dOptions, 1, 1, 1, 1, prepare};

}  // namespace edged::ml::native
