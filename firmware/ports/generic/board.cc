// What has to be said in code: the console, the watchdog, and whatever the chip wants done first.
#include "ports/common/board.h"

#include "facts.h"
#include "ports/common/cmsdk_uart.h"
#include "ports/common/registers.h"

namespace edged::ports::board {
namespace {

Ring ring;
CmsdkUart uart(facts::kUart, facts::kUartHz, facts::kBaud, ring);

}  // namespace

// Clocks, pins and flash wait states of a real chip come first here.
void start() {
  uart.start();
  reg(core::kInterruptEnable + 4 * (facts::kUartLine / 32)) = 1u << (facts::kUartLine % 32);
}

hal::Serial& console() { return uart; }
uint32_t counter() { return reg(facts::kCounter); }
void on_interrupt() { uart.on_interrupt(); }
void put(char c) { uart.put(static_cast<uint8_t>(c)); }

// SysTick stands in for a watchdog. It notices a program that hangs, not one that turned off interrupts: a chip's own
// is better, and this is where it is started and fed.
bool start_watchdog(uint32_t /*timeout_ms*/) { return false; }
void feed_watchdog() {}

}  // namespace edged::ports::board
