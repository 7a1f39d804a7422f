// STRIDED_SLICE: of each dimension from one index to another, by steps that may lead backwards.
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/ops/strided_copy.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kMaxSliceRank = 4;  // as TFLM's

namespace option {
enum : uint32_t { kBeginMask = 0, kEndMask = 1, kEllipsisMask = 2, kNewAxisMask = 3, kShrinkMask = 4, kOffset = 5 };
}

struct Masks {
  int32_t begin;
  int32_t end;
  int32_t shrink;
};

struct Slice {
  int32_t first;
  int32_t count;
  int32_t stride;
  bool shrinks;  // the dimension is not in the output
};

int32_t limited(int64_t x, int32_t low, int32_t high) {
  return static_cast<int32_t>(x < low ? low : (x > high ? high : x));
}

// What is taken of dimension i, which has `size` indices. count 0: nothing, or the options contradict each other.
Slice slice_of(const Prepare& prepare, const Masks& masks, uint32_t i, int32_t size) {
  const int32_t begin = constant_int32(prepare.input(1), i);
  const int32_t end = constant_int32(prepare.input(2), i);
  const int32_t stride = constant_int32(prepare.input(3), i);
  Slice slice = {0, 0, stride, (masks.shrink >> i & 1) != 0};
  if (stride == 0 || stride == INT32_MIN || (slice.shrinks && stride < 0)) return slice;
  const int32_t low = stride > 0 ? 0 : -1;
  const int32_t high = stride > 0 ? size : size - 1;
  const auto from_end = [size](int32_t index) { return int64_t{index} + (index < 0 ? size : 0); };
  if ((masks.begin >> i & 1) != 0) {
    slice.first = stride > 0 ? 0 : size - 1;
  } else {
    slice.first = limited(from_end(begin), low, high);
  }
  if (slice.shrinks) {
    slice.count = slice.first < size ? 1 : 0;
    return slice;
  }
  int32_t stop = limited(from_end(end), low, high);
  if ((masks.end >> i & 1) != 0) stop = stride > 0 ? size : -1;
  const int32_t way = stride > 0 ? stop - slice.first : slice.first - stop;
  const int32_t step = stride > 0 ? stride : -stride;
  slice.count = way > 0 ? (way - 1) / step + 1 : 0;
  return slice;
}

bool outline(const Prepare& prepare, const Masks& masks, StridedCopy& copy) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  const auto element = static_cast<int32_t>(element_size(from.type));
  copy = {};
  copy.block = static_cast<uint32_t>(element);
  int32_t from_step = element;
  int32_t to_step = element;
  uint32_t left = to.rank;  // dimensions of the output that were not met yet
  for (uint32_t i = from.rank; i-- > 0;) {
    const Slice slice = slice_of(prepare, masks, i, from.dims[i]);
    if (slice.count == 0) return false;
    if (!slice.shrinks && (left == 0 || to.dims[--left] != slice.count)) return false;
    if (slice.count > 1) copy.wrap(slice.count, from_step * slice.stride, to_step);
    copy.from_start += slice.first * from_step;
    from_step *= from.dims[i];
    to_step *= slice.count;
  }
  return left == 0;
}

Status prepare(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const Table& options = prepare.options();
  if (from.type != Type::kInt8 && from.type != Type::kInt16 && from.type != Type::kInt32 &&
      from.type != Type::kFloat32 && from.type != Type::kBool) {
    return prepare.refuse("the type is none of int8, int16, int32, float32 and bool");
  }
  if (!same_meaning(from, prepare.output(0))) return prepare.refuse(kNotSameMeaning);
  if (from.rank > kMaxSliceRank) return prepare.refuse("more than 4 dimensions");
  for (uint32_t i = 1; i < 4; ++i) {
    if (!constant_int32s(prepare.input(i), from.rank)) {
      return prepare.refuse("begin, end and strides are not constants with one number for each dimension");
    }
  }
  if (options.scalar<int32_t>(option::kEllipsisMask, 0) != 0 || options.scalar<int32_t>(option::kNewAxisMask, 0) != 0 ||
      options.scalar<bool>(option::kOffset, false)) {
    return prepare.refuse("an ellipsis, new axes and ends that count from begin are not supported");
  }
  auto* params = prepare.persistent<StridedCopy>();
  if (params == nullptr) return prepare.no_memory();
  const Masks masks = {options.scalar<int32_t>(option::kBeginMask, 0), options.scalar<int32_t>(option::kEndMask, 0),
                       options.scalar<int32_t>(option::kShrinkMask, 0)};
  if (!outline(prepare, masks, *params)) {
    return prepare.refuse("begin, end and strides do not yield the shape of the output", Status::kMalformed);
  }
  return prepare.evaluate_by(evaluate_copy, params);
}

}  // namespace

constexpr uint8_t kStridedSliceOptions = 32;
const Operator kStridedSlice = {OpCode::kStridedSlice, kStridedSliceOptions, 4, 4, 1, 1, prepare};

}  // namespace edged::ml::native
