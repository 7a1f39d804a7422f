// Arm MPS2 with the images AN385 (Cortex-M3) and AN500 (Cortex-M7): one memory map, but for the
// PSRAM, whose 16 MB stand for flash.
#pragma once

#include <cstdint>

namespace edged::ports::facts {

#if defined(__ARM_ARCH_7EM__)
inline constexpr char kBoard[] = "mps2-an500";
inline constexpr uint32_t kRamFlash = 0x60000000;
#else
inline constexpr char kBoard[] = "mps2-an385";
inline constexpr uint32_t kRamFlash = 0x21000000;
#endif
inline constexpr uint32_t kCoreHz = 25000000;
inline constexpr uint32_t kCounter = 0x40028018;  // FPGAIO: counts up from reset
inline constexpr uint32_t kCounterHz = 25000000;
inline constexpr uint32_t kUart = 0x40004000;
inline constexpr uint32_t kUartLine = 0;
inline constexpr uint32_t kUartHz = 25000000;
inline constexpr uint32_t kWatchdog = 0x40008000;
inline constexpr uint32_t kWatchdogHz = 25000000;
inline constexpr uint32_t kBaud = 115200;
inline constexpr uint32_t kRamFlashBytes = 16u << 20;
inline constexpr uint32_t kFirmwareAt = 0x00100000;  // in the code SSRAM, beyond the loader
inline constexpr uint32_t kArenaBytes = 2u << 20;
inline constexpr uint32_t kStagingBytes = 256u << 10;

}  // namespace edged::ports::facts
