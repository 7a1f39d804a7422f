#include "ml/native/interpreter.h"

#include <initializer_list>
#include <new>

namespace edged::ml::native {

// The order of load(): check the model, note lifetimes, prepare operators, plan, give out addresses.
class Loader {
 public:
  Loader(Interpreter& interpreter, Arena& arena, Diagnosis& diagnosis)
      : self_(interpreter), model_(interpreter.model_), arena_(arena), diagnosis_(diagnosis) {}

  Status load(Bytes bytes) {
    if (!ok(model_.open(bytes, diagnosis_)) || !ok(take_tables()) || !ok(note_lifetimes()) || !ok(prepare())) {
      return diagnosis_.status;
    }
    const uint64_t planned = plan(pieces_);
    const uint64_t at_start = planned > pieces_bytes() ? planned : pieces_bytes();
    if (!arena_.fits(at_start)) return too_small(at_start);
    self_.arena_used_ = static_cast<uint32_t>(arena_.lasting() + at_start);
    give_addresses();
    return Status::kOk;
  }

 private:
  [[nodiscard]] uint64_t pieces_bytes() const {
    return align_up(uint64_t{model_.tensors() + model_.operations()} * sizeof(Piece), kArenaAlignment);
  }

  Status too_small(uint64_t at_start) {
    const uint64_t needed = arena_.lasting() + at_start;
    diagnosis_.op_index = diagnosis_.op_code = -1;
    diagnosis_.needed = needed > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(needed);
    return refuse(diagnosis_, Status::kTooLarge, "the arena is too small");
  }

  // Where even these do not fit, what is told as needed is not all: the operators were not asked yet.
  Status take_tables() {
    self_.tensors_ = arena_.persistent<uint8_t*>(model_.tensors());
    self_.steps_ = arena_.persistent<Step>(model_.operations());
    if (!arena_.fits(pieces_bytes())) return too_small(pieces_bytes());
    arena_.reserve_start(pieces_bytes());
    pieces_ = {reinterpret_cast<Piece*>(arena_.base()), model_.tensors() + model_.operations()};
    for (Piece& piece : pieces_) piece = Piece{};
    for (uint32_t i = 0; i < model_.tensors(); ++i) self_.tensors_[i] = nullptr;
    for (uint32_t i = 0; i < model_.operations(); ++i) self_.steps_[i] = Step{};
    return Status::kOk;
  }

  Piece& piece(int32_t tensor) { return pieces_[static_cast<size_t>(tensor)]; }

  Status note_lifetimes() {
    for (uint32_t i = 0; i < model_.inputs().size(); ++i) piece(model_.inputs()[i]).first = 0;
    for (uint32_t i = 0; i < model_.operations(); ++i) {
      const Operation operation = model_.operation(i);
      const auto now = static_cast<uint16_t>(i);
      for (uint32_t k = 0; k < operation.inputs.size(); ++k) {
        if (operation.inputs[k] >= 0) piece(operation.inputs[k]).last = now;
      }
      for (uint32_t k = 0; k < operation.outputs.size(); ++k) {
        piece(operation.outputs[k]).first = piece(operation.outputs[k]).last = now;
      }
    }
    const auto end = static_cast<uint16_t>(model_.operations());
    for (uint32_t i = 0; i < model_.outputs().size(); ++i) piece(model_.outputs()[i]).last = end;
    return note_ends();
  }

  // Inputs and outputs of the graph count also where no operator touches them.
  Status note_ends() {
    for (const Vector<int32_t>* ends : {&model_.inputs(), &model_.outputs()}) {
      for (uint32_t i = 0; i < ends->size(); ++i) {
        TensorInfo info;
        if (!ok(model_.tensor((*ends)[i], info, diagnosis_))) return diagnosis_.status;
        if (info.constant != nullptr || info.variable) {
          return refuse(diagnosis_, Status::kUnsupported, "an input or output of the graph is a constant or a state");
        }
        piece((*ends)[i]).bytes = info.bytes;
      }
    }
    return Status::kOk;
  }

