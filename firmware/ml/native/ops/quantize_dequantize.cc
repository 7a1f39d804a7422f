// QUANTIZE: reals to integers, and integers of one scale to those of another. DEQUANTIZE: integers to reals.
#include <cmath>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {
namespace {

struct Params {
  uint32_t elements;
  float scale;
  Rescaling rescaling;
};

template <typename To>
Status quantize(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<float>(0);
  auto* to = evaluation.output<To>(0);
  constexpr float kFar = 1e9f;  // cut off there: beyond every type, and within int32
  for (uint32_t i = 0; i < p.elements; ++i) {
    const float steps = std::round(from[i] / p.scale);
    const float near = steps > -kFar ? (steps < kFar ? steps : kFar) : -kFar;  // what is no number becomes the lowest
    to[i] = static_cast<To>(clamp(static_cast<int32_t>(near) + p.rescaling.zero, kRangeOf<To>));
  }
  return Status::kOk;
}

template <typename From, typename To>
Status change_scale(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<From>(0);
  auto* to = evaluation.output<To>(0);
  for (uint32_t i = 0; i < p.elements; ++i) to[i] = static_cast<To>(rescale(from[i], p.rescaling, kRangeOf<To>));
  return Status::kOk;
}

template <typename From>
Status dequantize(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<From>(0);
  auto* to = evaluation.output<float>(0);
  for (uint32_t i = 0; i < p.elements; ++i) {
    to[i] = static_cast<float>(static_cast<double>(p.scale) * static_cast<double>(from[i] - p.rescaling.from_zero));
  }
  return Status::kOk;
}

// nullptr: not a pair of types that TFLM requantises.
Evaluate requantize_by(Type from, Type to) {
  const auto pair = [](Type a, Type b) { return static_cast<uint32_t>(a) << 8 | static_cast<uint32_t>(b); };
  struct Choice {
    uint32_t pair;
    Evaluate evaluate;
  };
  const Choice choices[] = {
      {pair(Type::kInt8, Type::kInt8), change_scale<int8_t, int8_t>},
      {pair(Type::kInt8, Type::kUint8), change_scale<int8_t, uint8_t>},
      {pair(Type::kInt8, Type::kInt16), change_scale<int8_t, int16_t>},
      {pair(Type::kInt8, Type::kInt32), change_scale<int8_t, int32_t>},
      {pair(Type::kUint8, Type::kInt8), change_scale<uint8_t, int8_t>},
      {pair(Type::kInt16, Type::kInt8), change_scale<int16_t, int8_t>},
      {pair(Type::kInt16, Type::kInt16), change_scale<int16_t, int16_t>},
      {pair(Type::kInt16, Type::kInt32), change_scale<int16_t, int32_t>},
      {pair(Type::kInt32, Type::kInt8), change_scale<int32_t, int8_t>},
      {pair(Type::kInt32, Type::kInt16), change_scale<int32_t, int16_t>},
      {pair(Type::kFloat32, Type::kInt8), quantize<int8_t>},
      {pair(Type::kFloat32, Type::kInt16), quantize<int16_t>},
  };
  for (const Choice& choice : choices) {
    if (choice.pair == pair(from, to)) return choice.evaluate;
  }
  return nullptr;
}

bool one_scale(const TensorInfo& tensor) { return tensor.quantized() && !tensor.per_channel(); }

Status prepare_quantize(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  const Evaluate evaluate = requantize_by(from.type, to.type);
  if (evaluate == nullptr) return prepare.refuse("not a pair of types that can be quantised");
  if (!from.same_shape(to)) return prepare.refuse("operands differ in shape", Status::kMalformed);
  if (!one_scale(to) || (from.type != Type::kFloat32 && !one_scale(from))) {
    return prepare.refuse("an operand has no scale, or several");
  }
  prepare.in_place(0, 0);
  Params params = {to.elements, to.scale(), {0, to.zero_point(), {0, 0}}};
  if (from.type != Type::kFloat32 && !take_rescaling(from, to, params.rescaling)) return prepare.refuse(kScalesApart);
  return prepare.evaluate_with(evaluate, params);
}

Status prepare_dequantize(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  if (to.type != Type::kFloat32 || !holds_steps(from.type)) {
    return prepare.refuse("not from int8, uint8 or int16 to float32");
  }
  if (!from.same_shape(to)) return prepare.refuse("operands differ in shape", Status::kMalformed);
  if (!one_scale(from)) return prepare.refuse("the input has no scale, or several");
  const Evaluate evaluate = from.type == Type::kInt8
                                ? dequantize<int8_t>
                                : (from.type == Type::kInt16 ? dequantize<int16_t> : dequantize<uint8_t>);
  return prepare.evaluate_with(evaluate, Params{to.elements, from.scale(), {from.zero_point(), 0, {0, 0}}});
}

}  // namespace

constexpr uint8_t kQuantizeOptions = 89;
constexpr uint8_t kDequantizeOptions = 38;
const Operator kQuantize = {OpCode::kQuantize, kQuantizeOptions, 1, 1, 1, 1, prepare_quantize};
const Operator kDequantize = {OpCode::kDequantize, kDequantizeOptions, 1, 1, 1, 1, prepare_dequantize};

}  // namespace edged::ml::native
