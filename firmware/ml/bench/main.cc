// Loads the model that the emulator laid into memory, invokes it for each input, prints what came out and how long it
// took. Line by line: `calibration INSTRUCTIONS TICKS`, `arena BYTES`, then per input `ticks N` and `output BYTE ...`.
//
// Ticks are SysTick's. With `qemu -icount shift=0` an instruction takes a nanosecond, and the calibration says how many
// of them a tick has.
#include "ml/bench/host.h"
#include "ml/engine.h"

namespace {

using edged::ml::bench::print;

// Laid before the inputs by who starts the emulator.
struct Job {
  uint32_t model_bytes;
  uint32_t runs;
  uint8_t inputs[];
};

constexpr uint32_t kArenaBytes = 256 * 1024;
alignas(edged::ml::kArenaAlignment) uint8_t arena[kArenaBytes];

struct SysTick {
  volatile uint32_t control;
  volatile uint32_t reload;
  volatile uint32_t value;
};
constexpr uint32_t kTickMask = 0xFFFFFF;

SysTick& systick() { return *reinterpret_cast<SysTick*>(0xE000E010u); }

void start_ticks() {
  systick().reload = kTickMask;
  systick().value = 0;
  systick().control = 5;  // enabled, the core's clock
}

uint32_t ticks() { return kTickMask - systick().value; }

void calibrate() {
  constexpr uint32_t kLoops = 1000000;
  uint32_t loops = kLoops;
  const uint32_t start = ticks();
  __asm volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(loops) : : "cc");
  const uint32_t taken = (ticks() - start) & kTickMask;
  print("calibration ");
  print(2 * kLoops);
  print(" ");
  print(taken);
  print("\n");
}

void run_once(edged::ml::Engine& engine) {
  const uint32_t start = ticks();
  const edged::Status status = engine.invoke();
  const uint32_t taken = (ticks() - start) & kTickMask;
  print("ticks ");
  print(taken);
  print(edged::ok(status) ? "\noutput" : "\nfailed");
  const edged::ml::Tensor output = engine.output(0);
  for (uint32_t i = 0; i < output.bytes; ++i) {
    print(" ");
    print(uint32_t{output.data[i]});
  }
  print("\n");
}

extern "C" {
extern const uint8_t __model[];
extern const Job __inputs;
}

}  // namespace

int main() {
  const Job& job = __inputs;
  static edged::ml::Engine engine;
  start_ticks();
  calibrate();
  if (!edged::ok(engine.load({__model, job.model_bytes}, arena))) {
    print("refused ");
    print(engine.diagnosis().what);
    print("\n");
    return 1;
  }
  print("arena ");
  print(engine.arena_used());
  print("\n");
  const uint8_t* from = job.inputs;
  for (uint32_t run = 0; run < job.runs; ++run) {
    const edged::ml::Tensor input = engine.input(0);
    for (uint32_t i = 0; i < input.bytes; ++i) input.data[i] = *from++;
    run_once(engine);
  }
  return 0;
}
