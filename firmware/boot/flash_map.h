// Where on the flash of a board its images and its journal lie. Each port has one FlashMap.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "hal/flash.h"

namespace edged::boot {

// Numbers are SMP's `image`, and index the arrays below.
enum class Kind : uint8_t { kFirmware = 0, kModel = 1 };
inline constexpr uint32_t kKinds = 2;
inline constexpr Kind kAllKinds[kKinds] = {Kind::kFirmware, Kind::kModel};
inline constexpr uint8_t kSlots = 2;      // of each kind: what runs, and what is tried next or was before
inline constexpr uint8_t kNoSlot = 0xFF;  // in the place of a slot's number

struct Region {
  uint32_t address = 0;  // on the flash device
  uint32_t size = 0;     // bytes
};

struct FlashMap {
  Region firmware[kSlots];
  Region model[kSlots];
  Region journal[2];              // one sector each
  uint32_t firmware_address = 0;  // of the memory that firmware is copied to, or 0 where it runs in flash

  [[nodiscard]] constexpr const Region& slot(Kind kind, uint8_t index) const {
    return kind == Kind::kFirmware ? firmware[index] : model[index];
  }
};

namespace detail {

constexpr bool fits(const Region& region, const hal::Flash::Geometry& geometry) {
  if (region.size == 0 || region.address % geometry.erase_size != 0 || region.size % geometry.erase_size != 0)
    return false;
  return region.address < geometry.size && region.size <= geometry.size - region.address;
}

constexpr bool meet(const Region& a, const Region& b) {
  return a.address < b.address + b.size && b.address < a.address + a.size;
}

}  // namespace detail

// For a static_assert beside each map. kOutOfRange if a region leaves the device, does not fill whole sectors, is
// empty, or meets another; a journal's must be one sector.
[[nodiscard]] constexpr Status check(const FlashMap& map, const hal::Flash::Geometry& geometry) {
  constexpr uint32_t kRegions = 3 * 2;
  const Region regions[kRegions] = {map.firmware[0], map.firmware[1], map.model[0],
                                    map.model[1],    map.journal[0],  map.journal[1]};
  for (uint32_t i = 0; i < kRegions; ++i) {
    if (!detail::fits(regions[i], geometry)) return Status::kOutOfRange;
    for (uint32_t j = 0; j < i; ++j) {
      if (detail::meet(regions[i], regions[j])) return Status::kOutOfRange;
    }
  }
  for (const Region& sector : map.journal) {
    if (sector.size != geometry.erase_size) return Status::kOutOfRange;
  }
  return Status::kOk;
}

}  // namespace edged::boot
