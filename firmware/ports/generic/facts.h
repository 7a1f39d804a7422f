// The board, in numbers: everything that differs between two microcontrollers and is no code. README.md goes through it
// line by line. As it stands it describes QEMU's mps2-an385 with RAM for flash, so that what is built here also starts.
#pragma once

#include <cstdint>

namespace edged::ports::facts {

inline constexpr char kBoard[] = "generic";  // at most 15 characters; images are signed for it

// Clocks after board::start().
inline constexpr uint32_t kCoreHz = 25000000;
inline constexpr uint32_t kUartHz = 25000000;

// A timer that counts up in 32 bits and goes on while the core sleeps; board::counter() reads it.
inline constexpr uint32_t kCounter = 0x40028018;
inline constexpr uint32_t kCounterHz = 25000000;

// The console.
inline constexpr uint32_t kUart = 0x40004000;
inline constexpr uint32_t kUartLine = 0;  // number of its receive interrupt
inline constexpr uint32_t kBaud = 115200;

// Flash as it is read: where it begins, its sectors, the smallest unit that is programmed. A record of the journal is
// 64 bytes, so kPageBytes is a multiple of that; a cut during a program may spoil a page and no other.
inline constexpr uint32_t kFlash = 0x21000000;
inline constexpr uint32_t kFlashBytes = 2u << 20;
inline constexpr uint32_t kSectorBytes = 16u << 10;
inline constexpr uint32_t kUnitBytes = 8;
inline constexpr uint32_t kPageBytes = 64;

// What lies where in it, from kFlash on, in whole sectors. The loader has its own part, which is in no slot.
inline constexpr uint32_t kJournalAt = 0x40000;   // two sectors
inline constexpr uint32_t kFirmwareAt = 0x48000;  // two slots
inline constexpr uint32_t kFirmwareBytes = 128u << 10;
inline constexpr uint32_t kModelAt = 0x88000;  // two slots
inline constexpr uint32_t kModelBytes = 512u << 10;

// RAM that code may run from, for the image of the application: CODE of app.ld begins 512 bytes behind it.
inline constexpr uint32_t kRunAt = 0x00100000;

inline constexpr uint32_t kArenaBytes = 256u << 10;
inline constexpr uint32_t kStagingBytes = 32u << 10;  // the inputs of a model together

}  // namespace edged::ports::facts
