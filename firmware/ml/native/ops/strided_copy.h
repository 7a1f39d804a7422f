// Copies a part of a tensor to a part of another, in any order of dimensions: what PAD, TRANSPOSE and STRIDED_SLICE
// are.
#pragma once

#include "ml/native/op.h"

namespace edged::ml::native {

// Dimensions from the outermost; steps and starts in bytes.
struct StridedCopy {
  uint32_t rank = 0;
  uint32_t block = 0;  // bytes that lie together in both
  int32_t dims[kMaxRank] = {};
  int32_t from_steps[kMaxRank] = {};
  int32_t to_steps[kMaxRank] = {};
  int32_t from_start = 0;
  int32_t to_start = 0;

  // One more dimension, outside of those that are there: call it from the innermost to the outermost.
  void wrap(int32_t size, int32_t from_step, int32_t to_step);
};

void copy(const StridedCopy& what, const uint8_t* from, uint8_t* to);

// Of an operator that is nothing else; its parameters are the StridedCopy.
Status evaluate_copy(const Evaluation& evaluation);

}  // namespace edged::ml::native
