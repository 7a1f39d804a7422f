// What stands between reset and main() on an emulated core: vectors, FPU, zeroed memory. Nothing here is for a board:
// the start-up of ports/common brings a console and ticks, whose interrupts would be among the instructions counted.
#include <cstdint>

#include "ml/bench/host.h"

int main();

extern "C" {

extern uint32_t __bss_start, __bss_end, __stack_top;

[[noreturn]] void reset() {
  // Coprocessors 10 and 11, FPU and MVE: on cores without, the bits stay zero.
  auto* access = reinterpret_cast<volatile uint32_t*>(0xE000ED88u);
  *access = *access | (0xFu << 20);
  __asm volatile("dsb\nisb");
  for (uint32_t* word = &__bss_start; word < &__bss_end; ++word) *word = 0;
  edged::ml::bench::exit(main());
}

[[noreturn]] void fault() {
  edged::ml::bench::print("fault\n");
  edged::ml::bench::exit(1);
}

using Vector = void (*)();
[[gnu::section(".vectors"), gnu::used]] const Vector vectors[16] = {reinterpret_cast<Vector>(&__stack_top),
                                                                    reset,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault,
                                                                    fault};
}
