// A microcontroller as a program: the loader and the application that boards run, on flash in a file and a line that is
// a pseudo terminal.
//
// One thing is not as on a board: what the application does is this program's code, whichever slot starts. The image in
// a firmware slot is verified, tried, confirmed and taken back by the same rules, and gives its version and hash to
// what starts; the bytes behind its header are not executed.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/limits.h"
#include "app/pattern_sensor.h"
#include "app/recovery.h"
#include "boot/loader.h"
#include "boot/slots.h"
#include "boot/trusted_key.h"
#include "ports/host/flash_file.h"
#include "ports/host/options.h"
#include "ports/host/posix_system.h"
#include "ports/host/pty_serial.h"
#include "ports/host/retained.h"
#include "ports/host/simulated_flash.h"

using namespace edged;

namespace {

constexpr int kCutStatus = 86;  // of the program, when its power went

constexpr uint32_t kMegabyte = 1024 * 1024;
constexpr uint32_t kSector = 64 * 1024;
constexpr hal::Flash::Geometry kGeometry = {16 * kMegabyte, kSector, 8, 256};
constexpr boot::FlashMap kMap = {{{1 * kMegabyte, kMegabyte}, {2 * kMegabyte, kMegabyte}},
                                 {{4 * kMegabyte, 4 * kMegabyte}, {8 * kMegabyte, 4 * kMegabyte}},
                                 {{0, kSector}, {kSector, kSector}},
                                 0};
static_assert(ok(boot::check(kMap, kGeometry)));

constexpr uint32_t kArenaBytes = 4 * kMegabyte;    // of models that no microcontroller would hold, too
constexpr uint32_t kStagingBytes = 1 * kMegabyte;  // inputs of the same

alignas(ml::kModelAlignment) uint8_t model_memory[4 * kMegabyte];
alignas(ml::kArenaAlignment) uint8_t arena[kArenaBytes];
alignas(ml::kArenaAlignment) uint8_t staging[kStagingBytes];

const char* link_to_remove = nullptr;
hal::System* clock_source = nullptr;

uint32_t micros() { return clock_source->micros(); }

void end(int) {
  if (link_to_remove != nullptr) unlink(link_to_remove);
  _exit(EXIT_SUCCESS);
}

// Whoever looks at the link finds the old terminal or the new one.
void make_link(const char* link, const char* terminal) {
  const std::string temporary = std::string(link) + ".new";
  unlink(temporary.c_str());
  if (symlink(terminal, temporary.c_str()) != 0 || std::rename(temporary.c_str(), link) != 0) {
    std::perror(link);
    std::exit(EXIT_FAILURE);
  }
}

// The command line of the next start: this one, and what it inherits.
std::vector<char*> command_again(int count, char** arguments, const host::Options& options) {
  static std::string inherited[] = {"--line=" + std::to_string(options.line),
                                    "--retained=" + std::to_string(options.retained)};
  std::vector<char*> again(arguments, arguments + count);
  if (std::string(again.back()).rfind("--retained=", 0) != 0) {
    for (std::string& one : inherited) again.push_back(one.data());
  }
  again.push_back(nullptr);
  return again;
}

}  // namespace

int main(int count, char** arguments) {
  host::Options options = host::read_options(count, arguments);
  const bool power_on = options.retained < 0;
  host::Retained& retained = host::map_retained(options.retained);
  host::PtySerial serial(options.line, options.baud);
  host::SimulatedFlash flash(host::map_flash_file(options.flash, kGeometry.size), kGeometry);
  flash.count_from(retained.operations);
  if (options.cut_at > 0) {
    using Cut = host::SimulatedFlash::Cut;
    flash.cut_at(options.cut_at - 1, options.torn ? Cut::kTorn : Cut::kBefore, static_cast<uint32_t>(options.cut_at));
    flash.on_cut([] { _exit(kCutStatus); });
  }
  const std::vector<char*> again = command_again(count, arguments, options);
  host::PosixSystem system(serial, flash, retained, again.data());
  clock_source = &system;
  if (options.link != nullptr) {
    link_to_remove = options.link;
    if (power_on) make_link(options.link, serial.name());
  }
  std::signal(SIGTERM, end);
  std::signal(SIGINT, end);
  if (power_on) {
    std::printf("%s\n", serial.name());
    std::fflush(stdout);
  }

  system.start_watchdog(app::kWatchdogMs);
  boot::Slots slots(flash, kMap, boot::kTrustedKey, system.board(), &system);
  static_cast<void>(slots.open());
  const boot::Memory memory = {{}, model_memory};
  boot::Loader loader(slots, memory, retained.handoff);
  const boot::Decision decision = loader.start(system.reset_reason());
  if (decision.recovery != boot::Recovery::kNone) {
    static app::RecoveryServer server(system, serial, slots, retained.handoff, boot::kTrustedKey);
    server.run(decision.recovery);
  }
  const Result<boot::Running> running = boot::what_runs(retained.handoff);
  if (running.ok()) static_cast<void>(slots.open(running.value()));
  app::PatternSensor sensor;
  static app::App app({system, serial, slots, retained.handoff, boot::kTrustedKey, arena, staging, &sensor}, micros);
  app.run();
}
