#include "ports/host/posix_system.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "ports/host/clock.h"

namespace edged::host {
namespace {

// An application samples and watches over its times between two waits, which on a microcontroller end with each tick.
constexpr uint32_t kTickMs = 5;

constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

void arm(uint32_t timeout_ms) {
  itimerval timer{};
  timer.it_value.tv_sec = timeout_ms / 1000;
  timer.it_value.tv_usec = timeout_ms % 1000 * 1000;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

PosixSystem* PosixSystem::one = nullptr;

PosixSystem::PosixSystem(PtySerial& serial, const SimulatedFlash& flash, Retained& retained, char* const* again)
    : serial_(serial),
      flash_(flash),
      retained_(retained),
      again_(again),
      reason_(retained.reason),
      start_ns_(now_ns()) {
  one = this;
  arm(0);  // a timer, and the mask of a handler that execution left from, outlive the program
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGALRM, &action, nullptr);
  for (const int number : kFaults) sigaction(number, &action, nullptr);
}

void PosixSystem::on_signal(int number) {
  one->restart(number == SIGALRM ? hal::ResetReason::kWatchdog : hal::ResetReason::kFault);
}

// Called from signal handlers too: nothing but what POSIX allows there.
void PosixSystem::restart(hal::ResetReason reason) {
  retained_.reason = reason;
  retained_.operations = flash_.operations();
  execv("/proc/self/exe", again_);
  _exit(EXIT_FAILURE);
}

uint32_t PosixSystem::micros() { return static_cast<uint32_t>((now_ns() - start_ns_) / kMicrosecondNs); }

uint32_t PosixSystem::millis() { return static_cast<uint32_t>((now_ns() - start_ns_) / kMillisecondNs); }

void PosixSystem::idle(uint32_t at_most_ms) { serial_.wait(std::min(at_most_ms, kTickMs)); }

void PosixSystem::start_watchdog(uint32_t timeout_ms) {
  watchdog_ms_ = timeout_ms;
  arm(watchdog_ms_);
}

void PosixSystem::feed_watchdog() { arm(watchdog_ms_); }

// The limit of the stack, less what the system has given it so far.
uint32_t PosixSystem::stack_free() {
  rlimit limit{};
  getrlimit(RLIMIT_STACK, &limit);
  unsigned long used_kb = 0;
  if (std::FILE* const status = std::fopen("/proc/self/status", "r")) {
    char line[128];
    while (std::fgets(line, sizeof line, status) != nullptr && std::sscanf(line, "VmStk: %lu kB", &used_kb) != 1) {
    }
    std::fclose(status);
  }
  return static_cast<uint32_t>(std::min<rlim_t>(limit.rlim_cur - used_kb * 1024, UINT32_MAX));
}

}  // namespace edged::host
