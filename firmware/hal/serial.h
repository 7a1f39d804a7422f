// A serial line, byte by byte. Reception is by interrupt into a ring of the port; nothing here waits for bytes to come.
#pragma once

#include <cstdint>

#include "core/span.h"

namespace edged::hal {

class Serial {
 public:
  // Takes what has come, at most into.size() bytes; 0 if nothing has.
  [[nodiscard]] virtual size_t read(MutableBytes into) = 0;
  // Returns when the last byte was handed to the transmitter.
  virtual void write(Bytes from) = 0;
  // Times since start that bytes came and were lost, since the ring or the receiver was full.
  [[nodiscard]] virtual uint32_t overruns() const = 0;
  // Bytes since start that a transmitter did not take in time; a line that waits for whoever reads loses none.
  [[nodiscard]] virtual uint32_t lost() const { return 0; }

 protected:
  ~Serial() = default;
};

}  // namespace edged::hal