  Status prepare() {
    for (uint32_t i = 0; i < model_.operations(); ++i) {
      Prepare prepare(model_, i, arena_, pieces_, self_.steps_[i], self_.states_, diagnosis_);
      diagnosis_.op_index = static_cast<int32_t>(i);
      diagnosis_.op_code = static_cast<int32_t>(prepare.code());
      const Operator* op = find_operator(prepare.code());
      if (op == nullptr) {
        diagnosis_.custom = model_.custom_name(i);
        return prepare.refuse("operator is not supported");
      }
      if (!ok(check(*op, prepare)) || !ok(prepare.read_operands(self_.tensors_))) return diagnosis_.status;
      const Status status = op->prepare(prepare);
      if (!ok(diagnosis_.status)) return diagnosis_.status;
      if (model_.broken()) return prepare.refuse("the options are damaged", Status::kMalformed);
      if (!ok(status) && status != prepare.no_memory()) return prepare.refuse("cannot be prepared", status);
      self_.work_ += prepare.declared_work();
      if (self_.work_ > kMaxWork) return prepare.refuse("too slow for this core", Status::kTooLarge);
    }
    diagnosis_.op_index = diagnosis_.op_code = -1;
    return Status::kOk;
  }

  static Status check(const Operator& op, Prepare& prepare) {
    if (prepare.inputs() < op.min_inputs || prepare.inputs() > op.max_inputs || prepare.outputs() < op.min_outputs ||
        prepare.outputs() > op.max_outputs) {
      return prepare.refuse("too few or too many operands", Status::kMalformed);
    }
    for (uint32_t i = 0; i < op.min_inputs; ++i) {
      if (!prepare.has_input(i)) return prepare.refuse("a required operand was left out", Status::kMalformed);
    }
    if (prepare.options().present() && prepare.options_type() != op.options_type) {
      return prepare.refuse("the options are those of another", Status::kMalformed);
    }
    return Status::kOk;
  }

  // The pieces lie where tensors will: addresses are taken before anything is written to a tensor.
  void give_addresses() {
    for (uint32_t i = 0; i < model_.tensors(); ++i) {
      if (pieces_[i].first != Piece::kNever) self_.tensors_[i] = arena_.base() + pieces_[i].offset;
    }
    for (uint32_t i = 0; i < model_.operations(); ++i) {
      const Piece& scratch = pieces_[model_.tensors() + i];
      if (scratch.takes_memory()) self_.steps_[i].scratch = arena_.base() + scratch.offset;
    }
  }

  Interpreter& self_;
  Model& model_;
  Arena& arena_;
  Diagnosis& diagnosis_;
  Span<Piece> pieces_;
};

Interpreter* Interpreter::load(Bytes model, MutableBytes memory, Diagnosis& diagnosis) {
  Arena arena(memory);
  auto* place = arena.persistent<Interpreter>();
  if (place == nullptr) {
    diagnosis.needed = static_cast<uint32_t>(arena.lasting());
    static_cast<void>(refuse(diagnosis, Status::kTooLarge, "the arena is too small"));
    return nullptr;
  }
  auto* self = new (place) Interpreter();
  return ok(Loader(*self, arena, diagnosis).load(model)) ? self : nullptr;
}

Status Interpreter::invoke() {
  for (uint32_t i = 0; i < model_.operations(); ++i) {
    const Status status = steps_[i].evaluate(Evaluation(steps_[i], tensors_));
    if (!ok(status)) return status;
  }
  return Status::kOk;
}

Tensor Interpreter::tensor(int32_t index) const {
  TensorInfo info;
  Diagnosis diagnosis;
  static_cast<void>(model_.tensor(index, info, diagnosis));  // load() found it sound
  Tensor tensor;
  tensor.type = info.type;
  tensor.rank = static_cast<uint8_t>(info.rank);
  for (uint32_t i = 0; i < info.rank; ++i) tensor.dims[i] = info.dims[i];
  tensor.scale = info.scale();
  tensor.zero_point = info.zero_point();
  tensor.data = tensors_[index];
  tensor.bytes = info.bytes;
  return tensor;
}

}  // namespace edged::ml::native
