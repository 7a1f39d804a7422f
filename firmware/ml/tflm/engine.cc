#include "ml/engine.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <new>

#include "ml/tflm/check.h"
#include "ml/tflm/log.h"
#include "ml/tflm/resolver.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"

namespace edged::ml {
namespace {

// Lies at the start of the arena; behind it TFLM keeps all that it needs.
struct State {
  tflm::Resolver resolver;
  alignas(tflite::MicroInterpreter) uint8_t memory[sizeof(tflite::MicroInterpreter)];
  tflite::MicroInterpreter* interpreter = nullptr;  // once the model is known to be sound
  uint32_t before = 0;                              // bytes of the arena in front of TFLM's part
};

constexpr size_t aligned(size_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }
constexpr size_t kStateBytes = aligned(sizeof(State));

tflite::MicroInterpreter& interpreter(void* state) { return *static_cast<State*>(state)->interpreter; }

Status refuse(Diagnosis& diagnosis, Status status, const char* what) {
  diagnosis.status = status;
  diagnosis.what = what;
  return status;
}

// TFLM says what went wrong in words alone, and nothing at all where its library has none.
Status refuse_in_its_words(Diagnosis& diagnosis) {
  const char* said = tflm::first_message();
  if (said == nullptr) {
    return refuse(diagnosis, Status::kUnsupported, "an operator cannot be prepared, or the arena is too small");
  }
  for (const char* word : {"allocate", "resize buffer", "Arena size"}) {
    if (std::strstr(said, word) != nullptr) return refuse(diagnosis, Status::kTooLarge, said);
  }
  return refuse(diagnosis, Status::kUnsupported, said);
}

Tensor described(const TfLiteTensor& from) {
  Tensor tensor;
  switch (from.type) {
    case kTfLiteFloat32:
      tensor.type = Type::kFloat32;
      break;
    case kTfLiteInt32:
      tensor.type = Type::kInt32;
      break;
    case kTfLiteUInt8:
      tensor.type = Type::kUint8;
      break;
    case kTfLiteInt64:
      tensor.type = Type::kInt64;
      break;
    case kTfLiteBool:
      tensor.type = Type::kBool;
      break;
    case kTfLiteInt16:
      tensor.type = Type::kInt16;
      break;
    default:
      tensor.type = Type::kInt8;
      break;
  }
  tensor.rank = static_cast<uint8_t>(from.dims->size);
  for (int i = 0; i < from.dims->size; ++i) tensor.dims[i] = from.dims->data[i];
  tensor.scale = from.params.scale;
  tensor.zero_point = from.params.zero_point;
  tensor.data = from.data.uint8;
  tensor.bytes = static_cast<uint32_t>(from.bytes);
  return tensor;
}

bool has_name_here(TfLiteType type) {
  return type == kTfLiteFloat32 || type == kTfLiteInt32 || type == kTfLiteUInt8 || type == kTfLiteInt64 ||
         type == kTfLiteBool || type == kTfLiteInt16 || type == kTfLiteInt8;
}

// What Engine's callers rely on of inputs and outputs: a place in memory that may be written, and a type of the list.
bool are_usable(tflite::MicroInterpreter& interpreter, MutableBytes arena) {
  const auto usable = [&arena](const TfLiteTensor* tensor) {
    return tensor != nullptr && tensor->data.uint8 >= arena.begin() &&
           tensor->data.uint8 + tensor->bytes <= arena.end() && tensor->dims != nullptr && has_name_here(tensor->type);
  };
  for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
    if (!usable(interpreter.input(i))) return false;
  }
  for (size_t i = 0; i < interpreter.outputs_size(); ++i) {
    if (!usable(interpreter.output(i))) return false;
  }
  return true;
}

// Makes the interpreter in `state`, with `rest` for its memory.
Status prepare(State& state, const tflm::Checked& checked, MutableBytes rest, Diagnosis& diagnosis) {
  if (rest.size() < tflite::MicroAllocator::GetDefaultTailUsage(false) + kArenaAlignment) {
    return refuse(diagnosis, Status::kTooLarge, "the arena is too small");
  }
  tflm::listen();
  tflite::MicroAllocator* allocator = tflite::MicroAllocator::Create(rest.data(), rest.size());
  tflite::MicroResourceVariables* variables = nullptr;
  if (checked.variables > 0) {
    variables = tflite::MicroResourceVariables::Create(allocator, static_cast<int>(checked.variables));
    if (variables == nullptr) return refuse(diagnosis, Status::kTooLarge, "the arena is too small");
  }
  auto* made = new (state.memory) tflite::MicroInterpreter(checked.model, state.resolver, allocator, variables);
  if (made->AllocateTensors() != kTfLiteOk) return refuse_in_its_words(diagnosis);
  if (!are_usable(*made, rest)) {
    return refuse(diagnosis, Status::kUnsupported,
                  "an input or output is a constant, or of a type that is not supported");
  }
  state.interpreter = made;
  return Status::kOk;
}

}  // namespace

Status Engine::load(Bytes model, MutableBytes arena) {
  diagnosis_ = Diagnosis{};
  state_ = nullptr;
  const auto start = reinterpret_cast<uintptr_t>(arena.data());
  const size_t before = aligned(start) - start + kStateBytes;
  if (arena.size() < before) return refuse(diagnosis_, Status::kTooLarge, "the arena is too small");
  const MutableBytes rest = arena.from(before);
  State& state = *new (rest.data() - kStateBytes) State;
  state.before = static_cast<uint32_t>(before);
  if (!tflm::add_operators(state.resolver)) {
    return refuse(diagnosis_, Status::kUnsupported, "TFLM's library lacks an operator that was asked for");
  }
  const tflm::Checked checked = tflm::check(model, rest, state.resolver, diagnosis_);
  if (checked.model == nullptr) return diagnosis_.status;
  if (const Status status = prepare(state, checked, rest, diagnosis_); !ok(status)) return status;
  state_ = &state;
  return Status::kOk;
}

Status Engine::invoke() {
  if (state_ == nullptr) return Status::kWrongState;
  return interpreter(state_).Invoke() == kTfLiteOk ? Status::kOk : Status::kUnsupported;
}

// After load() all operators were prepared, so that TFLM has nothing to object.
void Engine::reset_state() {
  if (state_ != nullptr) static_cast<void>(interpreter(state_).Reset());
}

uint32_t Engine::inputs() const {
  return state_ == nullptr ? 0 : static_cast<uint32_t>(interpreter(state_).inputs_size());
}
uint32_t Engine::outputs() const {
  return state_ == nullptr ? 0 : static_cast<uint32_t>(interpreter(state_).outputs_size());
}
Tensor Engine::input(uint32_t index) const { return described(*interpreter(state_).input(index)); }
Tensor Engine::output(uint32_t index) const { return described(*interpreter(state_).output(index)); }
uint32_t Engine::arena_used() const {
  if (state_ == nullptr) return 0;
  return static_cast<State*>(state_)->before + static_cast<uint32_t>(interpreter(state_).arena_used_bytes());
}
const char* Engine::name() { return "tflm"; }
bool Engine::has_operator(int32_t code) {
  return std::binary_search(std::begin(tflm::kCodes), std::end(tflm::kCodes), code);
}

}  // namespace edged::ml
