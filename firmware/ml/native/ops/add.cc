// ADD and SUB, with broadcasting. TFLite brings both operands to twice the larger scale, and keeps 20 bits (15 for
// int16) below the point until the sum is brought to the scale of the output.
//
// The scales of SUB are divided in float32 where those of ADD are in float64: so does TFLM, and the last bit shows it.
#include <functional>
#include <type_traits>

#include "ml/native/ops/arithmetic.h"
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

struct Params {
  Arithmetic plain;
  int32_t left_shift;
  int32_t zeros[2];
  Multiplier scales[2];
  int32_t zero;
  Multiplier scale;
};

template <typename T, typename Function>
Status evaluate_steps(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto brought = [&p](int32_t value, uint32_t k) {
    return multiply((value - p.zeros[k]) * (1 << p.left_shift), p.scales[k]);
  };
  for_each(p.plain.over, evaluation.input<T>(0), evaluation.input<T>(1), evaluation.output<T>(0), [&](T x, T y) {
    return static_cast<T>(requantize(Function()(brought(x, 0), brought(y, 1)), p.scale, p.zero, p.plain.range));
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

Status prepare_steps(Prepare& prepare, Params& params) {
  const TensorInfo operands[2] = {prepare.input(0), prepare.input(1)};
  const TensorInfo output = prepare.output(0);
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

template <typename Function>
Status prepare(Prepare& prepare) {
  const Activation activation = fused_activation(prepare, 0);
  Params params = {};
  if (const Status status = prepare_arithmetic(prepare, activation, params.plain); !ok(status)) return status;
  const Type type = prepare.output(0).type;
  if (type == Type::kFloat32) return prepare.evaluate_with(evaluate_float<Function>, params.plain);
  if (type == Type::kInt32) {
    if (prepare.input(0).quantized() || prepare.input(1).quantized() || prepare.output(0).quantized()) {
      return prepare.refuse("int32 that has a scale");
    }
    // TFLM's ADD forgets the activation.
    constexpr bool kForgets = std::is_same_v<Function, std::plus<>>;
    if (kForgets && activation != Activation::kNone) return prepare.refuse(kNoSuchActivation);
    return prepare.evaluate_with(evaluate_int32<Function>, params.plain);
  }
  if (const Status status = prepare_steps(prepare, params); !ok(status)) return status;
  const bool narrow = type == Type::kInt8;
  return prepare.evaluate_with(narrow ? evaluate_steps<int8_t, Function> : evaluate_steps<int16_t, Function>, params);
}

}  // namespace

constexpr uint8_t kAddOptions = 11;
constexpr uint8_t kSubOptions = 28;
const Operator kAdd = {OpCode::kAdd, kAddOptions, 2, 2, 1, 1, prepare<std::plus<>>};
const Operator kSub = {OpCode::kSub, kSubOptions, 2, 2, 1, 1, prepare<std::minus<>>};

}  // namespace edged::ml::native
