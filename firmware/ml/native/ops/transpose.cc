// TRANSPOSE: the dimensions of a tensor in another order.
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/ops/strided_copy.h"

namespace edged::ml::native {
namespace {

// Dimension i of the output is dimension order[i] of the input. false: not an order of all of them, or of other sizes.
bool outline(const TensorInfo& from, const TensorInfo& to, const TensorInfo& order, StridedCopy& copy) {
  const auto element = static_cast<int32_t>(element_size(from.type));
  int32_t from_steps[kMaxRank];
  int32_t step = element;
  for (uint32_t i = from.rank; i-- > 0;) {
    from_steps[i] = step;
    step *= from.dims[i];
  }
  uint32_t seen = 0;
  int32_t to_step = element;
  copy = {};
  copy.block = static_cast<uint32_t>(element);
  for (uint32_t i = to.rank; i-- > 0;) {
    const int32_t dimension = constant_int32(order, i);
    if (dimension < 0 || dimension >= static_cast<int32_t>(from.rank)) return false;
    if ((seen >> dimension & 1) != 0 || from.dims[dimension] != to.dims[i]) return false;
    seen |= uint32_t{1} << dimension;
    copy.wrap(to.dims[i], from_steps[dimension], to_step);
    to_step *= to.dims[i];
  }
  return true;
}

Status prepare(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo order = prepare.input(1);
  const TensorInfo to = prepare.output(0);
  if (from.type != Type::kInt8 && from.type != Type::kInt16 && from.type != Type::kFloat32) {
    return prepare.refuse(kNoneOfThreeTypes);
  }
  if (!same_meaning(from, to)) return prepare.refuse(kNotSameMeaning);
  if (from.rank != to.rank || !constant_int32s(order, from.rank)) {
    return prepare.refuse("the order of the dimensions is not a constant with one number for each");
  }
  auto* params = prepare.persistent<StridedCopy>();
  if (params == nullptr) return prepare.no_memory();
  if (!outline(from, to, order, *params)) {
    return prepare.refuse("the shapes do not go with the order of the dimensions", Status::kMalformed);
  }
  return prepare.evaluate_by(evaluate_copy, params);
}

}  // namespace

constexpr uint8_t kTransposeOptions = 26;
const Operator kTranspose = {OpCode::kTranspose, kTransposeOptions, 2, 2, 1, 1, prepare};

}  // namespace edged::ml::native
