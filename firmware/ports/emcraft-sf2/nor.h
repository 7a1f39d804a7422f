// The NOR flash on SPI 0 (S25FL128 class): 16 MB, sectors of 64 KB, pages of 256 bytes.
//
// Every program and erase is read back: what did not arrive is kFlashFailed here, not a surprise at the next start.
#pragma once

#include "hal/flash.h"
#include "spi.h"

namespace edged::ports {

inline constexpr hal::Flash::Geometry kNorGeometry = {16u << 20, 64u << 10, 1, 256};

class Nor final : public hal::Flash {
 public:
  [[nodiscard]] Geometry geometry() const override;
  [[nodiscard]] Status read(uint32_t address, MutableBytes into) override;
  [[nodiscard]] Status program(uint32_t address, Bytes from) override;
  [[nodiscard]] Status erase(uint32_t address) override;

 private:
  [[nodiscard]] Status write(uint8_t opcode, uint32_t address, Bytes data, uint32_t patience_ms);
  [[nodiscard]] Status verify(uint32_t address, Bytes expected);
  Spi spi_;
};

}  // namespace edged::ports
