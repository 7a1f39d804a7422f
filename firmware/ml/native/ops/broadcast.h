// Two operands that TFLite broadcasts to one shape, element by element.
#pragma once

#include "ml/native/op.h"

namespace edged::ml::native {

// Dimensions that both operands walk alike are one; the last is the innermost. A step is in elements, 0 where the
// operand is repeated.
struct Broadcast {
  uint32_t rank;
  int32_t dims[kMaxRank];
  int32_t steps[2][kMaxRank];
};

// false: the shapes do not broadcast to that of the output.
[[nodiscard]] bool broadcast(const TensorInfo& a, const TensorInfo& b, const TensorInfo& output, Broadcast& into);

// Calls function(x, y) for each element of the output, in order, and stores what it returns.
template <typename In, typename Out, typename Function>
void for_each(const Broadcast& over, const In* a, const In* b, Out* out, const Function& function) {
  const uint32_t inner = over.rank - 1;
  const int32_t count = over.dims[inner];
  const int32_t step_a = over.steps[0][inner];
  const int32_t step_b = over.steps[1][inner];
  int32_t at[kMaxRank] = {};
  while (true) {
    const In* x = a;
    const In* y = b;
    for (int32_t i = 0; i < count; ++i, x += step_a, y += step_b) *out++ = function(*x, *y);
    uint32_t d = inner;
    while (true) {  // the next place of the outer dimensions
      if (d == 0) return;
      --d;
      a += over.steps[0][d];
      b += over.steps[1][d];
      if (++at[d] < over.dims[d]) break;
      a -= over.steps[0][d] * over.dims[d];
      b -= over.steps[1][d] * over.dims[d];
      at[d] = 0;
    }
  }
}

}  // namespace edged::ml::native
