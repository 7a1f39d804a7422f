// The loader of every Cortex-M port: the decision is boot/'s, the conversation app/'s, the jump ours.
#include "app/limits.h"
#include "app/recovery.h"
#include "boot/loader.h"
#include "boot/slots.h"
#include "boot/trusted_key.h"
#include "facts.h"
#include "ports/common/board.h"
#include "ports/common/layout.h"

using namespace edged;

int main() {
  hal::System& system = ports::system();
  system.start_watchdog(app::kWatchdogMs);
  static boot::Slots slots(ports::layout::flash(), ports::layout::kMap, boot::kTrustedKey, ports::facts::kBoard,
                           &system);
  const boot::Memory memory = ports::layout::memory();
  // With a journal that cannot be read, what verifies starts, and nothing is written.
  static_cast<void>(slots.open());
  boot::Loader loader(slots, memory, __handoff);
  const boot::Decision decision = loader.start(system.reset_reason());
  if (decision.recovery == boot::Recovery::kNone) {
    ports::jump(ports::layout::kMap.firmware_address + boot::kHeaderSize);
  }
  static app::RecoveryServer server(system, ports::board::console(), slots, __handoff, boot::kTrustedKey);
  server.run(decision.recovery);
}
