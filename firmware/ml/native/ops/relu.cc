// RELU, which also brings its input to another scale, and RELU6, which only cuts off.
#include <cmath>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {
namespace {

struct Params {
  uint32_t elements;
  Range range;
  Rescaling rescaling;  // of RELU
};

template <typename T>
Status cut_rescaled(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<T>(0);
  auto* to = evaluation.output<T>(0);
  for (uint32_t i = 0; i < p.elements; ++i) to[i] = static_cast<T>(rescale(from[i], p.rescaling, p.range));
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

template <bool kSix>
Status prepare(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  if (from.type != to.type || !from.same_shape(to)) return prepare.refuse("operands differ in type or shape");
  if (kSix && !same_meaning(from, to)) return prepare.refuse(kNotSameMeaning);
  prepare.in_place(0, 0);
  Params params = {to.elements, {}, {}};
  if (to.type == Type::kFloat32) return prepare.evaluate_with(cut_float<kSix>, params);
  if (to.type != Type::kInt8 && to.type != Type::kInt16) return prepare.refuse(kNoneOfThreeTypes);
  if (!per_tensor(from) || !per_tensor(to)) return prepare.refuse(kNotPerTensor);
  const Activation activation = kSix ? Activation::kRelu6 : Activation::kRelu;
  if (const Status status = take_activation(prepare, activation, to, params.range); !ok(status)) return status;
  const bool narrow = to.type == Type::kInt8;
  if (kSix) return prepare.evaluate_with(narrow ? cut<int8_t> : cut<int16_t>, params);
  if (!take_rescaling(from, to, params.rescaling)) return prepare.refuse(kScalesApart);
  return prepare.evaluate_with(narrow ? cut_rescaled<int8_t> : cut_rescaled<int16_t>, params);
}

}  // namespace

const Operator kRelu = {OpCode::kRelu, kNoOptions, 1, 1, 1, 1, prepare<false>};
const Operator kRelu6 = {OpCode::kRelu6, kNoOptions, 1, 1, 1, 1, prepare<true>};

}  // namespace edged::ml::native
