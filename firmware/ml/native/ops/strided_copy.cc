#include "ml/native/ops/strided_copy.h"

#include <cstring>

#include "ml/native/ops/walk.h"

namespace edged::ml::native {
namespace {

// The innermost loop, for blocks as small as elements: a call of memcpy for each would cost more than the copy.
template <uint32_t kBlock>
void copy_row(int32_t count, const uint8_t* from, int32_t from_step, uint8_t* to, int32_t to_step) {
  for (int32_t i = 0; i < count; ++i, from += from_step, to += to_step) std::memcpy(to, from, kBlock);
}

void copy_row(const StridedCopy& what, const uint8_t* from, uint8_t* to) {
  const uint32_t inner = what.rank - 1;
  const int32_t count = what.dims[inner];
  const int32_t from_step = what.from_steps[inner];
  const int32_t to_step = what.to_steps[inner];
  switch (what.block) {
    case 1:
      return copy_row<1>(count, from, from_step, to, to_step);
    case 2:
      return copy_row<2>(count, from, from_step, to, to_step);
    case 4:
      return copy_row<4>(count, from, from_step, to, to_step);
    default:
      for (int32_t i = 0; i < count; ++i, from += from_step, to += to_step) std::memcpy(to, from, what.block);
  }
}

}  // namespace

void StridedCopy::wrap(int32_t size, int32_t from_step, int32_t to_step) {
  if (size == 1) return;
  const auto together = static_cast<int32_t>(block);
  if (rank == 0 && from_step == together && to_step == together) {
    block *= static_cast<uint32_t>(size);
    return;
  }
  if (rank != 0 && from_step == from_steps[0] * dims[0] && to_step == to_steps[0] * dims[0]) {
    dims[0] *= size;
    return;
  }
  for (uint32_t i = rank; i > 0; --i) {
    dims[i] = dims[i - 1];
    from_steps[i] = from_steps[i - 1];
    to_steps[i] = to_steps[i - 1];
  }
  dims[0] = size;
  from_steps[0] = from_step;
  to_steps[0] = to_step;
  ++rank;
}

void copy(const StridedCopy& what, const uint8_t* from, uint8_t* to) {
  from += what.from_start;
  to += what.to_start;
  if (what.rank == 0) {
    std::memcpy(to, from, what.block);
    return;
  }
  const auto move = [&](uint32_t d, int32_t times) {
    from += times * what.from_steps[d];
    to += times * what.to_steps[d];
  };
  int32_t at[kMaxRank] = {};
  do {
    copy_row(what, from, to);
  } while (next_place(what.rank - 1, what.dims, at, move));
}

Status evaluate_copy(const Evaluation& evaluation) {
  copy(evaluation.params<StridedCopy>(), evaluation.input<uint8_t>(0), evaluation.output<uint8_t>(0));
  return Status::kOk;
}

}  // namespace edged::ml::native
