// Flash whose place RAM takes, on boards that have none: the rules of NOR, and nothing survives a power cut. What is in
// it survives a reset.
#pragma once

#include "hal/flash.h"

namespace edged::ports {

class RamFlash final : public hal::Flash {
 public:
  constexpr RamFlash(uint8_t* memory, const Geometry& geometry) : memory_(memory), geometry_(geometry) {}

  [[nodiscard]] Geometry geometry() const override { return geometry_; }
  [[nodiscard]] Status read(uint32_t address, MutableBytes into) override;
  [[nodiscard]] Status program(uint32_t address, Bytes from) override;
  [[nodiscard]] Status erase(uint32_t address) override;
  [[nodiscard]] const uint8_t* mapped(uint32_t address) const override { return memory_ + address; }

 private:
  [[nodiscard]] bool inside(uint32_t address, size_t size) const {
    return address <= geometry_.size && size <= geometry_.size - address;
  }
  uint8_t* memory_;
  Geometry geometry_;
};

}  // namespace edged::ports
