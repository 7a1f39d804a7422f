// The board functions of everything built around Arm's Cortex-M System Design Kit.
#include "facts.h"
#include "ports/common/board.h"
#include "ports/common/cmsdk_uart.h"
#include "ports/common/registers.h"

namespace edged::ports::board {
namespace {

Ring ring;
CmsdkUart uart(facts::kUart, facts::kUartHz, facts::kBaud, ring);

// CMSDK watchdog: counts down, raises the NMI at 0, counts once more, resets.
constexpr uint32_t kLoad = 0x00, kControl = 0x08, kLock = 0xC00;
constexpr uint32_t kUnlocked = 0x1ACCE551;
constexpr uint32_t kInterrupt = 1, kReset = 2;

}  // namespace

void start() {
  uart.start();
  reg(core::kInterruptEnable + 4 * (facts::kUartLine / 32)) = 1u << (facts::kUartLine % 32);
}

hal::Serial& console() { return uart; }
uint32_t counter() { return reg(facts::kCounter); }
void on_interrupt() { uart.on_interrupt(); }
void put(char c) { uart.put(static_cast<uint8_t>(c)); }

bool start_watchdog(uint32_t timeout_ms) {
  reg(facts::kWatchdog + kLock) = kUnlocked;
  reg(facts::kWatchdog + kLoad) = static_cast<uint32_t>(static_cast<uint64_t>(timeout_ms) * facts::kWatchdogHz / 1000);
  reg(facts::kWatchdog + kControl) = kInterrupt | kReset;
  return true;
}

void feed_watchdog() {
  constexpr uint32_t kClear = 0x0C;  // also reloads the counter
  reg(facts::kWatchdog + kClear) = 1;
}

}  // namespace edged::ports::board
