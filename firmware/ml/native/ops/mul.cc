// MUL, with broadcasting: the product of the steps, brought to the scale of the output.
#include "ml/native/ops/broadcast.h"
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {
namespace {

struct Params {
  Broadcast over;
  int32_t zeros[2];
  int32_t zero;
  Multiplier scale;
  Range range;
  FloatRange float_range;
};

template <typename T>
Status evaluate_steps(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  for_each(p.over, evaluation.input<T>(0), evaluation.input<T>(1), evaluation.output<T>(0), [&p](T x, T y) {
    const int32_t product = (x - p.zeros[0]) * (y - p.zeros[1]);
    return static_cast<T>(clamp(wrapping_add(multiply(product, p.scale), p.zero), p.range));
  });
  return Status::kOk;
}

Status evaluate_int32(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  const Range range = p.range;
  for_each(p.over, evaluation.input<int32_t>(0), evaluation.input<int32_t>(1), evaluation.output<int32_t>(0),
           [range](int32_t x, int32_t y) {
             return clamp(static_cast<int32_t>(static_cast<uint32_t>(x) * static_cast<uint32_t>(y)), range);
           });
  return Status::kOk;
}

Status evaluate_float(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  const FloatRange range = p.float_range;
  for_each(p.over, evaluation.input<float>(0), evaluation.input<float>(1), evaluation.output<float>(0),
           [range](float x, float y) { return clamp(x * y, range); });
  return Status::kOk;
}

Status prepare_steps(Prepare& prepare, Activation activation, Params& params) {
  const TensorInfo a = prepare.input(0);
  const TensorInfo b = prepare.input(1);
  const TensorInfo output = prepare.output(0);
  if (!per_tensor(a) || !per_tensor(b) || !per_tensor(output)) {
    return prepare.refuse("an operand has no scale, several, or a zero point although it is int16");
  }
  if (!activation_range(activation, output.type, output.scale(), output.zero_point(), params.range)) {
    return prepare.refuse("the fused activation is not supported");
  }
  const double ratio =
      static_cast<double>(a.scale()) * static_cast<double>(b.scale()) / static_cast<double>(output.scale());
  if (!take_multiplier(ratio, params.scale)) return prepare.refuse(kScalesApart);
  params.zeros[0] = a.zero_point();
  params.zeros[1] = b.zero_point();
  params.zero = output.zero_point();
  const bool narrow = output.type == Type::kInt8;
  return prepare.evaluate_by(narrow ? evaluate_steps<int8_t> : evaluate_steps<int16_t>, &params);
}

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
    case Type::kInt16:
      return prepare_steps(prepare, activation, *params);
    case Type::kInt32:
      if (!int32_activation_range(activation, params->range)) {
        return prepare.refuse("the fused activation is not supported");
      }
      return prepare.evaluate_by(evaluate_int32, params);
    case Type::kFloat32:
      if (!activation_range(activation, params->float_range)) {
        return prepare.refuse("the fused activation is not supported");
      }
      return prepare.evaluate_by(evaluate_float, params);
    default:
      return prepare.refuse("the type is none of int8, int16, int32 and float32");
  }
}

}  // namespace

constexpr uint8_t kMulOptions = 21;
const Operator kMul = {OpCode::kMul, kMulOptions, 2, 2, 1, 1, prepare};

}  // namespace edged::ml::native
