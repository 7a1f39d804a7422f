// PAD and PADV2: a tensor with a margin of one value around it; of PAD that is what stands for zero.
#include <cstring>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"
#include "ml/native/ops/strided_copy.h"

namespace edged::ml::native {
namespace {

struct Params {
  StridedCopy copy;
  uint32_t bytes;  // of the output
  uint32_t element;
  uint32_t value;  // of the margin, in its first bytes
};

Status evaluate(const Evaluation& evaluation) {
  const auto& params = evaluation.params<Params>();
  auto* to = evaluation.output<uint8_t>(0);
  if (params.element == 1) {
    std::memset(to, static_cast<uint8_t>(params.value), params.bytes);
  } else {
    for (uint32_t at = 0; at < params.bytes; at += params.element) std::memcpy(to + at, &params.value, params.element);
  }
  copy(params.copy, evaluation.input<uint8_t>(0), to);
  return Status::kOk;
}

Status find_value(Prepare& prepare, const TensorInfo& from, Params& params) {
  const TensorInfo value = prepare.input(2);
  if (!value.present()) {
    const auto zero = static_cast<int16_t>(from.zero_point());
    params.value = static_cast<uint32_t>(params.element == 1 ? zero & 0xff : 0);
    return Status::kOk;
  }
  if (value.constant == nullptr || value.elements != 1) {
    return prepare.refuse("the value of the margin is not one constant");
  }
  if (!same_meaning(from, value)) return prepare.refuse(kNotSameMeaning);
  params.value = 0;
  std::memcpy(&params.value, value.constant, params.element);
  return Status::kOk;
}

// Outlines the input within the output. false: the shapes and the widths of the margins do not go together.
bool outline(const TensorInfo& from, const TensorInfo& to, const TensorInfo& margins, StridedCopy& copy) {
  const auto element = static_cast<int32_t>(element_size(from.type));
  copy = {};
  copy.block = static_cast<uint32_t>(element);
  int32_t from_step = element;
  int32_t to_step = element;
  for (uint32_t i = from.rank; i-- > 0;) {
    const int32_t before = constant_int32(margins, 2 * i);
    const int32_t after = constant_int32(margins, 2 * i + 1);
    if (before < 0 || after < 0 || to.dims[i] != int64_t{from.dims[i]} + before + after) return false;
    copy.wrap(from.dims[i], from_step, to_step);
    copy.to_start += before * to_step;
    from_step *= from.dims[i];
    to_step *= to.dims[i];
  }
  return true;
}

Status prepare(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo margins = prepare.input(1);
  const TensorInfo to = prepare.output(0);
  if (from.type != Type::kInt8 && from.type != Type::kInt16 && from.type != Type::kInt32 &&
      from.type != Type::kFloat32) {
    return prepare.refuse(kNoneOfFourTypes);
  }
  if (!same_meaning(from, to)) return prepare.refuse(kNotSameMeaning);
  if (from.rank != to.rank || !constant_int32s(margins, 2 * from.rank)) {
    return prepare.refuse("the widths of the margins are not constants, two for each dimension");
  }
  auto* params = prepare.persistent<Params>();
  if (params == nullptr) return prepare.no_memory();
  params->bytes = to.bytes;
  params->element = element_size(from.type);
  if (!outline(from, to, margins, params->copy)) {
    return prepare.refuse("the output is not as large as the input and its margins", Status::kMalformed);
  }
  if (const Status status = find_value(prepare, from, *params); !ok(status)) return status;
  return prepare.evaluate_by(evaluate, params);
}

}  // namespace

constexpr uint8_t kPadOptions = 22;
constexpr uint8_t kPadV2Options = 43;
const Operator kPad = {OpCode::kPad, kPadOptions, 2, 2, 1, 1, prepare};
const Operator kPadv2 = {OpCode::kPadV2, kPadV2Options, 3, 3, 1, 1, prepare};

}  // namespace edged::ml::native
