// ADD and SUB, with broadcasting. TFLite brings both operands to twice the larger scale, and keeps 20 bits (15 for
// int16) below the point until the sum is brought to the scale of the output.
//
// The scales of SUB are divided in float32 where those of ADD are in float64: so does TFLM, and the last bit shows it.
#include "ml/native/ops/broadcast.h"
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {
namespace {

struct Params {
  Broadcast over;
  int32_t left_shift;
  int32_t zeros[2];
  Multiplier scales[2];
  int32_t zero;
  Multiplier scale;
  Range range;
  FloatRange float_range;
};

template <typename T, bool kSubtract>
Status evaluate_steps(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto brought = [&p](int32_t value, uint32_t k) {
    return multiply((value - p.zeros[k]) * (1 << p.left_shift), p.scales[k]);
  };
  for_each(p.over, evaluation.input<T>(0), evaluation.input<T>(1), evaluation.output<T>(0), [&](T x, T y) {
    const int32_t a = brought(x, 0);
    const int32_t b = brought(y, 1);
    return static_cast<T>(clamp(multiply(kSubtract ? a - b : a + b, p.scale) + p.zero, p.range));
  });
  return Status::kOk;
}

template <bool kSubtract>
Status evaluate_float(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  const FloatRange range = p.float_range;
  for_each(p.over, evaluation.input<float>(0), evaluation.input<float>(1), evaluation.output<float>(0),
           [range](float x, float y) { return clamp(kSubtract ? x - y : x + y, range); });
  return Status::kOk;
}

template <bool kSubtract>
Status evaluate_int32(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  const Range range = p.range;
  for_each(p.over, evaluation.input<int32_t>(0), evaluation.input<int32_t>(1), evaluation.output<int32_t>(0),
           [range](int32_t x, int32_t y) {
             const auto b = static_cast<uint32_t>(y);
             return clamp(static_cast<int32_t>(static_cast<uint32_t>(x) + (kSubtract ? 0u - b : b)), range);
           });
  return Status::kOk;
}

struct RealScales {
  double operands[2];
  double output;
};

RealScales real_scales(double a, double b, double output, int32_t left_shift) {
  const double twice = 2 * (a > b ? a : b);
  return {{a / twice, b / twice}, twice / (static_cast<double>(1 << left_shift) * output)};
}

Status prepare_steps(Prepare& prepare, Activation activation, Params& params) {
  const TensorInfo operands[2] = {prepare.input(0), prepare.input(1)};
  const TensorInfo output = prepare.output(0);
  if (!per_tensor(operands[0]) || !per_tensor(operands[1]) || !per_tensor(output)) {
    return prepare.refuse("an operand has no scale, several, or a zero point although it is int16");
  }
  if (!activation_range(activation, output.type, output.scale(), output.zero_point(), params.range)) {
    return prepare.refuse("the fused activation is not supported");
  }
  params.left_shift = output.type == Type::kInt16 ? 15 : 20;
  const RealScales real =
      real_scales(static_cast<double>(operands[0].scale()), static_cast<double>(operands[1].scale()),
                  static_cast<double>(output.scale()), params.left_shift);
  const bool apart = !(real.output < 1.0) || !(real.operands[0] > 0.0) || !(real.operands[1] > 0.0);
  if (apart || !take_multiplier(real.output, params.scale) || params.scale.shift > 0) {
    return prepare.refuse(kScalesApart);
  }
  for (uint32_t k = 0; k < 2; ++k) {
    params.scales[k] = quantize_multiplier(real.operands[k]);
    params.zeros[k] = operands[k].zero_point();
  }
  params.zero = output.zero_point();
  return Status::kOk;
}

template <bool kSubtract>
Status prepare(Prepare& prepare) {
  const TensorInfo a = prepare.input(0);
  const TensorInfo b = prepare.input(1);
  const TensorInfo output = prepare.output(0);
  if (a.type != output.type || b.type != output.type) return prepare.refuse("operands differ in type");
  prepare.in_place(0, a.same_shape(output) ? 0 : 1);
  auto* params = prepare.persistent<Params>();
  if (params == nullptr) return prepare.no_memory();
  if (!broadcast(a, b, output, params->over)) {
    return prepare.refuse("the shapes do not broadcast to that of the output", Status::kMalformed);
  }
  const Activation activation = fused_activation(prepare, 0);
  switch (output.type) {
    case Type::kInt8:
    case Type::kInt16: {
      const Status status = prepare_steps(prepare, activation, *params);
      if (!ok(status)) return status;
      const bool narrow = output.type == Type::kInt8;
      return prepare.evaluate_by(narrow ? evaluate_steps<int8_t, kSubtract> : evaluate_steps<int16_t, kSubtract>,
                                 params);
    }
    case Type::kFloat32:
      if (!activation_range(activation, params->float_range)) {
        return prepare.refuse("the fused activation is not supported");
      }
      return prepare.evaluate_by(evaluate_float<kSubtract>, params);
    case Type::kInt32:
      if (a.quantized() || b.quantized() || output.quantized()) return prepare.refuse("int32 that has a scale");
      // TFLM's ADD forgets the activation.
      if (!int32_activation_range(activation, params->range) || (!kSubtract && activation != Activation::kNone)) {
        return prepare.refuse("the fused activation is not supported");
      }
      return prepare.evaluate_by(evaluate_int32<kSubtract>, params);
    default:
      return prepare.refuse("the type is none of int8, int16, int32 and float32");
  }
}

}  // namespace

constexpr uint8_t kAddOptions = 11;
constexpr uint8_t kSubOptions = 28;
const Operator kAdd = {OpCode::kAdd, kAddOptions, 2, 2, 1, 1, prepare<false>};
const Operator kSub = {OpCode::kSub, kSubOptions, 2, 2, 1, 1, prepare<true>};

}  // namespace edged::ml::native
