// Flash that is read as memory: a microcontroller's own. What differs between chips, how a sector is erased and a unit
// programmed, is a FlashDriver; bounds, alignment and reading back are the same for all.
#pragma once

#include "hal/flash.h"

namespace edged::ports {

class FlashDriver {
 public:
  // Each returns when the flash is done, or gives up in its own time. Whether it worked is seen by reading.
  virtual void erase_sector(uint8_t* sector, uint32_t size) = 0;
  virtual void program_unit(uint8_t* to, Bytes unit) = 0;

 protected:
  ~FlashDriver() = default;
};

class MappedFlash final : public hal::Flash {
 public:
  constexpr MappedFlash(uintptr_t base, const Geometry& geometry, FlashDriver& driver)
      : base_(base), geometry_(geometry), driver_(driver) {}

  [[nodiscard]] Geometry geometry() const override { return geometry_; }
  [[nodiscard]] Status read(uint32_t address, MutableBytes into) override;
  [[nodiscard]] Status program(uint32_t address, Bytes from) override;
  [[nodiscard]] Status erase(uint32_t address) override;
  [[nodiscard]] const uint8_t* mapped(uint32_t address) const override { return memory(address); }

 private:
  [[nodiscard]] bool inside(uint32_t address, size_t size) const {
    return address <= geometry_.size && size <= geometry_.size - address;
  }
  [[nodiscard]] uint8_t* memory(uint32_t address) const { return reinterpret_cast<uint8_t*>(base_ + address); }

  uintptr_t base_;
  Geometry geometry_;
  FlashDriver& driver_;
};

// RAM in the place of flash, on boards that have none: programs clear bits as NOR does. It survives a reset, not a
// power cut.
class RamDriver final : public FlashDriver {
 public:
  void erase_sector(uint8_t* sector, uint32_t size) override;
  void program_unit(uint8_t* to, Bytes unit) override;
};

}  // namespace edged::ports
