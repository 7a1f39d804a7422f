// The end of a start: goodbye on the line, and a reset once it has left.
#pragma once

#include "hal/system.h"
#include "protocol/wire.h"

namespace edged::app {

[[noreturn]] void leave(protocol::Wire& wire, hal::System& system, protocol::ByeReason reason);

}  // namespace edged::app
