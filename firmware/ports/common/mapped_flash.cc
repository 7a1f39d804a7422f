#include "ports/common/mapped_flash.h"

#include <cstring>

namespace edged::ports {

Status MappedFlash::read(uint32_t address, MutableBytes into) {
  if (!inside(address, into.size())) return Status::kOutOfRange;
  if (!into.empty()) std::memcpy(into.data(), memory(address), into.size());
  return Status::kOk;
}

Status MappedFlash::program(uint32_t address, Bytes from) {
  const uint32_t unit = geometry_.program_size;
  if (!inside(address, from.size()) || address % unit != 0 || from.size() % unit != 0) return Status::kOutOfRange;
  for (size_t done = 0; done < from.size(); done += unit) {
    driver_.program_unit(memory(address) + done, from.part(done, unit));
  }
  // volatile: the compiler has not seen the flash change
  const volatile uint8_t* found = memory(address);
  for (size_t i = 0; i < from.size(); ++i) {
    if (found[i] != from[i]) return Status::kFlashFailed;
  }
  return Status::kOk;
}

Status MappedFlash::erase(uint32_t address) {
  if (address % geometry_.erase_size != 0 || !inside(address, geometry_.erase_size)) return Status::kOutOfRange;
  driver_.erase_sector(memory(address), geometry_.erase_size);
  const volatile uint8_t* found = memory(address);
  for (uint32_t i = 0; i < geometry_.erase_size; ++i) {
    if (found[i] != 0xFF) return Status::kFlashFailed;
  }
  return Status::kOk;
}

void RamDriver::erase_sector(uint8_t* sector, uint32_t size) { std::memset(sector, 0xFF, size); }

void RamDriver::program_unit(uint8_t* to, Bytes unit) {
  for (size_t i = 0; i < unit.size(); ++i) to[i] = static_cast<uint8_t>(to[i] & unit[i]);
}

}  // namespace edged::ports
