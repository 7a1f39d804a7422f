// CONCATENATION, and SPLIT, which is the way back: tensors that lie behind one another along an axis of a larger one.
#include <cstring>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

struct Params {
  uint32_t rows;  // of everything outside of the axis
  uint32_t parts;
  const uint32_t* row_bytes;  // of each part
};

Status concatenate(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  auto* to = evaluation.output<uint8_t>(0);
  for (uint32_t row = 0; row < params.rows; ++row) {
    for (uint32_t part = 0; part < params.parts; ++part) {
      const uint32_t bytes = params.row_bytes[part];
      std::memcpy(to, evaluation.input<uint8_t>(part) + size_t{row} * bytes, bytes);
      to += bytes;
    }
  }
  return Status::kOk;
}

Status split(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  const auto* from = evaluation.input<uint8_t>(1);
  for (uint32_t row = 0; row < params.rows; ++row) {
    for (uint32_t part = 0; part < params.parts; ++part) {
      const uint32_t bytes = params.row_bytes[part];
      std::memcpy(evaluation.output<uint8_t>(part) + size_t{row} * bytes, from, bytes);
      from += bytes;
    }
  }
  return Status::kOk;
}

// Whether a part may lie in the whole: only along the axis it may be smaller.
bool fits(const TensorInfo& part, const TensorInfo& whole, uint32_t axis) {
  if (part.rank != whole.rank) return false;
  for (uint32_t i = 0; i < part.rank; ++i) {
    if (i != axis && part.dims[i] != whole.dims[i]) return false;
  }
  return true;
}

// Params of parts 0 to `parts` of the whole; each is asked for by part_at(i).
template <typename PartAt>
Status outline(Prepare& prepare, const TensorInfo& whole, uint32_t axis, uint32_t parts, const PartAt& part_at,
               Params*& params) {
  params = prepare.persistent<Params>();
  auto* row_bytes = prepare.persistent<uint32_t>(parts);
  if (params == nullptr || row_bytes == nullptr) return prepare.no_memory();
  int64_t along = 0;
  for (uint32_t i = 0; i < parts; ++i) {
    const TensorInfo part = part_at(i);
    if (!part.present()) return prepare.refuse("a part is left out", Status::kMalformed);
    if (!same_meaning(part, whole)) return prepare.refuse(kNotSameMeaning);
    if (!fits(part, whole, axis)) return prepare.refuse("the shape of a part does not fit", Status::kMalformed);
    row_bytes[i] = elements_of(part, axis, part.rank) * element_size(part.type);
    along += part.dims[axis];
  }
  if (along != whole.dims[axis]) return prepare.refuse("the parts are not as long as the whole", Status::kMalformed);
  *params = {elements_of(whole, 0, axis), parts, row_bytes};
  return Status::kOk;
}

Status prepare_concatenation(Prepare& prepare) {
  const TensorInfo whole = prepare.output(0);
  uint32_t axis = 0;
  if (!resolve_axis(prepare.options().scalar<int32_t>(0, 0), whole.rank, axis)) {
    return prepare.refuse("the axis is not one of the output's", Status::kOutOfRange);
  }
  if (fused_activation(prepare, 1) != Activation::kNone) return prepare.refuse("a fused activation is not supported");
  Params* params = nullptr;
  const auto part_at = [&prepare](uint32_t i) { return prepare.input(i); };
  const Status status = outline(prepare, whole, axis, prepare.inputs(), part_at, params);
  return ok(status) ? prepare.evaluate_by(concatenate, params) : status;
}

Status prepare_split(Prepare& prepare) {
  const TensorInfo whole = prepare.input(1);
  uint32_t axis = 0;
  if (!constant_int32s(prepare.input(0), 1)) return prepare.refuse("the axis is not a constant");
  if (!resolve_axis(constant_int32(prepare.input(0), 0), whole.rank, axis)) {
    return prepare.refuse("the axis is not one of the input's", Status::kOutOfRange);
  }
  const int32_t parts = prepare.options().scalar<int32_t>(0, 0);
  if (parts != static_cast<int32_t>(prepare.outputs()) || whole.dims[axis] % parts != 0) {
    return prepare.refuse("there are not as many outputs as splits, or they are not equal", Status::kMalformed);
  }
  const int32_t length = whole.dims[axis] / parts;
  for (uint32_t i = 0; i < prepare.outputs(); ++i) {
    const TensorInfo part = prepare.output(i);
    if (axis >= part.rank || part.dims[axis] != length) {
      return prepare.refuse("the outputs are not equal", Status::kMalformed);
    }
  }
  Params* params = nullptr;
  const auto part_at = [&prepare](uint32_t i) { return prepare.output(i); };
  const Status status = outline(prepare, whole, axis, prepare.outputs(), part_at, params);
  return ok(status) ? prepare.evaluate_by(split, params) : status;
}

}  // namespace

constexpr uint8_t kConcatenationOptions = 10;
constexpr uint8_t kSplitOptions = 35;
const Operator kConcatenation = {OpCode::kConcatenation, kConcatenationOptions, 1, kMaxOperands, 1, 1,
                                 prepare_concatenation};
const Operator kSplit = {OpCode::kSplit, kSplitOptions, 2, 2, 1, kMaxOperands, prepare_split};

}  // namespace edged::ml::native
