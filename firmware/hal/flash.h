// Flash memory as the loader and the application see it. A port implements it; boot/ and app/ know nothing else of
// flash.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/span.h"

namespace edged::hal {

// NOR rules: an erase sets all bits of a sector, a program only clears bits. Addresses count from 0 at the start of the
// device.
class Flash {
 public:
  struct Geometry {
    uint32_t size;          // bytes
    uint32_t erase_size;    // bytes of a sector; power of two
    uint32_t program_size;  // bytes of the smallest program unit; address and length of a program are multiples of it
    uint32_t
        page_size;  // bytes; a cut during a program may leave any bits of its page half written, never those of another
  };

  [[nodiscard]] virtual Geometry geometry() const = 0;
  // All return kOutOfRange for what does not lie in the device, kFlashFailed for what the device did not do.
  [[nodiscard]] virtual Status read(uint32_t address, MutableBytes into) = 0;
  [[nodiscard]] virtual Status program(uint32_t address, Bytes from) = 0;
  [[nodiscard]] virtual Status erase(uint32_t address) = 0;  // the sector that begins at address
  // Where the device can be read as memory, else nullptr.
  [[nodiscard]] virtual const uint8_t* mapped(uint32_t /*address*/) const { return nullptr; }

 protected:
  ~Flash() = default;
};

}  // namespace edged::hal
