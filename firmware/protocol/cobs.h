// Consistent Overhead Byte Stuffing: bytes without zeros, so that a zero can only be where a frame begins or ends.
//
// A block is a count and the count - 1 bytes after it, none of them 0. A block stands for its bytes and a 0 after them,
// but for the last, and those that count 255. A full block at the end is not followed by an empty one.
#pragma once

#include <cstdint>

#include "core/span.h"

namespace edged::protocol {

inline constexpr uint8_t kCobsFull = 255;  // what a block counts at most

// Bytes in, blocks out: a frame of any length passes through the memory of one block.
class CobsEncoder {
 public:
  // A block that this byte completes, valid until the next call; mostly empty.
  Bytes put(uint8_t byte);
  // The last block, which may be empty; then the encoder begins anew.
  Bytes finish();

 private:
  Bytes take(bool full);

  uint8_t block_[kCobsFull] = {};
  size_t count_ = 1;         // as the block will say
  bool after_full_ = false;  // nothing has come since a full block
};

}  // namespace edged::protocol
