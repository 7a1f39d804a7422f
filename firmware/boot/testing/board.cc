#include "boot/testing/board.h"

#include <algorithm>
#include <cstring>

namespace edged::boot::testing {

void Board::power_off() { std::memset(static_cast<void*>(&handoff_), 0xA5, sizeof handoff_); }

Slots& Board::open(const Running& running) {
  slots_.emplace(flash_, kMap, signer_.public_key(), "host", &watch_);
  static_cast<void>(slots_->open(running));  // fails on a board without power, or that cannot be read
  return *slots_;
}

Decision Board::start(hal::ResetReason reason) {
  open({});
  Loader loader(*slots_, placement_, handoff_);
  const Decision decision = loader.start(reason);
  if (decision.recovery == Recovery::kNone) {
    open(what_runs(handoff_).value());
  }
  return decision;
}

void Board::place(Kind kind, uint8_t slot, const Blob& image) {
  std::copy(image.begin(), image.end(), memory_.begin() + kMap.slot(kind, slot).address);
}

Status Board::upload(Kind kind, const Blob& image) {
  constexpr size_t kChunk = 97;
  Upload upload(*slots_);
  const Bytes bytes(image.data(), image.size());
  const Status begun = upload.begin(kind, static_cast<uint32_t>(image.size()), {}, bytes.first(kChunk));
  if (!ok(begun)) return begun;
  while (true) {
    const Status status = upload.write(bytes.part(upload.offset(), kChunk));
    if (!ok(status) || !upload.under_way()) return status;
  }
}

}  // namespace edged::boot::testing
