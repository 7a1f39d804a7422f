// hal::System of every Cortex-M: time by SysTick, sleep by WFI, the watchdog of the board or SysTick in its place.
#include "hal/system.h"
#include "facts.h"
#include "ports/common/board.h"
#include "ports/common/registers.h"
#include "ports/common/reset_note.h"
#include "ports/common/stack.h"

namespace edged::ports {
namespace {

constexpr uint32_t kTicksHz = 1000;
constexpr uint32_t kTickNanos = 1000000000u / kTicksHz;
constexpr uint32_t kReload = facts::kCoreHz / kTicksHz - 1;
static_assert(kReload < (1u << 24), "SysTick counts 24 bits");

volatile uint32_t elapsed_ms;
volatile uint32_t watchdog_left_ms;  // 0: SysTick does not stand in for a watchdog
volatile uint32_t watchdog_period_ms;

[[noreturn]] void reset_now() {
  barrier();
  reg(core::kResetControl) = 0x05FA0004;  // SYSRESETREQ, under its key
  for (;;) barrier();
}

void start_clock() {
  reg(core::kSysTickReload) = kReload;
  reg(core::kSysTickValue) = 0;
  reg(core::kSysTickControl) = 7;          // counts the core clock, interrupts, runs
  while (reg(core::kSysTickValue) == 0) {  // it loads with its next tick; until then nanos() would stand still
  }
}

class CortexM final : public hal::System {
 public:
  CortexM() { start_clock(); }
  const char* board() const override { return facts::kBoard; }
  uint32_t micros() override { return static_cast<uint32_t>(nanos() / 1000); }
  uint32_t millis() override { return elapsed_ms; }

  // SysTick wakes it after a millisecond at most, so that a caller may always count on coming back.
  void idle(uint32_t at_most_ms) override {
    if (at_most_ms != 0) __asm volatile("wfi");
  }

  void start_watchdog(uint32_t timeout_ms) override {
    expect_ending(hal::ResetReason::kWatchdog);
    if (board::start_watchdog(timeout_ms)) return;
    watchdog_period_ms = timeout_ms;
    watchdog_left_ms = timeout_ms;
  }

  void feed_watchdog() override {
    board::feed_watchdog();
    if (watchdog_left_ms != 0) watchdog_left_ms = watchdog_period_ms;
  }

  [[noreturn]] void reset() override {
    disable_interrupts();
    expect_ending(hal::ResetReason::kRequested);
    reset_now();
  }

  hal::ResetReason reset_reason() override { return previous_ending(); }
  uint32_t stack_free() override { return untouched_stack(); }
};

CortexM cortex_m;

}  // namespace

hal::System& system() { return cortex_m; }

uint64_t nanos() {
  static uint64_t latest = 0;
  uint32_t before = 0;
  uint32_t left = 0;
  do {  // the millisecond may turn between the two readings: then they are taken again
    before = elapsed_ms;
    left = reg(core::kSysTickValue);
  } while (elapsed_ms != before);
  uint64_t now =
      static_cast<uint64_t>(before) * kTickNanos + static_cast<uint64_t>(kReload - left) * 1000000000u / facts::kCoreHz;
  if (now < latest) now += kTickNanos;  // the counter has turned, and its interrupt is on the way
  latest = now;
  return now;
}

void jump(uint32_t vectors) {
  disable_interrupts();
  reg(core::kSysTickControl) = 0;
  for (uint32_t word = 0; word < core::kInterruptWords; ++word) {
    reg(core::kInterruptDisable + 4 * word) = 0xFFFFFFFFu;
    reg(core::kInterruptUnpend + 4 * word) = 0xFFFFFFFFu;
  }
  reg(core::kInterruptState) = 1u << 25;  // and a tick that was due
  barrier();
  const auto* table = reinterpret_cast<const uint32_t*>(static_cast<uintptr_t>(vectors));
  __asm volatile("msr msp, %0\n\tbx %1" ::"r"(table[0]), "r"(table[1]) : "memory");
  __builtin_unreachable();
}

}  // namespace edged::ports

extern "C" void SysTick_Handler() {
  using namespace edged::ports;
  elapsed_ms = elapsed_ms + 1;
  if (watchdog_left_ms == 0) return;
  watchdog_left_ms = watchdog_left_ms - 1;
  if (watchdog_left_ms == 0) reset_now();
}
