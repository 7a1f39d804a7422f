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
constexpr uint32_t kReload = facts::kCoreHz / kTicksHz - 1;
static_assert(kReload < (1u << 24), "SysTick counts 24 bits");

uint64_t elapsed;         // ticks of the board's counter since start-up
uint32_t last_counter;    // the reading that `elapsed` includes
uint64_t watchdog_ticks;  // 0: SysTick does not stand in for a watchdog
uint64_t watchdog_due;

// SysTick comes here often enough that the counter never wraps unseen.
uint64_t advance() {
  const uint32_t now = board::counter();
  elapsed += now - last_counter;
  last_counter = now;
  return elapsed;
}

[[noreturn]] void reset_now() {
  barrier();
  reg(core::kResetControl) = 0x05FA0004;  // SYSRESETREQ, under its key
  for (;;) barrier();
}

void start_clock() {
  last_counter = board::counter();
  reg(core::kSysTickReload) = kReload;
  reg(core::kSysTickValue) = 0;
  reg(core::kSysTickControl) = 7;  // counts the core clock, interrupts, runs
}

class CortexM final : public hal::System {
 public:
  CortexM() { start_clock(); }
  const char* board() const override { return facts::kBoard; }
  uint32_t micros() override { return static_cast<uint32_t>(nanos() / 1000); }
  uint32_t millis() override { return static_cast<uint32_t>(nanos() / 1000000); }

  // SysTick wakes it after a millisecond at most, so that a caller may always count on coming back.
  void idle(uint32_t at_most_ms) override {
    if (at_most_ms != 0) __asm volatile("wfi");
  }

  void start_watchdog(uint32_t timeout_ms) override {
    expect_ending(hal::ResetReason::kWatchdog);
    if (board::start_watchdog(timeout_ms)) return;
    disable_interrupts();  // a tick between the two would find it due already
    watchdog_ticks = static_cast<uint64_t>(timeout_ms) * facts::kCounterHz / 1000;
    watchdog_due = advance() + watchdog_ticks;
    enable_interrupts();
  }

  void feed_watchdog() override {
    board::feed_watchdog();
    if (watchdog_ticks == 0) return;
    disable_interrupts();
    watchdog_due = advance() + watchdog_ticks;
    enable_interrupts();
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
  disable_interrupts();
  const uint64_t ticks = advance();
  enable_interrupts();
  // Split, since the product of the whole would not fit 64 bits after some minutes.
  return ticks / facts::kCounterHz * 1000000000u + ticks % facts::kCounterHz * 1000000000u / facts::kCounterHz;
}

// Where SysTick stands in for a watchdog it goes on, on our vectors and our memory, until the program turns interrupts
// off. Ours do so with their first instruction, and start a watchdog with the first of main(): what lies between is
// guarded by a watchdog of hardware alone.
void jump(uint32_t vectors) {
  const bool guarded = watchdog_ticks != 0;
  disable_interrupts();
  for (uint32_t word = 0; word < core::kInterruptWords; ++word) {
    reg(core::kInterruptDisable + 4 * word) = 0xFFFFFFFFu;
    reg(core::kInterruptUnpend + 4 * word) = 0xFFFFFFFFu;
  }
  if (!guarded) {
    reg(core::kSysTickControl) = 0;
    reg(core::kInterruptState) = 1u << 25;  // a tick that was due
  }
  unguard_stack();
  barrier();
  const auto* table = reinterpret_cast<const uint32_t*>(static_cast<uintptr_t>(vectors));
  const uint32_t stack = table[0];
  const uint32_t entry = table[1];
  if (guarded) {
    __asm volatile("msr msp, %0\n\tcpsie i\n\tbx %1" ::"r"(stack), "r"(entry) : "memory");
  } else {
    __asm volatile("msr msp, %0\n\tbx %1" ::"r"(stack), "r"(entry) : "memory");
  }
  __builtin_unreachable();
}

}  // namespace edged::ports

extern "C" void SysTick_Handler() {
  using namespace edged::ports;
  const uint64_t now = advance();
  if (watchdog_ticks != 0 && now >= watchdog_due) reset_now();
}
