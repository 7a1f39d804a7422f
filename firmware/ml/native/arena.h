// The caller's memory, from both ends: what lasts as long as the model lies at the end, and grows downward; tensors lie
// at the start.
//
// Rule: a request that does not fit yields nullptr and is counted all the same, so that the sum says what was needed.
#pragma once

#include <cstdint>

#include "core/span.h"
#include "ml/engine.h"

namespace edged::ml::native {

inline constexpr uint32_t kMaxArenaBytes = 1u << 30;  // so that sums of sizes do not overflow

constexpr uint64_t align_up(uint64_t bytes, uint32_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

class Arena {
 public:
  Arena() = default;
  explicit Arena(MutableBytes memory) {
    const auto start = reinterpret_cast<uintptr_t>(memory.data());
    const auto skipped = static_cast<size_t>(align_up(start, kArenaAlignment) - start);
    const MutableBytes rest = memory.from(skipped);
    base_ = rest.data();
    const size_t usable = rest.size() < kMaxArenaBytes ? rest.size() : kMaxArenaBytes;
    size_ = static_cast<uint32_t>(usable / kArenaAlignment * kArenaAlignment);
  }

  // Memory that lasts; not initialised.
  template <typename T>
  [[nodiscard]] T* persistent(uint32_t count = 1) {
    static_assert(alignof(T) <= kArenaAlignment);
    lasting_ = align_up(lasting_ + uint64_t{count} * sizeof(T), alignof(T));
    return lasting_ + reserved_ > size_ ? nullptr : reinterpret_cast<T*>(base_ + size_ - lasting_);
  }
  // Keeps what lasts out of the first bytes: they are used while the model is loaded.
  void reserve_start(uint64_t bytes) { reserved_ = align_up(bytes, kArenaAlignment); }

  [[nodiscard]] uint8_t* base() const { return base_; }
  [[nodiscard]] uint32_t size() const { return size_; }
  [[nodiscard]] uint64_t lasting() const { return align_up(lasting_, kArenaAlignment); }  // bytes asked for so far
  [[nodiscard]] bool fits(uint64_t start_bytes) const { return lasting() + start_bytes <= size_; }

 private:
  uint8_t* base_ = nullptr;
  uint32_t size_ = 0;
  uint64_t lasting_ = 0;
  uint64_t reserved_ = 0;
};

}  // namespace edged::ml::native
