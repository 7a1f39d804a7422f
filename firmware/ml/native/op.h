// What an operator of the engine is: prepare() once at load, and an evaluate function for each invoke.
//
// prepare() checks shapes, types and options, computes what can be computed once, asks for memory, and names the
// function that evaluates. Rules:
//  - it refuses what evaluate could not do: `return prepare.refuse("why")`; evaluate checks nothing;
//  - memory: ask for all of it first (persistent, scratch), then leave by `return prepare.no_memory()` if the last
//  pointer
//    is nullptr (once one is, all later ones are). The engine goes on with the next operators, and so knows what would
//    have been needed;
//  - it declares work() if evaluate does much more than touch each element of its operands once (kStepsPerElement).
// TensorInfo (model.h) is what the model says of a tensor; it exists during load only.
//
// An operator is a `const Operator` with external linkage in a file of ops/, and a line in registry.cc.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/result.h"
#include "core/span.h"
#include "ml/engine.h"
#include "ml/native/arena.h"
#include "ml/native/model.h"
#include "ml/native/quantize.h"

namespace edged::ml::native {

// Of an element that is read or written, which may mean to scale and round it: 50 instructions of a Cortex-M3 at worst.
inline constexpr uint32_t kStepsPerElement = 12;
// How much longer float32 takes than integers: without an FPU, each operation is a function.
inline constexpr uint32_t kFloatCost = EDGED_FLOAT_COST;

struct Piece;
class Evaluation;

// kOk, or why the values in the tensors cannot be computed with (an index out of range): only for what depends on data.
using Evaluate = Status (*)(const Evaluation&);

// One operator of the model as it stays in the arena.
struct Step {
  Evaluate evaluate;
  const void* params;
  uint8_t* scratch;
  const int32_t* inputs;   // in the model
  const int32_t* outputs;  // likewise
};

// What an operator keeps from one invoke to the next. All of a model hang together, for who wants them forgotten.
struct State {
  State* next;
  void* memory;
  uint32_t bytes;
  uint8_t initial;  // each byte's value

  void forget() const { std::memset(memory, initial, bytes); }
};

// What evaluate() works on.
class Evaluation {
 public:
  Evaluation(const Step& step, uint8_t* const* tensors) : step_(step), tensors_(tensors) {}

  // nullptr for an optional operand that was left out.
  template <typename T>
  [[nodiscard]] const T* input(uint32_t i) const {
    const auto count = static_cast<uint32_t>(step_.inputs[-1]);  // the length of a vector stands before its elements
    return i >= count || step_.inputs[i] < 0 ? nullptr : reinterpret_cast<const T*>(tensors_[step_.inputs[i]]);
  }
  template <typename T>
  [[nodiscard]] T* output(uint32_t i) const {
    return reinterpret_cast<T*>(tensors_[step_.outputs[i]]);
  }
  // As many bytes as were asked for, at a multiple of kArenaAlignment.
  template <typename T>
  [[nodiscard]] T* scratch() const {
    return reinterpret_cast<T*>(step_.scratch);
  }
  template <typename T>
  [[nodiscard]] const T& params() const {
    return *static_cast<const T*>(step_.params);
  }

 private:
  const Step& step_;
  uint8_t* const* tensors_;
};

class Prepare {
 public:
  Prepare(const Model& model, uint32_t index, Arena& arena, Span<Piece> pieces, Step& step, State*& states,
          Diagnosis& diagnosis);

  // Reads and checks all operands, notes where constants lie. Called by the engine before prepare().
  [[nodiscard]] Status read_operands(uint8_t** tensors);

  [[nodiscard]] uint32_t inputs() const { return operation_.inputs.size(); }
  [[nodiscard]] uint32_t outputs() const { return operation_.outputs.size(); }
  [[nodiscard]] bool has_input(uint32_t i) const { return i < inputs() && operation_.inputs[i] >= 0; }
  // An operand that was left out, or that is beyond the last, is one of which present() is false.
  [[nodiscard]] TensorInfo input(uint32_t i) const { return tensor(operation_.inputs, i); }
  [[nodiscard]] TensorInfo output(uint32_t i) const { return tensor(operation_.outputs, i); }
  // The options; every field reads as its default where the model has none.
  [[nodiscard]] const Table& options() const { return operation_.options; }
  [[nodiscard]] uint8_t options_type() const { return operation_.options_type; }
  [[nodiscard]] OpCode code() const { return operation_.code; }

  // Memory for parameters, kept while the model is loaded; not initialised. nullptr: see no_memory().
  template <typename T>
  [[nodiscard]] T* persistent(uint32_t count = 1) {
    return arena_.persistent<T>(count);
  }
  // Memory for a variable tensor, which begins as TFLM has it: int8 at its zero point, everything else as zero bytes.
  [[nodiscard]] void* state(const TensorInfo& tensor);
  // Memory for one evaluation only. Its size may be asked for once.
  void scratch(uint64_t bytes);
  // The output may lie where the input lies, if that is not used later and has as many bytes: evaluate then gets the
  // same pointer for both. Only for operators that read an element before, and never after, they write it.
  void in_place(uint32_t output, uint32_t input);
  // Multiply-accumulates, or steps of like cost, of one evaluation.
  void work(uint64_t steps) { work_ += steps; }

  [[nodiscard]] Status refuse(const char* what, Status status = Status::kUnsupported) {
    return native::refuse(diagnosis_, status, what);
  }
  [[nodiscard]] Status no_memory() const { return Status::kTooLarge; }
  // What prepare() ends with.
  [[nodiscard]] Status evaluate_by(Evaluate evaluate, const void* params) {
    step_.evaluate = evaluate;
    step_.params = params;
    return Status::kOk;
  }

  // The same, and keeps a copy of the parameters: the last request for memory.
  template <typename Params>
  [[nodiscard]] Status evaluate_with(Evaluate evaluate, const Params& params) {
    auto* kept = persistent<Params>();
    if (kept == nullptr) return no_memory();
    *kept = params;
    return evaluate_by(evaluate, kept);
  }

  [[nodiscard]] uint64_t declared_work() const { return work_ * cost_; }

 private:
  [[nodiscard]] TensorInfo tensor(const Vector<int32_t>& indices, uint32_t i) const;

  const Model& model_;
  Operation operation_;
  uint32_t index_;
  Arena& arena_;
  Span<Piece> pieces_;  // of the tensors, then one for the scratch of each operator
  Step& step_;
  State*& states_;
  Diagnosis& diagnosis_;
  uint64_t work_ = 0;
  uint32_t cost_ = 1;
};

struct Operator {
  OpCode code;
  uint8_t options_type;  // BuiltinOptions that its options are, if the model has any
  uint8_t min_inputs;    // operands that are present; more may follow
  uint8_t max_inputs;
  uint8_t min_outputs;
  uint8_t max_outputs;
  Status (*prepare)(Prepare&);
};

inline constexpr uint8_t kNoOptions = 0;

// nullptr: not one of this build.
[[nodiscard]] const Operator* find_operator(OpCode code);

}  // namespace edged::ml::native
