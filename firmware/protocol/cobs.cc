#include "protocol/cobs.h"

namespace edged::protocol {

Bytes CobsEncoder::take(bool full) {
  const Bytes block(block_, count_);
  block_[0] = static_cast<uint8_t>(count_);
  count_ = 1;
  after_full_ = full;
  return block;
}

Bytes CobsEncoder::put(uint8_t byte) {
  if (byte == 0) return take(false);
  block_[count_++] = byte;
  if (count_ == kCobsFull) return take(true);
  after_full_ = false;
  return {};
}

Bytes CobsEncoder::finish() {
  if (after_full_) {
    after_full_ = false;
    return {};
  }
  return take(false);
}

}  // namespace edged::protocol
