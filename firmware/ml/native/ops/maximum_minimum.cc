// MAXIMUM and MINIMUM, with broadcasting. Values are compared as they are, so all operands must mean the same by them.
#include "ml/native/ops/broadcast.h"
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

template <typename T, bool kMax>
Status evaluate(const Evaluation& evaluation) {
  for_each(evaluation.params<Broadcast>(), evaluation.input<T>(0), evaluation.input<T>(1), evaluation.output<T>(0),
           [](T x, T y) { return (kMax ? x > y : x < y) ? x : y; });
  return Status::kOk;
}

template <bool kMax>
Status prepare(Prepare& prepare) {
  const TensorInfo a = prepare.input(0);
  const TensorInfo b = prepare.input(1);
  const TensorInfo output = prepare.output(0);
  if (!same_meaning(a, b) || !same_meaning(a, output)) return prepare.refuse(kNotSameMeaning);
  Broadcast over = {};
  if (const Status status = prepare_broadcast(prepare, over); !ok(status)) return status;
  switch (output.type) {
    case Type::kInt8:
      return prepare.evaluate_with(evaluate<int8_t, kMax>, over);
    case Type::kInt16:
      return prepare.evaluate_with(evaluate<int16_t, kMax>, over);
    case Type::kInt32:
      return prepare.evaluate_with(evaluate<int32_t, kMax>, over);
    case Type::kFloat32:
      return prepare.evaluate_with(evaluate<float, kMax>, over);
    default:
      return prepare.refuse(kNoneOfFourTypes);
  }
}

}  // namespace

constexpr uint8_t kMaximumMinimumOptions = 39;
const Operator kMaximum = {OpCode::kMaximum, kMaximumMinimumOptions, 2, 2, 1, 1, prepare<true>};
const Operator kMinimum = {OpCode::kMinimum, kMaximumMinimumOptions, 2, 2, 1, 1, prepare<false>};

}  // namespace edged::ml::native
