#include "ml/native/ops/broadcast.h"

namespace edged::ml::native {
namespace {

// Dimension `back` from the last, and how far one step along it leads in each operand.
struct Dimension {
  int32_t size;
  int32_t steps[2];
};

// Whether walking `outer` is the same as going on walking `inner`.
bool continues(const Dimension& outer, const Dimension& inner) {
  for (uint32_t k = 0; k < 2; ++k) {
    if (outer.steps[k] != inner.steps[k] * inner.size) return false;
  }
  return true;
}

bool broadcast(const TensorInfo& a, const TensorInfo& b, const TensorInfo& output, Broadcast& into) {
  if (output.rank != (a.rank > b.rank ? a.rank : b.rank)) return false;
  Dimension found[kMaxRank];  // from the last
  uint32_t count = 0;
  int32_t strides[2] = {1, 1};
  for (uint32_t back = 0; back < output.rank; ++back) {
    const int32_t sizes[2] = {a.last(back), b.last(back)};
    Dimension dimension = {output.last(back), {0, 0}};
    if (dimension.size != (sizes[0] == 1 ? sizes[1] : sizes[0])) return false;
    for (uint32_t k = 0; k < 2; ++k) {
      if (sizes[k] != 1 && sizes[k] != dimension.size) return false;
      dimension.steps[k] = sizes[k] == 1 ? 0 : strides[k];
      strides[k] *= sizes[k];
    }
    if (dimension.size == 1) continue;
    if (count > 0 && continues(dimension, found[count - 1])) {
      found[count - 1].size *= dimension.size;
    } else {
      found[count++] = dimension;
    }
  }
  if (count == 0) found[count++] = {1, {0, 0}};
  into.rank = count;
  for (uint32_t i = 0; i < count; ++i) {
    const Dimension& dimension = found[count - 1 - i];
    into.dims[i] = dimension.size;
    for (uint32_t k = 0; k < 2; ++k) into.steps[k][i] = dimension.steps[k];
  }
  return true;
}

}  // namespace

Status prepare_broadcast(Prepare& prepare, Broadcast& into) {
  const TensorInfo a = prepare.input(0);
  const TensorInfo output = prepare.output(0);
  prepare.in_place(0, a.same_shape(output) ? 0 : 1);
  if (!broadcast(a, prepare.input(1), output, into)) {
    return prepare.refuse("the shapes do not broadcast to that of the output", Status::kMalformed);
  }
  return Status::kOk;
}

}  // namespace edged::ml::native
