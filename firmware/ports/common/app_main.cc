// The application of every Cortex-M port.
#include "app/app.h"
#include "app/limits.h"
#include "boot/package.h"
#include "boot/slots.h"
#include "boot/trusted_key.h"
#include "facts.h"
#include "ports/common/board.h"
#include "ports/common/layout.h"

using namespace edged;

namespace {

static_assert(boot::kModelOffsetUnit % ml::kModelAlignment == 0 && boot::kHeaderSize % ml::kModelAlignment == 0,
              "a slot or memory that is aligned holds an aligned model");

[[gnu::section(".noinit"), gnu::aligned(ml::kArenaAlignment)]] uint8_t arena[ports::facts::kArenaBytes];
[[gnu::section(".noinit"), gnu::aligned(ml::kArenaAlignment)]] uint8_t staging[ports::facts::kStagingBytes];

uint32_t micros() { return ports::system().micros(); }

}  // namespace

int main() {
  hal::System& system = ports::system();
  system.start_watchdog(app::kWatchdogMs);  // first: where SysTick stands in for one, nothing guards what is before
  static boot::Slots slots(ports::layout::flash(), ports::layout::kMap, boot::kTrustedKey, ports::facts::kBoard,
                           &system);
  // Slots that are not open refuse every upload and confirmation. So it is if the loader's word cannot be trusted
  // (there is no model then, either), and if the journal cannot be read (inference goes on).
  const Result<boot::Running> running = boot::what_runs(__handoff);
  if (running.ok()) static_cast<void>(slots.open(running.value()));
  static app::App app(
      {system, ports::board::console(), slots, __handoff, boot::kTrustedKey, arena, staging, ports::layout::sensor()},
      micros);
  app.run();
}
