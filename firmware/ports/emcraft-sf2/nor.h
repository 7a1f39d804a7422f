// The NOR flash on SPI 0 (S25FL128 class): 16 MB, sectors of 64 KB, pages of 256 bytes.
//
// Every program and erase is read back: what did not arrive is kFlashFailed here, not a surprise at the next start.
//
// A reset of the processor is none of this chip: an erase that was under way goes on, and what is read meanwhile means
// nothing; after one that failed it is busy until somebody clears its status. So the first access waits for it, and the
// first after an error.
#pragma once

#include "hal/flash.h"
#include "ports/emcraft-sf2/spi_bus.h"

namespace edged::ports {

inline constexpr hal::Flash::Geometry kNorGeometry = {16u << 20, 64u << 10, 1, 256};

class Nor final : public hal::Flash {
 public:
  using Clock = uint32_t (*)();  // milliseconds, free running

  Nor(SpiBus& spi, Clock millis) : spi_(spi), millis_(millis) {}

  [[nodiscard]] Geometry geometry() const override;
  [[nodiscard]] Status read(uint32_t address, MutableBytes into) override;
  [[nodiscard]] Status program(uint32_t address, Bytes from) override;
  [[nodiscard]] Status erase(uint32_t address) override;

 private:
  [[nodiscard]] Status settle();
  [[nodiscard]] Result<bool> clear_error();  // whether there was one
  [[nodiscard]] Status command(uint8_t opcode);
  [[nodiscard]] Result<uint8_t> state();
  [[nodiscard]] Status wait(uint32_t patience_ms);
  [[nodiscard]] Status write(uint8_t opcode, uint32_t address, Bytes data, uint32_t patience_ms);
  [[nodiscard]] Status verify(uint32_t address, Bytes expected);
  SpiBus& spi_;
  Clock millis_;
  bool settled_ = false;  // it is not busy, as far as we know, and has no error to tell
};

}  // namespace edged::ports
