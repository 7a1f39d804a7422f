#include "app/testing/fake_engine.h"

#include <cstring>

namespace edged::app::testing {

void (*on_invoke)() = [] {};

namespace {

constexpr uint32_t kOutputBytes = 4;
constexpr uint8_t kCustom[] = {'t', 'w', 'i', 's', 't'};

struct NoText {
  uint8_t bytes[5000];
  NoText() { std::memset(bytes, 0xFE, sizeof bytes); }  // stands nowhere in UTF-8
};

// At the start of the arena; inputs and the output come behind.
struct Loaded {
  FakeModel model;
  uint8_t sum;
};

Loaded& loaded(void* state) { return *static_cast<Loaded*>(state); }

ml::Tensor tensor(void* state, uint32_t offset, uint32_t bytes) {
  ml::Tensor result;
  result.rank = 1;
  result.dims[0] = static_cast<int32_t>(bytes);
  result.data = static_cast<uint8_t*>(state) + ml::kArenaAlignment + offset;
  result.bytes = bytes;
  return result;
}

}  // namespace
}  // namespace edged::app::testing

namespace edged::ml {

using namespace app::testing;

Status Engine::load(Bytes model, MutableBytes arena) {
  FakeModel made;
  state_ = nullptr;
  diagnosis_ = Diagnosis{};
  if (model.size() == sizeof made) std::memcpy(&made, model.data(), sizeof made);
  if (model.size() != sizeof made || made.refused != 0) {
    static const NoText no_text;
    const Bytes name = made.refused == 2 ? Bytes(no_text.bytes) : Bytes(kCustom);
    diagnosis_ = {Status::kUnsupported, "operator is not supported", 3, 32, 0, name};
    return diagnosis_.status;
  }
  state_ = arena.data();
  loaded(state_) = {made, 0};
  return Status::kOk;
}

Status Engine::invoke() {
  on_invoke();
  loaded(state_).sum = static_cast<uint8_t>(loaded(state_).sum + *input(0).data);
  std::memset(output(0).data, loaded(state_).sum, kOutputBytes);
  return Status::kOk;
}

void Engine::reset_state() {
  if (state_ != nullptr) loaded(state_).sum = 0;
}

uint32_t Engine::inputs() const { return state_ == nullptr ? 0 : loaded(state_).model.inputs; }
uint32_t Engine::outputs() const { return state_ == nullptr ? 0 : 1; }
Tensor Engine::input(uint32_t) const { return tensor(state_, kOutputBytes, loaded(state_).model.input_bytes); }
Tensor Engine::output(uint32_t) const { return tensor(state_, 0, kOutputBytes); }
uint32_t Engine::arena_used() const { return kArenaAlignment; }
const char* Engine::name() { return "fake"; }
bool Engine::has_operator(int32_t code) { return code == 9 || code == 114; }

}  // namespace edged::ml
