#include "ml/native/ops/arithmetic.h"

#include "ml/native/ops/checks.h"

namespace edged::ml::native {
namespace {

// What a fused activation leaves of the values of an int32 tensor, which has no scale.
bool int32_activation_range(Activation activation, Range& range) {
  switch (activation) {
    case Activation::kNone:
      range = {INT32_MIN, INT32_MAX};
      return true;
    case Activation::kRelu:
      range = {0, INT32_MAX};
      return true;
    case Activation::kReluN1To1:
      range = {-1, 1};
      return true;
    case Activation::kRelu6:
      range = {0, 6};
      return true;
  }
  return false;
}

}  // namespace

Status prepare_arithmetic(Prepare& prepare, Activation activation, Arithmetic& into) {
  const TensorInfo a = prepare.input(0);
  const TensorInfo b = prepare.input(1);
  const TensorInfo output = prepare.output(0);
  if (a.type != output.type || b.type != output.type) return prepare.refuse("operands differ in type");
  if (const Status status = prepare_broadcast(prepare, into.over); !ok(status)) return status;
  switch (output.type) {
    case Type::kInt8:
    case Type::kInt16:
      if (!per_tensor(a) || !per_tensor(b) || !per_tensor(output)) return prepare.refuse(kNotPerTensor);
      return take_activation(prepare, activation, output, into.range);
    case Type::kInt32:
      return int32_activation_range(activation, into.range) ? Status::kOk : prepare.refuse(kNoSuchActivation);
    case Type::kFloat32:
      return take_activation(prepare, activation, into.float_range);
    default:
      return prepare.refuse(kNoneOfFourTypes);
  }
}

}  // namespace edged::ml::native
