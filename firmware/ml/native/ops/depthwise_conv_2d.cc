// DEPTHWISE_CONV_2D: int8 and float32, any multiplier.
//
// For each output pixel the pixels under the window's taps are looked up once, for all channels; a tap outside of the
// input is a pixel of zero points.
#include <cstring>

#include "ml/native/ops/depthwise.h"
#include "ml/native/ops/ops.h"
#include "ml/native/ops/window.h"

namespace edged::ml::native {
namespace {

namespace option {
enum : uint32_t { kMultiplier = 3, kActivation = 4, kDilationWidth = 5, kDilationHeight = 6 };
}

struct Shape {
  Window window;
  int32_t batches;
  uint32_t channels;  // of the input
  uint32_t outputs;   // channels
};

struct Params {
  Shape shape;
  Depthwise depthwise;
  int32_t input_zero_point;
};

struct FloatParams {
  Shape shape;
  FloatRange range;
};

// Calls visit(y, x, to) for each output pixel, batch by batch; image: the batch's.
template <typename T, typename Visit>
void each_pixel(const Shape& shape, const T* image, T* to, Visit visit) {
  const size_t in = size_t(shape.window.height.in) * size_t(shape.window.width.in) * shape.channels;
  for (int32_t batch = 0; batch < shape.batches; ++batch, image += in) {
    for (int32_t y = 0; y < shape.window.height.out; ++y) {
      for (int32_t x = 0; x < shape.window.width.out; ++x, to += shape.outputs) visit(image, y, x, to);
    }
  }
}

// For each tap the pixel under it, `outside` where there is none.
template <typename T>
void look_up(const Shape& shape, const T* image, int32_t y, int32_t x, const T* outside, const T** pixels) {
  const Axis& height = shape.window.height;
  const Axis width = shape.window.width;
  const auto channels = static_cast<int32_t>(shape.channels);
  const int32_t first = width.start(x);
  for (int32_t ky = 0, iy = height.start(y); ky < height.filter; ++ky, iy += height.dilation) {
    // A line outside of the input has no pixels inside, a position below zero is a large one.
    const uint32_t pixels_inside = iy >= 0 && iy < height.in ? static_cast<uint32_t>(width.in) : 0;
    const T* line = image + (pixels_inside == 0 ? 0 : iy * width.in * channels);
    int32_t ix = first;
    for (const T** end = pixels + width.filter; pixels != end; ix += width.dilation) {
      *pixels++ = static_cast<uint32_t>(ix) < pixels_inside ? line + ix * channels : outside;
    }
  }
}

Status evaluate_int8(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  auto* pixels = evaluation.scratch<const int8_t*>();
  auto* outside = reinterpret_cast<int8_t*>(pixels + params.depthwise.taps);
  std::memset(outside, params.input_zero_point, params.shape.channels);
  each_pixel(params.shape, evaluation.input<int8_t>(0), evaluation.output<int8_t>(0),
             [&](const int8_t* image, int32_t y, int32_t x, int8_t* to) {
               look_up(params.shape, image, y, x, static_cast<const int8_t*>(outside), pixels);
               multiply_taps(params.depthwise, pixels, to);
             });
  return Status::kOk;
}

Status evaluate_float(const Evaluation& evaluation) {
  const auto& params = evaluation.params<FloatParams>();
  const Shape& shape = params.shape;
  const auto* weights = evaluation.input<float>(1);
  const auto* bias = evaluation.input<float>(2);
  const uint32_t multiplier = shape.outputs / shape.channels;
  const auto taps = static_cast<uint32_t>(shape.window.height.filter * shape.window.width.filter);
  auto* pixels = evaluation.scratch<const float*>();
  each_pixel(shape, evaluation.input<float>(0), evaluation.output<float>(0),
             [&](const float* image, int32_t y, int32_t x, float* to) {
               look_up<float>(shape, image, y, x, nullptr, pixels);
               for (uint32_t channel = 0; channel < shape.outputs; ++channel) {
                 float sum = 0;
                 for (uint32_t tap = 0; tap < taps; ++tap) {
                   if (pixels[tap] == nullptr) continue;
                   sum += pixels[tap][channel / multiplier] * weights[size_t{tap} * shape.outputs + channel];
                 }
                 to[channel] = clamp(sum + (bias == nullptr ? 0.0f : bias[channel]), params.range);
               }
             });
  return Status::kOk;
}

Status read_shape(Prepare& prepare, const Operands& operands, Shape& shape) {
  const TensorInfo& weights = operands.weights;
  if (weights.rank != 4 || weights.dims[0] != 1) {
    return prepare.refuse("the weights do not have four dimensions, the first of them 1", Status::kMalformed);
  }
  shape.window.height.filter = weights.dims[1];
  shape.window.width.filter = weights.dims[2];
  shape.window.height.dilation = prepare.options().scalar<int32_t>(option::kDilationHeight, 1);
  shape.window.width.dilation = prepare.options().scalar<int32_t>(option::kDilationWidth, 1);
  const Status status = prepare_window(prepare, operands.input, operands.output, shape.window);
  if (!ok(status)) return status;
  shape.batches = operands.input.dims[0];
  shape.channels = static_cast<uint32_t>(operands.input.dims[3]);
  shape.outputs = static_cast<uint32_t>(operands.output.dims[3]);
  // The multiplier follows from the shapes, and TFLM believes the options all the same: they have to agree.
  const auto multiplier = static_cast<uint32_t>(prepare.options().scalar<int32_t>(option::kMultiplier, 0));
  if (uint64_t{multiplier} * shape.channels != shape.outputs || weights.dims[3] != operands.output.dims[3] ||
      (operands.bias.present() && operands.bias.elements != shape.outputs)) {
    return prepare.refuse("the shapes do not fit each other", Status::kMalformed);
  }
  prepare.work(uint64_t{operands.output.elements} * (weights.elements / shape.outputs));
  return Status::kOk;
}

Status prepare_int8(Prepare& prepare, const Operands& operands, const Shape& shape, Activation activation) {
  Params params = {};
  params.shape = shape;
  params.input_zero_point = operands.input.zero_point();
  Depthwise& depthwise = params.depthwise;
  depthwise.weights = reinterpret_cast<const int8_t*>(operands.weights.constant);
  depthwise.outputs = shape.outputs;
  depthwise.multiplier = shape.outputs / shape.channels;
  depthwise.taps = operands.weights.elements / shape.outputs;
  prepare.scratch(uint64_t{depthwise.taps} * sizeof(const int8_t*) + shape.channels);
  const WeightLayout layout = {shape.outputs, depthwise.taps, 1, shape.outputs};
  const Status status = prepare_channels(prepare, operands, layout, activation, depthwise.channels);
  if (!ok(status)) return status;
  return prepare.evaluate_with(evaluate_int8, params);
}

Status prepare_float(Prepare& prepare, const Operands& operands, const Shape& shape, Activation activation) {
  FloatParams params = {};
  params.shape = shape;
  prepare.scratch(uint64_t{operands.weights.elements / shape.outputs} * sizeof(const float*));
  if (!activation_range(activation, params.range)) return prepare.refuse("the fused activation is not supported");
  return prepare.evaluate_with(evaluate_float, params);
}

Status prepare(Prepare& prepare) {
  const Operands operands = read_operands(prepare);
  Shape shape = {};
  const Status status = read_shape(prepare, operands, shape);
  if (!ok(status)) return status;
  const auto activation = prepare.options().scalar<Activation>(option::kActivation, Activation::kNone);
  if (operands.are(Type::kFloat32)) return prepare_float(prepare, operands, shape, activation);
  if (!operands.are(Type::kInt8))
    return prepare.refuse("the types are not supported: int8 with int32 bias, or float32");
  if (operands.weights.per_channel() && operands.weights.quantized_dimension != 3) {
    return prepare.refuse("scales per channel are not those of the output's channels", Status::kMalformed);
  }
  return prepare_int8(prepare, operands, shape, activation);
}

}  // namespace

constexpr uint8_t kDepthwiseConv2dOptions = 2;
const Operator kDepthwiseConv2d = {OpCode::kDepthwiseConv2d, kDepthwiseConv2dOptions, 2, 3, 1, 1, prepare};

}  // namespace edged::ml::native
