// RESHAPE: the same bytes under another shape. The output tensor's shape is what counts, as a converter wrote it.
#include <cstring>

#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

struct Params {
  uint32_t bytes;
};

Status evaluate(const Evaluation& evaluation) {
  const auto* from = evaluation.input<uint8_t>(0);
  auto* to = evaluation.output<uint8_t>(0);
  if (to != from) std::memcpy(to, from, evaluation.params<Params>().bytes);
  return Status::kOk;
}

Status prepare(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  if (from.type != to.type || from.bytes != to.bytes) {
    return prepare.refuse("the output does not have the type and the elements of the input", Status::kMalformed);
  }
  prepare.in_place(0, 0);
  return prepare.evaluate_with(evaluate, Params{to.bytes});
}

}  // namespace

constexpr uint8_t kReshapeOptions = 17;
const Operator kReshape = {OpCode::kReshape, kReshapeOptions, 1, 2, 1, 1, prepare};

}  // namespace edged::ml::native
