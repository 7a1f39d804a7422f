// The operators of this build. A list, so that one that is not in it is not linked.
#include "ml/native/op.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

constexpr const Operator* kOperators[] = {
    &kAdd,
    &kArgMax,
    &kConcatenation,
    &kDequantize,
    &kFullyConnected,
    &kLogistic,
    &kMaximum,
    &kMean,
    &kMinimum,
    &kMul,
    &kPad,
    &kPadV2,
    &kQuantize,
    &kRelu,
    &kRelu6,
    &kReshape,
    &kResizeBilinear,
    &kResizeNearestNeighbor,
    &kSplit,
    &kStridedSlice,
    &kSub,
    &kSvdf,
    &kTanh,
    &kTranspose,
};

}  // namespace

const Operator* find_operator(OpCode code) {
  for (const Operator* op : kOperators) {
    if (op->code == code) return op;
  }
  return nullptr;
}

}  // namespace edged::ml::native
