#include "boot/watched_flash.h"

namespace edged::boot {

Status WatchedFlash::read(uint32_t address, MutableBytes into) {
  while (into.size() > kStep) {
    if (const Status status = fed(flash_.read(address, into.first(kStep))); !ok(status)) return status;
    address += static_cast<uint32_t>(kStep);
    into = into.from(kStep);
  }
  return fed(flash_.read(address, into));
}

}  // namespace edged::boot
