// DEPTHWISE_CONV_2D: int8 and float32, any multiplier.
//
// For each output pixel the pixels under the window's taps are looked up once, for all channels; a tap outside of the
// input is a pixel of zero points.
#include <cstring>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/convolution.h"
#include "ml/native/ops/depthwise.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

namespace option {
enum : uint32_t { kMultiplier = 3, kActivation = 4 };
}

// Weights are [1, height, width, output channels].
constexpr ConvolutionLayout kLayout = {option::kActivation, 3};

struct Shape {
  Window window;
  uint32_t outputs;  // channels
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

// For each tap the pixel under it, `outside` where there is none. A function of its own, since a core has no registers
// for more than this.
template <typename T>
[[gnu::noinline]] void look_up(const Window& window, const T* image, int32_t y, int32_t x, const T* outside,
                               const T** pixels) {
  const Axis& height = window.height;
  const Axis& width = window.width;
  const auto channels = static_cast<int32_t>(window.channels);
  const int32_t first = width.start(x);
  for (int32_t ky = 0, iy = height.start(y); ky < height.filter; ++ky, iy += height.dilation) {
    // A line outside of the input has no pixels inside, a position below zero is a large one.
    const uint32_t pixels_inside = height.holds(iy) ? static_cast<uint32_t>(width.in) : 0;
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
  std::memset(outside, params.input_zero_point, params.shape.window.channels);
  each_pixel(params.shape.window, evaluation.input<int8_t>(0), evaluation.output<int8_t>(0), params.shape.outputs,
             [&](const int8_t* image, int32_t y, int32_t x, int8_t* to) {
               look_up(params.shape.window, image, y, x, static_cast<const int8_t*>(outside), pixels);
               multiply_taps(params.depthwise, pixels, to);
             });
  return Status::kOk;
}

Status evaluate_float(const Evaluation& evaluation) {
  const auto& params = evaluation.params<FloatParams>();
  const Shape& shape = params.shape;
  const auto* weights = evaluation.input<float>(1);
  const auto* bias = evaluation.input<float>(2);
  const uint32_t multiplier = shape.outputs / shape.window.channels;
  const auto taps = static_cast<uint32_t>(shape.window.height.filter * shape.window.width.filter);
  auto* pixels = evaluation.scratch<const float*>();
  each_pixel(shape.window, evaluation.input<float>(0), evaluation.output<float>(0), shape.outputs,
             [&](const float* image, int32_t y, int32_t x, float* to) {
               look_up<float>(shape.window, image, y, x, nullptr, pixels);
               for (uint32_t channel = 0; channel < shape.outputs; ++channel) {
                 float sum = 0;
                 for (uint32_t tap = 0; tap < taps; ++tap) {
                   if (pixels[tap] == nullptr) continue;
                   sum += pixels[tap][channel / multiplier] * weights[size_t{tap} * shape.outputs + channel];
                 }
                 to[channel] = finish(sum, bias, channel, params.range);
               }
             });
  return Status::kOk;
}

Status prepare_int8(Prepare& prepare, const Operands& operands, const Shape& shape, Activation activation) {
  Params params = {};
  params.shape = shape;
  params.input_zero_point = operands.input.zero_point();
  Depthwise& depthwise = params.depthwise;
  depthwise.weights = reinterpret_cast<const int8_t*>(operands.weights.constant);
  depthwise.outputs = shape.outputs;
  depthwise.multiplier = shape.outputs / shape.window.channels;
  depthwise.taps = operands.weights.elements / shape.outputs;
  prepare.scratch(uint64_t{depthwise.taps} * sizeof(const int8_t*) + shape.window.channels);
  const WeightLayout layout = {shape.outputs, depthwise.taps, 1, shape.outputs};
  const Status status = prepare_channels(prepare, operands, layout, activation, depthwise.channels);
  if (!ok(status)) return status;
  return prepare.evaluate_with(evaluate_int8, params);
}

Status prepare_float(Prepare& prepare, const Operands& operands, const Shape& shape, Activation activation) {
  FloatParams params = {shape, {}};
  prepare.scratch(uint64_t{operands.weights.elements / shape.outputs} * sizeof(const float*));
  if (const Status status = take_activation(prepare, activation, params.range); !ok(status)) return status;
  return prepare.evaluate_with(evaluate_float, params);
}

Status prepare(Prepare& prepare) {
  const Operands operands = read_operands(prepare);
  Shape shape = {};
  if (const Status status = prepare_convolution(prepare, operands, kLayout, shape.window); !ok(status)) return status;
  shape.outputs = static_cast<uint32_t>(operands.output.dims[3]);
  // The multiplier follows from the shapes, and TFLM believes the options all the same: they have to agree.
  const auto multiplier = static_cast<uint32_t>(prepare.options().scalar<int32_t>(option::kMultiplier, 0));
  if (operands.weights.dims[0] != 1 || uint64_t{multiplier} * shape.window.channels != shape.outputs) {
    return prepare.refuse("the shapes do not fit each other", Status::kMalformed);
  }
  const Activation activation = fused_activation(prepare, option::kActivation);
  if (operands.are(Type::kInt8)) return prepare_int8(prepare, operands, shape, activation);
  return prepare_float(prepare, operands, shape, activation);
}

}  // namespace

constexpr uint8_t kDepthwiseConv2dOptions = 2;
const Operator kDepthwiseConv2d = {OpCode::kDepthwiseConv2d, kDepthwiseConv2dOptions, 2, 3, 1, 1, prepare};

}  // namespace edged::ml::native
