// Runs many models one after the other, laid into memory by the emulator: what tests judge the engine on an emulated
// core by. For each model `load STATUS`, then for each invocation and output `output HEX`; a model that is refused is
// skipped.
#include <cstring>

#include "ml/bench/host.h"
#include "ml/engine.h"

namespace {

using edged::ml::bench::print;

// Before each model. A model lies behind at a multiple of 16, and behind it the inputs of each invocation, of all
// inputs of the model one after the other.
struct Case {
  uint32_t model_bytes;  // 0: no more
  uint32_t invocations;
  uint32_t inputs_bytes;
  uint32_t reserved;  // fills up to 16
};

constexpr uint32_t kArenaBytes = 256 * 1024;
alignas(edged::ml::kArenaAlignment) uint8_t arena[kArenaBytes];

extern "C" {
extern const uint8_t __model[];
}

uint32_t align_up(uint32_t bytes) { return (bytes + 15u) / 16u * 16u; }

void print_hex(const uint8_t* data, uint32_t count) {
  constexpr char kDigits[] = "0123456789abcdef";
  char line[65];
  while (count > 0) {
    const uint32_t part = count < 32 ? count : 32;
    for (uint32_t i = 0; i < part; ++i) {
      line[2 * i] = kDigits[data[i] >> 4];
      line[2 * i + 1] = kDigits[data[i] & 15];
    }
    line[2 * part] = 0;
    print(static_cast<const char*>(line));
    data += part;
    count -= part;
  }
}

const uint8_t* run_once(edged::ml::Engine& engine, const uint8_t* inputs) {
  for (uint32_t i = 0; i < engine.inputs(); ++i) {
    const edged::ml::Tensor input = engine.input(i);
    std::memcpy(input.data, inputs, input.bytes);
    inputs += input.bytes;
  }
  if (!edged::ok(engine.invoke())) print("failed\n");
  for (uint32_t i = 0; i < engine.outputs(); ++i) {
    const edged::ml::Tensor output = engine.output(i);
    print("output ");
    print_hex(output.data, output.bytes);
    print("\n");
  }
  return inputs;
}

}  // namespace

int main() {
  const uint8_t* at = __model;
  while (true) {
    Case one;
    std::memcpy(&one, at, sizeof(one));
    if (one.model_bytes == 0) return 0;
    const uint8_t* model = at + sizeof(one);
    const uint8_t* inputs = model + align_up(one.model_bytes);
    at = inputs + align_up(one.inputs_bytes);
    edged::ml::Engine engine;
    const edged::Status status = engine.load({model, one.model_bytes}, arena);
    print("load ");
    print(static_cast<uint32_t>(status));
    print("\n");
    for (uint32_t i = 0; edged::ok(status) && i < one.invocations; ++i) inputs = run_once(engine, inputs);
  }
}
