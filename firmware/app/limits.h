// Times and lengths that more than one part of a loader and an application keep.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edged::app {

// Longer than the slowest step: a golden vector, which takes ml::kMaxInvokeMs at most (person_detect has 28.5 million
// instructions on a Cortex-M3), or a sector's erase of 4 seconds.
inline constexpr uint32_t kWatchdogMs = 10000;
inline constexpr uint32_t kHealthPeriodMs = 5000;
// A start that got so far is no crash in a row.
inline constexpr uint32_t kSettledMs = 2 * kWatchdogMs;
// Before a reset: what is still in the transmitter's FIFO leaves, 64 bytes at 9,600 baud.
inline constexpr uint32_t kDrainMs = 70;
// Of the name of a custom operator, as far as it is told; the longest of TFLite's and TFLM's own has 35.
inline constexpr size_t kMaxCustomName = 64;

}  // namespace edged::app
