// ARG_MAX: where along an axis the largest value stands, the first of equal ones.
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

constexpr int8_t kInt32Output = 2;  // TensorType

struct Params {
  uint32_t outer;
  uint32_t along;
  uint32_t inner;
};

template <typename T>
Status evaluate(const Evaluation& evaluation) {
  const Params p = evaluation.params<Params>();
  const auto* from = evaluation.input<T>(0);
  auto* to = evaluation.output<int32_t>(0);
  for (uint32_t outer = 0; outer < p.outer; ++outer, from += size_t{p.along} * p.inner) {
    for (uint32_t inner = 0; inner < p.inner; ++inner) {
      uint32_t best = 0;
      for (uint32_t i = 1; i < p.along; ++i) {
        if (from[i * p.inner + inner] > from[best * p.inner + inner]) best = i;
      }
      *to++ = static_cast<int32_t>(best);
    }
  }
  return Status::kOk;
}

bool is_without(const TensorInfo& from, uint32_t axis, const TensorInfo& to) {
  if (to.rank + 1 != from.rank) return false;
  for (uint32_t i = 0; i < to.rank; ++i) {
    if (to.dims[i] != from.dims[i < axis ? i : i + 1]) return false;
  }
  return true;
}

Status prepare(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  uint32_t axis = 0;
  if (!constant_int32s(prepare.input(1), 1)) return prepare.refuse("the axis is not a constant");
  if (!resolve_axis(constant_int32(prepare.input(1), 0), from.rank, axis)) {
    return prepare.refuse("the axis is not one of the input's", Status::kOutOfRange);
  }
  if (to.type != Type::kInt32 || prepare.options().scalar<int8_t>(0, 0) != kInt32Output) {
    return prepare.refuse("the output is not int32");
  }
  if (!is_without(from, axis, to)) {
    return prepare.refuse("the output does not have the shape that is left", Status::kMalformed);
  }
  if (from.type != Type::kInt8 && from.type != Type::kFloat32) return prepare.refuse("the type is not int8 or float32");
  auto* params = prepare.persistent<Params>();
  if (params == nullptr) return prepare.no_memory();
  *params = {elements_of(from, 0, axis), static_cast<uint32_t>(from.dims[axis]),
             elements_of(from, axis + 1, from.rank)};
  return prepare.evaluate_by(from.type == Type::kInt8 ? evaluate<int8_t> : evaluate<float>, params);
}

}  // namespace

constexpr uint8_t kArgMaxOptions = 40;
const Operator kArgMax = {OpCode::kArgMax, kArgMaxOptions, 2, 2, 1, 1, prepare};

}  // namespace edged::ml::native
