// Where each tensor lies: two share memory unless they live at the same time.
#pragma once

#include <cstdint>

#include "core/span.h"

namespace edged::ml::native {

// A piece of memory that is needed from the operator `first` to the operator `last`, both included.
struct Piece {
  static constexpr uint16_t kNever = 0xffff;  // of first: nobody writes it, it takes no memory
  static constexpr uint16_t kNone = 0xffff;

  uint32_t bytes = 0;
  uint32_t offset = 0;  // result, a multiple of kArenaAlignment
  uint16_t first = kNever;
  uint16_t last = 0;
  uint16_t same_as = kNone;  // the piece that it lies in, at its start; this one takes no memory of its own
  uint16_t next = kNone;     // of the planner

  [[nodiscard]] bool takes_memory() const { return first != kNever && same_as == kNone && bytes != 0; }
};

// Gives each piece its offset: largest first, each at the lowest place that is free as long as it lives. Returns the
// bytes from 0 to the end of the last.
[[nodiscard]] uint64_t plan(Span<Piece> pieces);

}  // namespace edged::ml::native
