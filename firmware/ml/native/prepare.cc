#include "ml/native/op.h"

#include <initializer_list>

#include "ml/native/planner.h"

namespace edged::ml::native {

Prepare::Prepare(const Model& model, uint32_t index, Arena& arena, Span<Piece> pieces, Step& step, State*& states,
                 Diagnosis& diagnosis)
    : model_(model),
      operation_(model.operation(index)),
      index_(index),
      arena_(arena),
      pieces_(pieces),
      step_(step),
      states_(states),
      diagnosis_(diagnosis) {
  step_.inputs = reinterpret_cast<const int32_t*>(operation_.inputs.data());
  step_.outputs = reinterpret_cast<const int32_t*>(operation_.outputs.data());
}

Status Prepare::read_operands(uint8_t** tensors) {
  for (const Vector<int32_t>* operands : {&operation_.inputs, &operation_.outputs}) {
    if (reinterpret_cast<uintptr_t>(operands->data()) % alignof(int32_t) != 0) {
      return refuse("the list of operands is not aligned", Status::kMalformed);
    }
    for (uint32_t i = 0; i < operands->size(); ++i) {
      TensorInfo info;
      if ((*operands)[i] < 0) continue;
      const auto index = static_cast<size_t>((*operands)[i]);
      if (!ok(model_.tensor((*operands)[i], info, diagnosis_))) return diagnosis_.status;
      if (info.variable && code() != OpCode::kSvdf) {
        return refuse("a state is not supported here", Status::kUnsupported);
      }
      pieces_[index].bytes = info.bytes;
      if (info.type == Type::kFloat32) cost_ = kFloatCost;
      if (info.constant == nullptr) {
        work_ += info.elements * kStepsPerElement;
      } else {  // it is only read; operators have no other way to it than as const
        tensors[index] = const_cast<uint8_t*>(info.constant);
      }
    }
  }
  return Status::kOk;
}

TensorInfo Prepare::tensor(const Vector<int32_t>& indices, uint32_t i) const {
  TensorInfo info;
  if (i < indices.size() && indices[i] >= 0) {
    static_cast<void>(model_.tensor(indices[i], info, diagnosis_));  // read_operands() found it sound
  }
  return info;
}

void* Prepare::state(const TensorInfo& tensor) {
  constexpr uint32_t kUnit = sizeof(uint64_t);  // the largest element that a tensor may have
  auto* memory = persistent<uint64_t>((tensor.bytes + kUnit - 1) / kUnit);
  auto* state = persistent<State>();
  if (state == nullptr) return nullptr;
  const int32_t initial = tensor.type == Type::kInt8 ? tensor.zero_point() : 0;
  *state = {states_, memory, tensor.bytes, static_cast<uint8_t>(initial)};
  state->forget();
  states_ = state;
  return memory;
}

void Prepare::scratch(uint64_t bytes) {
  Piece& piece = pieces_[model_.tensors() + index_];
  piece.bytes = static_cast<uint32_t>(bytes < kMaxArenaBytes ? bytes : kMaxArenaBytes);
  piece.first = piece.last = static_cast<uint16_t>(index_);
}

void Prepare::in_place(uint32_t output, uint32_t input) {
  const int32_t from = operation_.inputs[input];
  if (from < 0) return;
  const auto to = static_cast<size_t>(operation_.outputs[output]);
  const Piece& origin = pieces_[static_cast<size_t>(from)];
  if (origin.first == Piece::kNever || origin.bytes != pieces_[to].bytes) return;
  const auto root = origin.same_as == Piece::kNone ? static_cast<uint16_t>(from) : origin.same_as;
  if (pieces_[root].last != index_) return;
  pieces_[to].same_as = root;
  if (pieces_[to].last > pieces_[root].last) pieces_[root].last = pieces_[to].last;
}

}  // namespace edged::ml::native
