#include "ml/engine.h"

#include "ml/native/interpreter.h"
#include "ml/native/op.h"

namespace edged::ml {
namespace {

native::Interpreter& interpreter(void* state) { return *static_cast<native::Interpreter*>(state); }

}  // namespace

Status Engine::load(Bytes model, MutableBytes arena) {
  diagnosis_ = Diagnosis{};
  state_ = native::Interpreter::load(model, arena, diagnosis_);
  return diagnosis_.status;
}

Status Engine::invoke() { return state_ == nullptr ? Status::kWrongState : interpreter(state_).invoke(); }

void Engine::reset_state() {
  if (state_ != nullptr) interpreter(state_).reset_state();
}

uint32_t Engine::inputs() const { return state_ == nullptr ? 0 : interpreter(state_).inputs(); }
uint32_t Engine::outputs() const { return state_ == nullptr ? 0 : interpreter(state_).outputs(); }
Tensor Engine::input(uint32_t index) const { return interpreter(state_).input(index); }
Tensor Engine::output(uint32_t index) const { return interpreter(state_).output(index); }
uint32_t Engine::arena_used() const { return state_ == nullptr ? 0 : interpreter(state_).arena_used(); }
const char* Engine::name() { return "native"; }
bool Engine::has_operator(int32_t code) { return native::find_operator(static_cast<native::OpCode>(code)) != nullptr; }

}  // namespace edged::ml
