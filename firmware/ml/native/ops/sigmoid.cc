// LOGISTIC and TANH. An int8 has 256 values: all of them are computed at load, in TFLite's fixed point.
#include <cmath>

#include "ml/native/exponential.h"
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {
namespace {

constexpr int32_t kIntegerBits = 4;  // of the input in fixed point: beyond 16 both curves are flat
constexpr uint32_t kValues = 256;

struct Params {
  uint32_t elements;
  const int8_t* table;  // by the value of the input + 128
};

Status look_up(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<int8_t>(0);
  auto* to = evaluation.output<int8_t>(0);
  for (uint32_t i = 0; i < p.elements; ++i) to[i] = p.table[from[i] + 128];
  return Status::kOk;
}

Status logistic_float(const Evaluation& evaluation) {
  // Where 1 + exp(-x) is 1 in float32, and where exp(x) is as good.
  constexpr float kFlat = 16.619047164916992f;
  constexpr float kSteep = -9.0f;
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<float>(0);
  auto* to = evaluation.output<float>(0);
  for (uint32_t i = 0; i < p.elements; ++i) {
    const float x = from[i];
    if (x > kFlat) {
      to[i] = 1.0f;
    } else {
      to[i] = x < kSteep ? std::exp(x) : 1.0f / (1.0f + std::exp(-x));
    }
  }
  return Status::kOk;
}

Status tanh_float(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<float>(0);
  auto* to = evaluation.output<float>(0);
  for (uint32_t i = 0; i < p.elements; ++i) to[i] = std::tanh(from[i]);
  return Status::kOk;
}

// Both of x as Q4.27, to Q0.31.
int32_t logistic(int32_t x) {
  if (x == 0) return 1 << 30;
  const int32_t positive = one_over_one_plus(exp_of_negative<kIntegerBits>(x > 0 ? -x : x));
  return x > 0 ? positive : kOneQ0 - positive;
}

int32_t tanh(int32_t x) {
  if (x == 0) return 0;
  // One more integer bit with the same raw value: twice x.
  const int32_t positive = one_minus_over_one_plus(exp_of_negative<kIntegerBits + 1>(x > 0 ? -x : x));
  return x > 0 ? positive : -positive;
}

struct Curve {
  int32_t (*of)(int32_t);
  int32_t bits_to_drop;  // of Q0.31, for steps of the output
  int32_t zero_point;
  float scale;
};

constexpr Curve kLogisticCurve = {logistic, 23, -128, 1.0f / 256};
constexpr Curve kTanhCurve = {tanh, 24, 0, 1.0f / 128};

void fill(const Curve& curve, const TensorInfo& from, int8_t* table) {
  const Multiplier by = quantize_multiplier(std::ldexp(static_cast<double>(from.scale()), 31 - kIntegerBits));
  // Steps from the zero point beyond which the fixed point would overflow; none at all where a step is 8 or more.
  const double radius = std::floor(std::ldexp(15.0, 31 - kIntegerBits - by.shift));
  for (int32_t value = -128; value < 128; ++value) {
    const int32_t steps = value - from.zero_point();
    int32_t result = steps > 0 ? 127 : -128;
    if (static_cast<double>(steps < 0 ? -steps : steps) < radius) {
      const int32_t y = curve.of(multiply(steps, by));
      result = clamp(rounding_divide_by_pot(y, curve.bits_to_drop) + curve.zero_point, kRangeOf<int8_t>);
    }
    table[value + 128] = static_cast<int8_t>(result);
  }
}

Status prepare(Prepare& prepare, const Curve& curve, Evaluate float_evaluate) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  if (from.type != to.type || !from.same_shape(to)) return prepare.refuse("operands differ in type or shape");
  auto* params = prepare.persistent<Params>();
  prepare.in_place(0, 0);
  if (from.type == Type::kFloat32) {
    constexpr uint64_t kStepsOfOne = 32;  // of the C library's function
    prepare.work(to.elements * kStepsOfOne);
    if (params == nullptr) return prepare.no_memory();
    *params = {to.elements, nullptr};
    return prepare.evaluate_by(float_evaluate, params);
  }
  if (from.type != Type::kInt8) return prepare.refuse("the type is not int8 or float32");
  if (!per_tensor(from)) return prepare.refuse("the input has no scale, or several");
  if (!per_tensor(to) || to.scale() != curve.scale || to.zero_point() != curve.zero_point) {
    return prepare.refuse("the output does not have the scale and zero point that the operator's results have");
  }
  auto* table = prepare.persistent<int8_t>(kValues);
  if (params == nullptr || table == nullptr) return prepare.no_memory();
  fill(curve, from, table);
  *params = {to.elements, table};
  return prepare.evaluate_by(look_up, params);
}

Status prepare_logistic(Prepare& prepare) { return native::prepare(prepare, kLogisticCurve, logistic_float); }
Status prepare_tanh(Prepare& prepare) { return native::prepare(prepare, kTanhCurve, tanh_float); }

}  // namespace

const Operator kLogistic = {OpCode::kLogistic, kNoOptions, 1, 1, 1, 1, prepare_logistic};
const Operator kTanh = {OpCode::kTanh, kNoOptions, 1, 1, 1, 1, prepare_tanh};

}  // namespace edged::ml::native
