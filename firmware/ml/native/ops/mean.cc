// MEAN over some of the dimensions. For integers, the number of elements is divided out by the multiplier that also
// brings the sum to the scale of the output.
#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/ops/walk.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {
namespace {

struct Params {
  uint32_t rank;
  int32_t dims[kMaxRank];
  int32_t steps[kMaxRank];  // of the output; 0 along what is averaged
  uint32_t elements;        // of the output
  uint32_t averaged;        // elements of the input behind one of the output
  Rescaling rescaling;
};

// Adds each element of the input, in order, to the sum that it belongs to.
template <typename In, typename Sum, typename Add>
void sum_up(const Params& p, const In* from, Sum* sums, const Add& add) {
  const uint32_t inner = p.rank - 1;  // there is a dimension, since there is an axis
  const int32_t count = p.dims[inner];
  const int32_t step = p.steps[inner];
  int32_t at[kMaxRank] = {};
  int32_t start = 0;
  do {
    Sum* to = sums + start;
    for (int32_t i = 0; i < count; ++i, to += step) *to = add(*to, *from++);
  } while (next_place(inner, p.dims, at, [&](uint32_t d, int32_t times) { start += times * p.steps[d]; }));
}

template <typename T>
Status evaluate_steps(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  auto* sums = evaluation.scratch<int32_t>();
  for (uint32_t i = 0; i < p.elements; ++i) sums[i] = 0;
  sum_up(p, evaluation.input<T>(0), sums, [](int32_t sum, T x) { return wrapping_add(sum, x); });
  const int64_t zeros = int64_t{p.rescaling.from_zero} * p.averaged;
  auto* to = evaluation.output<T>(0);
  for (uint32_t i = 0; i < p.elements; ++i) {
    const auto shifted = static_cast<int32_t>(sums[i] - zeros);
    to[i] = static_cast<T>(requantize(shifted, p.rescaling.ratio, p.rescaling.zero, kRangeOf<T>));
  }
  return Status::kOk;
}

Status evaluate_float(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params>();
  auto* to = evaluation.output<float>(0);
  for (uint32_t i = 0; i < p.elements; ++i) to[i] = 0.0f;
  sum_up(p, evaluation.input<float>(0), to, [](float sum, float x) { return sum + x; });
  for (uint32_t i = 0; i < p.elements; ++i) to[i] /= static_cast<float>(p.averaged);
  return Status::kOk;
}

// The multiplier divided by the number of elements: shifted left as far as that, so that no bits are lost.
Multiplier divided(Multiplier by, uint32_t count) {
  int32_t shift = 31 - __builtin_clz(count);
  if (shift > 31 + by.shift) shift = 31 + by.shift;
  const int64_t widened = int64_t{by.fraction} << shift;
  return {static_cast<int32_t>(widened / count), by.shift - shift};
}

// Finds the steps of the output, with the dimensions `averaged` (one bit each) kept as 1 or left out.
bool outline(const TensorInfo& from, const TensorInfo& to, uint32_t averaged, bool keep, Params& params) {
  uint32_t left = to.rank;
  int32_t step = 1;
  params.rank = from.rank;
  params.averaged = 1;
  for (uint32_t i = from.rank; i-- > 0;) {
    params.dims[i] = from.dims[i];
    const bool gone = (averaged >> i & 1) != 0;
    params.steps[i] = gone ? 0 : step;
    if (gone) params.averaged *= static_cast<uint32_t>(from.dims[i]);
    if (!gone) step *= from.dims[i];
    if (gone && !keep) continue;
    if (left == 0 || to.dims[--left] != (gone ? 1 : from.dims[i])) return false;
  }
  params.elements = to.elements;
  return left == 0;
}

Status prepare_by_type(Prepare& prepare, const TensorInfo& from, const TensorInfo& to, Params& params) {
  if (from.type != to.type) return prepare.refuse("operands differ in type");
  if (from.type == Type::kFloat32) return prepare.evaluate_by(evaluate_float, &params);
  if (from.type != Type::kInt8 && from.type != Type::kInt16) return prepare.refuse(kNoneOfThreeTypes);
  if (!per_tensor(from) || !per_tensor(to)) return prepare.refuse(kNotPerTensor);
  if (!take_rescaling(from, to, params.rescaling)) return prepare.refuse(kScalesApart);
  params.rescaling.ratio = divided(params.rescaling.ratio, params.averaged);
  return prepare.evaluate_by(from.type == Type::kInt8 ? evaluate_steps<int8_t> : evaluate_steps<int16_t>, &params);
}

Status prepare(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo axes = prepare.input(1);
  const TensorInfo to = prepare.output(0);
  if (axes.rank > 1 || !constant_int32s(axes, axes.elements)) return prepare.refuse("the axes are not constants");
  uint32_t averaged = 0;
  for (uint32_t i = 0; i < axes.elements; ++i) {
    uint32_t axis = 0;
    if (!resolve_axis(constant_int32(axes, i), from.rank, axis)) {
      return prepare.refuse("an axis is not one of the input's", Status::kOutOfRange);
    }
    averaged |= uint32_t{1} << axis;
  }
  if (from.type != Type::kFloat32) prepare.scratch(uint64_t{to.elements} * sizeof(int32_t));
  auto* params = prepare.persistent<Params>();
  if (params == nullptr) return prepare.no_memory();
  if (!outline(from, to, averaged, prepare.options().scalar<bool>(0, false), *params)) {
    return prepare.refuse("the output does not have the shape that is left", Status::kMalformed);
  }
  return prepare_by_type(prepare, from, to, *params);
}

}  // namespace

constexpr uint8_t kReducerOptions = 27;
const Operator kMean = {OpCode::kMean, kReducerOptions, 2, 2, 1, 1, prepare};

}  // namespace edged::ml::native
