#include "boot/flash_map.h"

namespace edged::boot {
namespace {

constexpr uint32_t kRegions = 3 * 2;

bool fits(const Region& region, const hal::Flash::Geometry& geometry) {
  if (region.size == 0 || region.address % geometry.erase_size != 0 || region.size % geometry.erase_size != 0)
    return false;
  return region.address < geometry.size && region.size <= geometry.size - region.address;
}

bool meet(const Region& a, const Region& b) { return a.address < b.address + b.size && b.address < a.address + a.size; }

}  // namespace

Status check(const FlashMap& map, const hal::Flash::Geometry& geometry) {
  const Region regions[kRegions] = {map.firmware[0], map.firmware[1], map.model[0],
                                    map.model[1],    map.journal[0],  map.journal[1]};
  for (uint32_t i = 0; i < kRegions; ++i) {
    if (!fits(regions[i], geometry)) return Status::kOutOfRange;
    for (uint32_t j = 0; j < i; ++j) {
      if (meet(regions[i], regions[j])) return Status::kOutOfRange;
    }
  }
  for (const Region& sector : map.journal) {
    if (sector.size != geometry.erase_size) return Status::kOutOfRange;
  }
  return Status::kOk;
}

}  // namespace edged::boot
