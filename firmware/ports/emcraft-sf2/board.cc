// SmartFusion2: console, and a DDR that code may run in. Its watchdog is not emulated, so SysTick stands in for it.
#include "ports/common/board.h"

#include "facts.h"
#include "ports/common/ns16550.h"
#include "ports/common/registers.h"

namespace edged::ports::board {
namespace {

Ring ring;
Ns16550 uart(facts::kUart, facts::kUartHz, facts::kBaud, ring);

// The architecture says "device, never executed" of everything from 0xA0000000 on. One region of 64 MB, normal memory
// (write-back), read, written and executed; the default map holds everywhere else.
void open_ddr() {
  constexpr uint32_t kFullAccess = 3u << 24, kWriteBack = 1u << 17 | 1u << 16, kSize64M = 25u << 1, kOn = 1;
  reg(core::kMpuRegion) = 0;
  reg(core::kMpuBase) = facts::kDdr;
  reg(core::kMpuAttributes) = kFullAccess | kWriteBack | kSize64M | kOn;
  reg(core::kMpuControl) = core::kMpuOn;
  barrier();
}

// Timer 1 of two, counting down from all ones.
constexpr uint32_t kTimerValue = facts::kTimer + 0x00, kTimerLoad = facts::kTimer + 0x04;
constexpr uint32_t kTimerControl = facts::kTimer + 0x0C, kTimerOn = 1;

}  // namespace

void start() {
  open_ddr();
  reg(kTimerLoad) = 0xFFFFFFFF;
  reg(kTimerControl) = kTimerOn;
  uart.start();
  reg(core::kInterruptEnable) = 1u << facts::kUartLine;
}

hal::Serial& console() { return uart; }
uint32_t counter() { return ~reg(kTimerValue); }
void on_interrupt() { uart.on_interrupt(); }
void put(char c) { uart.put(static_cast<uint8_t>(c)); }
bool start_watchdog(uint32_t /*timeout_ms*/) { return false; }
void feed_watchdog() {}

}  // namespace edged::ports::board
