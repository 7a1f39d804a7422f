// Two operands that TFLite broadcasts to one shape, element by element.
#pragma once

#include "ml/native/op.h"
#include "ml/native/ops/walk.h"

namespace edged::ml::native {

// Dimensions that both operands walk alike are one; the last is the innermost. A step is in elements, 0 where the
// operand is repeated.
struct Broadcast {
  uint32_t rank;
  int32_t dims[kMaxRank];
  int32_t steps[2][kMaxRank];
};

// Of inputs 0 and 1 to output 0, which may lie where an input of its shape lies. Refuses shapes that do not broadcast.
[[nodiscard]] Status prepare_broadcast(Prepare& prepare, Broadcast& into);

// Calls function(x, y) for each element of the output, in order, and stores what it returns.
template <typename In, typename Out, typename Function>
void for_each(const Broadcast& over, const In* a, const In* b, Out* out, const Function& function) {
  const uint32_t inner = over.rank - 1;
  const int32_t count = over.dims[inner];
  const int32_t step_a = over.steps[0][inner];
  const int32_t step_b = over.steps[1][inner];
  const auto move = [&](uint32_t d, int32_t times) {
    a += times * over.steps[0][d];
    b += times * over.steps[1][d];
  };
  int32_t at[kMaxRank] = {};
  do {
    const In* x = a;
    const In* y = b;
    for (int32_t i = 0; i < count; ++i, x += step_a, y += step_b) *out++ = function(*x, *y);
  } while (next_place(inner, over.dims, at, move));
}

}  // namespace edged::ml::native
