// Emcraft's SmartFusion2 system-on-module: Cortex-M3, 256 KB of internal flash at 0 (the loader), 64 KB of SRAM, 64 MB
// of DDR, and 16 MB of NOR flash behind SPI 0.
#pragma once

#include <cstdint>

namespace edged::ports::facts {

inline constexpr char kBoard[] = "emcraft-sf2";
inline constexpr uint32_t kCoreHz = 142000000;
inline constexpr uint32_t kTimer = 0x40004000;
inline constexpr uint32_t kCounterHz = 100000000;  // as QEMU has it; the timer of a real one counts the APB's 71 MHz
inline constexpr uint32_t kUart = 0x40000000;
inline constexpr uint32_t kUartLine = 10;
inline constexpr uint32_t kUartHz = 71000000;  // the APB runs at half of the core's clock
inline constexpr uint32_t kBaud = 115200;
inline constexpr uint32_t kSpi = 0x40001000;
inline constexpr uint32_t kDdr = 0xA0000000;
inline constexpr uint32_t kArenaBytes = 2u << 20;
inline constexpr uint32_t kStagingBytes = 256u << 10;

}  // namespace edged::ports::facts
