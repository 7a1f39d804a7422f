// RELU, which also brings its input to another scale, and RELU6, which only cuts off.
#include <cmath>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {
namespace {

struct Params {
  uint32_t elements;
  int32_t from_zero;
  int32_t zero;
  Multiplier scale;
  Range range;
};

template <typename T>
Status rescale(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<T>(0);
  auto* to = evaluation.output<T>(0);
  for (uint32_t i = 0; i < p.elements; ++i) {
    to[i] = static_cast<T>(clamp(wrapping_add(multiply(from[i] - p.from_zero, p.scale), p.zero), p.range));
  }
  return Status::kOk;
}

template <typename T>
Status cut(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<T>(0);
  auto* to = evaluation.output<T>(0);
  for (uint32_t i = 0; i < p.elements; ++i) to[i] = static_cast<T>(clamp(from[i], p.range));
  return Status::kOk;
}

template <bool kSix>
Status cut_float(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  const auto* from = evaluation.input<float>(0);
  auto* to = evaluation.output<float>(0);
  for (uint32_t i = 0; i < p.elements; ++i) {
    const float x = from[i];
    to[i] = kSix && x > 6.0f ? 6.0f : (x < 0.0f ? 0.0f : x);
  }
  return Status::kOk;
}

Status prepare_relu(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  if (from.type != to.type || !from.same_shape(to)) return prepare.refuse("operands differ in type or shape");
  prepare.in_place(0, 0);
  auto* params = prepare.persistent<Params>();
  if (params == nullptr) return prepare.no_memory();
  *params = {};
  params->elements = to.elements;
  if (to.type == Type::kFloat32) return prepare.evaluate_by(cut_float<false>, params);
  if (to.type != Type::kInt8 && to.type != Type::kInt16) {
    return prepare.refuse("the type is none of int8, int16 and float32");
  }
  if (!per_tensor(from) || !per_tensor(to) ||
      !activation_range(Activation::kRelu, to.type, to.scale(), to.zero_point(), params->range)) {
    return prepare.refuse("an operand has no scale, several, or a zero point although it is int16");
  }
  params->from_zero = from.zero_point();
  params->zero = to.zero_point();
  const double ratio = static_cast<double>(from.scale()) / static_cast<double>(to.scale());
  if (!take_multiplier(ratio, params->scale)) return prepare.refuse(kScalesApart);
  return prepare.evaluate_by(to.type == Type::kInt8 ? rescale<int8_t> : rescale<int16_t>, params);
}

Status prepare_relu6(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  if (!from.same_shape(to)) return prepare.refuse("operands differ in shape");
  if (!same_meaning(from, to)) return prepare.refuse(kNotSameMeaning);
  prepare.in_place(0, 0);
  auto* params = prepare.persistent<Params>();
  if (params == nullptr) return prepare.no_memory();
  *params = {};
  params->elements = to.elements;
  if (to.type == Type::kFloat32) return prepare.evaluate_by(cut_float<true>, params);
  if (to.type != Type::kInt8 && to.type != Type::kInt16) {
    return prepare.refuse("the type is none of int8, int16 and float32");
  }
  if (!activation_range(Activation::kRelu6, to.type, to.scale(), to.zero_point(), params->range)) {
    return prepare.refuse("the range of the activation is not in that of the type");
  }
  return prepare.evaluate_by(to.type == Type::kInt8 ? cut<int8_t> : cut<int16_t>, params);
}

}  // namespace

constexpr uint8_t kNoOptions = 0;
const Operator kRelu = {OpCode::kRelu, kNoOptions, 1, 1, 1, 1, prepare_relu};
const Operator kRelu6 = {OpCode::kRelu6, kNoOptions, 1, 1, 1, 1, prepare_relu6};

}  // namespace edged::ml::native
