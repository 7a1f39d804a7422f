#include "ports/common/stack.h"

#include "ports/common/registers.h"

extern "C" uint32_t __stack_guard, __stack_limit, __stack_top;

namespace edged::ports {
namespace {
constexpr uint32_t kPaint = 0x5AC3A53C;  // neither an address of any board here nor a small number
}

void paint_stack() {
  volatile uint32_t* end;
  __asm volatile("mov %0, sp" : "=r"(end));  // nothing lies below it: interrupts are off
  for (volatile uint32_t* word = &__stack_limit; word < end; ++word) *word = kPaint;
}

#if __ARM_ARCH >= 8

void guard_stack() { __asm volatile("msr msplim, %0" ::"r"(&__stack_limit)); }
void unguard_stack() { __asm volatile("msr msplim, %0" ::"r"(0)); }

#else

namespace {

constexpr uint32_t kRegion = 7;  // the highest there always is, which outranks the others
// 1,024 bytes, as sections.ld leaves below the limit; nobody may do anything there. No frame of ours is larger (the
// compiler sees to it), so that none reaches over it.
constexpr uint32_t kSize1024 = 9u << 1, kNever = 1u << 28, kOn = 1;

}  // namespace

void guard_stack() {
  reg(core::kMpuRegion) = kRegion;
  reg(core::kMpuBase) = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&__stack_guard));
  reg(core::kMpuAttributes) = kNever | kSize1024 | kOn;
  reg(core::kMpuControl) = core::kMpuOn;
  barrier();
}

void unguard_stack() {
  reg(core::kMpuRegion) = kRegion;
  reg(core::kMpuAttributes) = 0;
  barrier();
}

#endif

// The core stops pushing at the limit (Armv8-M), or fails to push below it.
bool overflowed(const uint32_t* frame) { return frame >= &__stack_guard && frame <= &__stack_limit; }

uint32_t untouched_stack() {
  const uint32_t* word = &__stack_limit;
  while (word < &__stack_top && *word == kPaint) ++word;
  return static_cast<uint32_t>(word - &__stack_limit) * sizeof(uint32_t);
}

}  // namespace edged::ports
