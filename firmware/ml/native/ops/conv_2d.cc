// CONV_2D: int8 and float32, groups included.
//
// The values under a window become a column, and a column is multiplied with all rows of weights. Where the window is
// one pixel, the input is the columns already.
#include <cstring>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/convolution.h"
#include "ml/native/ops/ops.h"
#include "ml/native/ops/rows.h"

namespace edged::ml::native {
namespace {

namespace option {
enum : uint32_t { kActivation = 3 };
}

// Weights are [output channels, height, width, channels of a group].
constexpr ConvolutionLayout kLayout = {option::kActivation, 0};

struct Shape {
  Window window;
  uint32_t groups;
  uint32_t group_channels;  // of the input in one group
  uint32_t group_rows;      // output channels of one group
};

struct Params {
  Shape shape;
  Rows rows;  // of one group; the other groups follow it
  int32_t input_zero_point;
};

struct FloatParams {
  Shape shape;
  FloatRange range;
};

// Pixels of one line of a window, all of them inside of the input and next to each other, or one by one.
void gather_line(const Params& params, const int8_t* line, int32_t start, bool together, int8_t* column) {
  const Axis& width = params.shape.window.width;
  const uint32_t bytes = params.shape.group_channels;
  if (together) {
    std::memcpy(column, line + start * static_cast<int32_t>(bytes), size_t(width.filter) * bytes);
    return;
  }
  for (int32_t kx = 0, ix = start; kx < width.filter; ++kx, ix += width.dilation, column += bytes) {
    if (width.holds(ix)) {
      std::memcpy(column, line + size_t(ix) * params.shape.window.channels, bytes);
    } else {
      std::memset(column, params.input_zero_point, bytes);
    }
  }
}

// One column: the pixels under the window of an output, what is outside of the input as its zero point.
void gather(const Params& params, const int8_t* image, int32_t y, int32_t x, int8_t* column) {
  const Shape& shape = params.shape;
  const Axis& height = shape.window.height;
  const Axis& width = shape.window.width;
  const int32_t start = width.start(x);
  const bool together = width.dilation == 1 && shape.groups == 1 && start >= 0 && start + width.filter <= width.in;
  const size_t bytes = size_t(width.filter) * shape.group_channels;
  for (int32_t ky = 0, iy = height.start(y); ky < height.filter; ++ky, iy += height.dilation, column += bytes) {
    if (height.holds(iy)) {
      gather_line(params, image + size_t(iy) * size_t(width.in) * shape.window.channels, start, together, column);
    } else {
      std::memset(column, params.input_zero_point, bytes);
    }
  }
}

Rows of_group(const Params& params, uint32_t group) {
  Rows rows = params.rows;
  rows.weights += size_t{group} * rows.rows * rows.depth;
  rows.channels = rows.channels.from(group * rows.rows);
  return rows;
}

void convolve_group(const Params& params, uint32_t group, const int8_t* image, int8_t* columns, int8_t* to) {
  const Rows rows = of_group(params, group);
  const Window& window = params.shape.window;
  const int8_t* from = image + size_t{group} * params.shape.group_channels;
  to += size_t{group} * rows.rows;
  uint32_t gathered = 0;
  for (int32_t y = 0; y < window.height.out; ++y) {
    for (int32_t x = 0; x < window.width.out; ++x) {
      gather(params, from, y, x, columns + size_t{gathered} * rows.depth);
      if (++gathered < kColumns) continue;
      multiply_columns(rows, columns, gathered, to);
      to += gathered * rows.pitch;
      gathered = 0;
    }
  }
  multiply_columns(rows, columns, gathered, to);
}

Status evaluate_int8(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  const Window& window = params.shape.window;
  const size_t out = size_t(window.height.out) * size_t(window.width.out) * params.rows.pitch;
  const auto* image = evaluation.input<int8_t>(0);
  auto* to = evaluation.output<int8_t>(0);
  for (int32_t batch = 0; batch < window.batches; ++batch, image += window.image(), to += out) {
    for (uint32_t group = 0; group < params.shape.groups; ++group) {
      convolve_group(params, group, image, evaluation.scratch<int8_t>(), to);
    }
  }
  return Status::kOk;
}

Status evaluate_pointwise(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  const Window& window = params.shape.window;
  const int32_t pixels = window.batches * window.height.out * window.width.out;
  multiply_columns(params.rows, evaluation.input<int8_t>(0), static_cast<uint32_t>(pixels),
                   evaluation.output<int8_t>(0));
  return Status::kOk;
}

// The sum of one output: taps outside of the input count nothing.
float sum_of_window(const Shape& shape, const float* image, const float* w, int32_t y, int32_t x) {
  const Axis& height = shape.window.height;
  const Axis& width = shape.window.width;
  float sum = 0;
  for (int32_t ky = 0; ky < height.filter; ++ky) {
    const int32_t iy = height.start(y) + ky * height.dilation;
    for (int32_t kx = 0; kx < width.filter; ++kx, w += shape.group_channels) {
      const int32_t ix = width.start(x) + kx * width.dilation;
      if (!height.holds(iy) || !width.holds(ix)) continue;
      const float* pixel = image + (size_t(iy) * size_t(width.in) + size_t(ix)) * shape.window.channels;
      for (uint32_t c = 0; c < shape.group_channels; ++c) sum += pixel[c] * w[c];
    }
  }
  return sum;
}

Status evaluate_float(const Evaluation& evaluation) {
  const auto& params = evaluation.params<FloatParams>();
  const Shape& shape = params.shape;
  const Window& window = shape.window;
  const auto* weights = evaluation.input<float>(1);
  const auto* bias = evaluation.input<float>(2);
  const size_t depth = size_t(window.height.filter) * size_t(window.width.filter) * shape.group_channels;
  const uint32_t rows = shape.groups * shape.group_rows;
  each_pixel(window, evaluation.input<float>(0), evaluation.output<float>(0), rows,
             [&](const float* image, int32_t y, int32_t x, float* to) {
               for (uint32_t row = 0; row < rows; ++row) {
                 const float* from = image + size_t{row / shape.group_rows} * shape.group_channels;
                 to[row] = finish(sum_of_window(shape, from, weights + row * depth, y, x), bias, row, params.range);
               }
             });
  return Status::kOk;
}

Status read_groups(Prepare& prepare, const Operands& operands, Shape& shape) {
  const auto rows = static_cast<uint32_t>(operands.weights.dims[0]);
  shape.group_channels = static_cast<uint32_t>(operands.weights.dims[3]);
  shape.groups = shape.window.channels / shape.group_channels;
  if (shape.groups * shape.group_channels != shape.window.channels || rows % shape.groups != 0) {
    return prepare.refuse("the channels do not make whole groups", Status::kMalformed);
  }
  shape.group_rows = rows / shape.groups;
  return Status::kOk;
}

Status prepare_int8(Prepare& prepare, const Operands& operands, const Shape& shape, Activation activation) {
  Params params = {};
  const auto all_rows = static_cast<uint32_t>(operands.weights.dims[0]);
  const uint32_t depth = operands.weights.elements / all_rows;
  params.shape = shape;
  params.input_zero_point = operands.input.zero_point();
  params.rows.weights = reinterpret_cast<const int8_t*>(operands.weights.constant);
  params.rows.rows = shape.group_rows;
  params.rows.depth = depth;
  params.rows.pitch = all_rows;
  const Axis& height = shape.window.height;
  const Axis& width = shape.window.width;
  const bool pointwise =
      height.filter == 1 && width.filter == 1 && height.stride == 1 && width.stride == 1 && shape.groups == 1;
  if (!pointwise) prepare.scratch(uint64_t{kColumns} * depth);
  const WeightLayout layout = {all_rows, depth, depth, 1};
  const Status status = prepare_channels(prepare, operands, layout, activation, params.rows.channels);
  if (!ok(status)) return status;
  return prepare.evaluate_with(pointwise ? evaluate_pointwise : evaluate_int8, params);
}

Status prepare(Prepare& prepare) {
  const Operands operands = read_operands(prepare);
  Shape shape = {};
  if (const Status status = prepare_convolution(prepare, operands, kLayout, shape.window); !ok(status)) return status;
  if (const Status status = read_groups(prepare, operands, shape); !ok(status)) return status;
  const Activation activation = fused_activation(prepare, option::kActivation);
  if (operands.are(Type::kInt8)) return prepare_int8(prepare, operands, shape, activation);
  FloatParams params = {shape, {}};
  if (const Status status = take_activation(prepare, activation, params.range); !ok(status)) return status;
  return prepare.evaluate_with(evaluate_float, params);
}

}  // namespace

constexpr uint8_t kConv2dOptions = 1;
const Operator kConv2d = {OpCode::kConv2d, kConv2dOptions, 2, 3, 1, 1, prepare};

}  // namespace edged::ml::native
