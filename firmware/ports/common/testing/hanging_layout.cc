// The flash of an application that hangs before its loop, for the test of what ends that.
#include "ports/common/layout.h"

namespace edged::ports::layout {

const boot::FlashMap kMap = {};  // never looked at

hal::Flash& flash() {
  for (volatile bool silent = true; silent;) {
  }
  __builtin_unreachable();
}

app::Sensor* sensor() { return nullptr; }

}  // namespace edged::ports::layout
