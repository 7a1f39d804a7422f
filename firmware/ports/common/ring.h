// Bytes from an interrupt to the program: one writer, one reader, no lock.
#pragma once

#include <cstdint>

#include "core/span.h"

namespace edged::ports {

// Holds what a host may send without waiting for an answer, while flash is busy: one packet of the management protocol
// as it lies on the line (4 KB, base64 and the marks of its lines: below 6 KB).
inline constexpr uint32_t kRingBytes = 8192;

class Ring {
 public:
  // For the interrupt.
  void put(uint8_t byte) {
    if (head_ - tail_ == kRingBytes) {
      overruns_ = overruns_ + 1;
      return;
    }
    bytes_[head_ % kRingBytes] = byte;
    __asm volatile("" ::: "memory");  // the byte before the count that gives it away
    head_ = head_ + 1;
  }

  // For the program.
  [[nodiscard]] size_t take(MutableBytes into) {
    size_t count = 0;
    while (count < into.size() && tail_ != head_) {
      into[count++] = bytes_[tail_ % kRingBytes];
      __asm volatile("" ::: "memory");
      tail_ = tail_ + 1;
    }
    return count;
  }
  [[nodiscard]] uint32_t overruns() const { return overruns_; }

 private:
  uint8_t bytes_[kRingBytes] = {};
  volatile uint32_t head_ = 0;
  volatile uint32_t tail_ = 0;
  volatile uint32_t overruns_ = 0;
};

}  // namespace edged::ports
