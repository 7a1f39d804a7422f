#include "ports/common/ram_flash.h"

#include <cstring>

namespace edged::ports {

Status RamFlash::read(uint32_t address, MutableBytes into) {
  if (!inside(address, into.size())) return Status::kOutOfRange;
  if (!into.empty()) std::memcpy(into.data(), memory_ + address, into.size());
  return Status::kOk;
}

Status RamFlash::program(uint32_t address, Bytes from) {
  if (!inside(address, from.size()) || address % geometry_.program_size != 0 ||
      from.size() % geometry_.program_size != 0) {
    return Status::kOutOfRange;
  }
  bool faithful = true;
  for (size_t i = 0; i < from.size(); ++i) {
    uint8_t& cell = memory_[address + i];
    cell = static_cast<uint8_t>(cell & from[i]);
    faithful = faithful && cell == from[i];
  }
  return faithful ? Status::kOk : Status::kFlashFailed;
}

Status RamFlash::erase(uint32_t address) {
  if (address % geometry_.erase_size != 0 || !inside(address, geometry_.erase_size)) return Status::kOutOfRange;
  std::memset(memory_ + address, 0xFF, geometry_.erase_size);
  return Status::kOk;
}

}  // namespace edged::ports
