// The application of every Cortex-M port.
#include "app/app.h"
#include "boot/slots.h"
#include "boot/trusted_key.h"
#include "facts.h"
#include "ports/common/board.h"
#include "ports/common/layout.h"

using namespace edged;

namespace {

[[gnu::section(".noinit"), gnu::aligned(ml::kArenaAlignment)]] uint8_t arena[ports::facts::kArenaBytes];
[[gnu::section(".noinit"), gnu::aligned(ml::kArenaAlignment)]] uint8_t staging[ports::facts::kStagingBytes];

uint32_t micros() { return ports::system().micros(); }

}  // namespace

int main() {
  static boot::Slots slots(ports::layout::flash(), ports::layout::kMap, boot::kTrustedKey, ports::facts::kBoard);
  boot::Running running;
  for (const boot::Kind kind : boot::kAllKinds) running.slot[static_cast<uint32_t>(kind)] = __handoff.of(kind).slot;
  // Without a journal that can be read nothing can be confirmed or updated; inference goes on.
  static_cast<void>(slots.open(running));
  static app::App app({ports::system(), ports::board::console(), slots, __handoff, boot::kTrustedKey, arena, staging,
                       ports::layout::sensor()},
                      micros);
  app.run();
}
