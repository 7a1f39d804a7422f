// The time of the host's board.
#pragma once

#include <cerrno>
#include <cstdint>
#include <ctime>

namespace edged::host {

inline constexpr uint64_t kSecondNs = 1000000000;
inline constexpr uint64_t kMillisecondNs = 1000000;
inline constexpr uint64_t kMicrosecondNs = 1000;

inline uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecondNs + static_cast<uint64_t>(now.tv_nsec);
}

inline void sleep_until_ns(uint64_t when) {
  const timespec until = {static_cast<time_t>(when / kSecondNs), static_cast<long>(when % kSecondNs)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

}  // namespace edged::host
