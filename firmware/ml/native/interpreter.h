// A loaded model: lies in the arena itself, with everything that it needs.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/span.h"
#include "ml/engine.h"
#include "ml/native/arena.h"
#include "ml/native/model.h"
#include "ml/native/op.h"
#include "ml/native/planner.h"

namespace edged::ml::native {

// Steps of one invoke: an integer's multiply-accumulates, and what takes as long (op.h). A Cortex-M3 executes 3 of its
// instructions for a step of a large convolution and 4 at worst (DESIGN.md); slow memory makes that 5 cycles.
constexpr uint64_t max_work(uint64_t core_hz) { return core_hz / 5 * kMaxInvokeMs / 1000; }
inline constexpr uint64_t kMaxWork = max_work(EDGED_CORE_HZ);

class Interpreter {
 public:
  // nullptr: refused, the diagnosis says why.
  [[nodiscard]] static Interpreter* load(Bytes model, MutableBytes memory, Diagnosis& diagnosis);
  [[nodiscard]] Status invoke();
  void reset_state() {
    for (const State* state = states_; state != nullptr; state = state->next) state->forget();
  }

  [[nodiscard]] uint32_t inputs() const { return model_.inputs().size(); }
  [[nodiscard]] uint32_t outputs() const { return model_.outputs().size(); }
  [[nodiscard]] Tensor input(uint32_t index) const { return tensor(model_.inputs()[index]); }
  [[nodiscard]] Tensor output(uint32_t index) const { return tensor(model_.outputs()[index]); }
  [[nodiscard]] uint32_t arena_used() const { return arena_used_; }
  [[nodiscard]] uint64_t work() const { return work_; }  // steps of one invoke, as the operators declared them

 private:
  friend class Loader;
  Interpreter() = default;
  [[nodiscard]] Tensor tensor(int32_t index) const;

  Model model_;
  Step* steps_ = nullptr;        // one for each operator
  uint8_t** tensors_ = nullptr;  // where the values of each tensor lie; nullptr: nobody uses it
  State* states_ = nullptr;
  uint64_t work_ = 0;
  uint32_t arena_used_ = 0;
};

}  // namespace edged::ml::native
