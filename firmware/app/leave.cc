#include "app/leave.h"

#include "app/limits.h"

namespace edged::app {

void leave(protocol::Wire& wire, hal::System& system, protocol::ByeReason reason) {
  static_cast<void>(wire.report(protocol::Bye{reason}));
  const uint32_t since = system.millis();
  while (system.millis() - since < kDrainMs) system.idle(kDrainMs);
  system.reset();
  for (;;) {  // not reached: compilers do not see through a virtual [[noreturn]]
  }
}

}  // namespace edged::app
