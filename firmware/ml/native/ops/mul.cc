// MUL, with broadcasting: the product of the steps, brought to the scale of the output.
#include <functional>

#include "ml/native/ops/arithmetic.h"
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

struct Params {
  Arithmetic plain;
  int32_t zeros[2];
  int32_t zero;
  Multiplier scale;
};

template <typename T>
Status evaluate_steps(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  for_each(p.plain.over, evaluation.input<T>(0), evaluation.input<T>(1), evaluation.output<T>(0), [&p](T x, T y) {
    const int32_t product = (x - p.zeros[0]) * (y - p.zeros[1]);
    return static_cast<T>(requantize(product, p.scale, p.zero, p.plain.range));
  });
  return Status::kOk;
}

Status prepare(Prepare& prepare) {
  Params params = {};
  if (const Status status = prepare_arithmetic(prepare, fused_activation(prepare, 0), params.plain); !ok(status)) {
    return status;
  }
  const TensorInfo a = prepare.input(0);
  const TensorInfo b = prepare.input(1);
  const TensorInfo output = prepare.output(0);
  if (output.type == Type::kFloat32) return prepare.evaluate_with(evaluate_float<std::multiplies<>>, params.plain);
  if (output.type == Type::kInt32) return prepare.evaluate_with(evaluate_int32<std::multiplies<>>, params.plain);
  const double ratio =
      static_cast<double>(a.scale()) * static_cast<double>(b.scale()) / static_cast<double>(output.scale());
  if (!take_multiplier(ratio, params.scale)) return prepare.refuse(kScalesApart);
  params.zeros[0] = a.zero_point();
  params.zeros[1] = b.zero_point();
  params.zero = output.zero_point();
  return prepare.evaluate_with(output.type == Type::kInt8 ? evaluate_steps<int8_t> : evaluate_steps<int16_t>, params);
}

}  // namespace

constexpr uint8_t kMulOptions = 21;
const Operator kMul = {OpCode::kMul, kMulOptions, 2, 2, 1, 1, prepare};

}  // namespace edged::ml::native
