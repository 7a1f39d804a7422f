// What a port defines, and what it gets for that. A port is: facts.h (names and numbers of the board), board.cc (the
// functions below), linker scripts of its memory, and a CMakeLists.txt.
#pragma once

#include <cstdint>

#include "hal/flash.h"
#include "hal/serial.h"
#include "hal/system.h"

namespace edged::ports {

// Defined by the port.
namespace board {
void start();            // clocks, pins, memory protection, console; before any constructor
hal::Serial& console();  // the line that everything is said on
// A timer that counts up at facts::kCounterHz, wraps at 2^32, and goes on while the core sleeps. Time is taken from it,
// not from SysTick's interrupts, of which an emulator under load loses some.
[[nodiscard]] uint32_t counter();
void on_interrupt();                                     // of the console's receiver; no other line is enabled
void put(char c);                                        // one byte out, polled: for a fault, when nothing else is left
[[nodiscard]] bool start_watchdog(uint32_t timeout_ms);  // false: there is none, and SysTick stands in for it
void feed_watchdog();
}  // namespace board

// Defined here, for every port.
hal::System& system();
// Time since start-up. Under `-icount shift=0` QEMU lets a nanosecond pass with each instruction, so that the
// difference of two readings counts instructions, to within a tick of the board's counter.
uint64_t nanos();
// Leaves for the program whose vector table is there: interrupts of devices off and forgotten, its stack, its entry.
// Its first instruction turns interrupts off.
[[noreturn]] void jump(uint32_t vectors);

}  // namespace edged::ports
