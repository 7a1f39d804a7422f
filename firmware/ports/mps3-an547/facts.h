// Arm MPS3 with the image AN547 (Cortex-M55, SSE-300). Everything runs in the Secure state: addresses are the Secure
// aliases (bit 28 set).
#pragma once

#include <cstdint>

namespace edged::ports::facts {

inline constexpr char kBoard[] = "mps3-an547";
inline constexpr uint32_t kCoreHz = 32000000;
inline constexpr uint32_t kCounter = 0x59302018;  // FPGAIO: counts up from reset, in QEMU at this rate
inline constexpr uint32_t kCounterHz = 20000000;
inline constexpr uint32_t kUart = 0x59303000;
inline constexpr uint32_t kUartLine = 33;
inline constexpr uint32_t kUartHz = 25000000;
inline constexpr uint32_t kWatchdog = 0x5802E000;
inline constexpr uint32_t kWatchdogHz = 32768;
inline constexpr uint32_t kBaud = 115200;
inline constexpr uint32_t kRamFlash = 0x70000000;  // DDR
inline constexpr uint32_t kRamFlashBytes = 16u << 20;
inline constexpr uint32_t kFirmwareAt = 0x11000000;  // SRAM 1
inline constexpr uint32_t kArenaBytes = 2u << 20;
inline constexpr uint32_t kStagingBytes = 256u << 10;

}  // namespace edged::ports::facts
