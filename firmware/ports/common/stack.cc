#include "ports/common/stack.h"

extern "C" uint32_t __stack_limit, __stack_top;

namespace edged::ports {
namespace {
constexpr uint32_t kPaint = 0x5AC3A53C;  // neither an address of any board here nor a small number
}

void paint_stack() {
  volatile uint32_t* end;
  __asm volatile("mov %0, sp" : "=r"(end));  // nothing lies below it: interrupts are off
  for (volatile uint32_t* word = &__stack_limit; word < end; ++word) *word = kPaint;
}

uint32_t untouched_stack() {
  const uint32_t* word = &__stack_limit;
  while (word < &__stack_top && *word == kPaint) ++word;
  return static_cast<uint32_t>(word - &__stack_limit) * sizeof(uint32_t);
}

}  // namespace edged::ports
