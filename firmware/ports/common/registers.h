// The few registers of a Cortex-M core that firmware touches. Addresses from the Armv7-M and Armv8-M architecture
// reference manuals, section "System Control Space".
#pragma once

#include <cstdint>

namespace edged::ports {

inline volatile uint32_t& reg(uint32_t address) {
  return *reinterpret_cast<volatile uint32_t*>(static_cast<uintptr_t>(address));
}

namespace core {
inline constexpr uint32_t kSysTickControl = 0xE000E010;
inline constexpr uint32_t kSysTickReload = 0xE000E014;
inline constexpr uint32_t kSysTickValue = 0xE000E018;
inline constexpr uint32_t kInterruptEnable = 0xE000E100;   // one bit each, 32 a word
inline constexpr uint32_t kInterruptDisable = 0xE000E180;  // likewise
inline constexpr uint32_t kInterruptUnpend = 0xE000E280;   // likewise
inline constexpr uint32_t kInterruptState = 0xE000ED04;    // ICSR
inline constexpr uint32_t kVectorTable = 0xE000ED08;       // VTOR
inline constexpr uint32_t kResetControl = 0xE000ED0C;      // AIRCR
inline constexpr uint32_t kFaultStatus = 0xE000ED28;       // CFSR
inline constexpr uint32_t kHardFaultStatus = 0xE000ED2C;   // HFSR
inline constexpr uint32_t kMemoryFaultAddress = 0xE000ED34;
inline constexpr uint32_t kBusFaultAddress = 0xE000ED38;
inline constexpr uint32_t kConfiguration = 0xE000ED14;      // CCR
inline constexpr uint32_t kCoprocessorAccess = 0xE000ED88;  // CPACR
inline constexpr uint32_t kMpuControl = 0xE000ED94;
inline constexpr uint32_t kMpuRegion = 0xE000ED98;
inline constexpr uint32_t kMpuBase = 0xE000ED9C;
inline constexpr uint32_t kMpuAttributes = 0xE000EDA0;
// On; the default map where no region is; in the handlers of faults as well, which else could not run in what a region
// alone makes executable.
inline constexpr uint32_t kMpuOn = 1u << 2 | 1u << 1 | 1u << 0;
inline constexpr uint32_t kInterruptWords =
    8;  // words of the enable registers that are cleared before a jump: 256 lines
}  // namespace core

inline void barrier() { __asm volatile("dsb\n\tisb" ::: "memory"); }
inline void disable_interrupts() { __asm volatile("cpsid i" ::: "memory"); }
inline void enable_interrupts() { __asm volatile("cpsie i\n\tisb" ::: "memory"); }

}  // namespace edged::ports
