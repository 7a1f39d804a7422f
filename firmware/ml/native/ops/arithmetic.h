// What ADD, SUB and MUL do alike: all but the arithmetic of steps. Function: std::plus<>, std::minus<>,
// std::multiplies<>.
#pragma once

#include "ml/native/ops/broadcast.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {

struct Arithmetic {
  Broadcast over;
  Range range;  // of the activation: of steps and of int32
  FloatRange float_range;
};

// Checks the types, the shapes, that steps have scales, and the activation.
[[nodiscard]] Status prepare_arithmetic(Prepare& prepare, Activation activation, Arithmetic& into);

template <typename Function>
Status evaluate_float(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Arithmetic>();
  const FloatRange range = p.float_range;
  for_each(p.over, evaluation.input<float>(0), evaluation.input<float>(1), evaluation.output<float>(0),
           [range](float x, float y) { return clamp(Function()(x, y), range); });
  return Status::kOk;
}

template <typename Function>
Status evaluate_int32(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Arithmetic>();
  const Range range = p.range;
  for_each(p.over, evaluation.input<int32_t>(0), evaluation.input<int32_t>(1), evaluation.output<int32_t>(0),
           [range](int32_t x, int32_t y) {
             return clamp(static_cast<int32_t>(Function()(static_cast<uint32_t>(x), static_cast<uint32_t>(y))), range);
           });
  return Status::kOk;
}

}  // namespace edged::ml::native
