// A board's clock, watchdog and line in a test: time passes where a test says so, and a reset ends the run.
#pragma once

#include <csetjmp>
#include <cstdint>
#include <functional>
#include <vector>

#include "app/limits.h"
#include "hal/serial.h"
#include "hal/system.h"

namespace edged::app::testing {

using Blob = std::vector<uint8_t>;

class FakeSystem final : public hal::System {
 public:
  enum class End : int { kNone = 0, kReset = 1, kWatchdog = 2, kTime = 3 };

  // Runs until the program resets, its watchdog bites, or so much time has passed.
  template <typename Program>
  End run(uint32_t for_ms, Program&& program) {
    end_ms_ = now_ms_ + for_ms;
    const int end = setjmp(end_);
    if (end == 0) program();
    return static_cast<End>(end);
  }
  void pass(uint32_t ms) {
    now_ms_ += ms;
    if (watched_ && now_ms_ - fed_ms_ >= timeout_ms_) leave(End::kWatchdog);
    if (now_ms_ >= end_ms_) leave(End::kTime);
  }
  [[nodiscard]] uint32_t now_ms() const { return now_ms_; }

  const char* board() const override { return "host"; }
  uint32_t micros() override { return now_ms_ * 1000; }
  uint32_t millis() override { return now_ms_; }
  void idle(uint32_t) override { pass(1); }
  void start_watchdog(uint32_t timeout_ms) override {
    watched_ = true;
    timeout_ms_ = timeout_ms;
    feed_watchdog();
  }
  void feed_watchdog() override { fed_ms_ = now_ms_; }
  [[noreturn]] void reset() override { leave(End::kReset); }
  hal::ResetReason reset_reason() override { return hal::ResetReason::kPowerOn; }
  uint32_t stack_free() override { return 1000; }

 private:
  [[noreturn]] void leave(End why) { std::longjmp(end_, static_cast<int>(why)); }

  std::jmp_buf end_;
  uint32_t now_ms_ = 0;
  uint32_t end_ms_ = 0;
  uint32_t fed_ms_ = 0;
  uint32_t timeout_ms_ = 0;
  bool watched_ = false;
};

class FakeSerial final : public hal::Serial {
 public:
  Blob come;                                 // what is to be read
  Blob sent;                                 // what was written
  std::function<void()> on_silence = [] {};  // a reader finds nothing: it may make something come

  size_t read(MutableBytes into) override {
    if (come.empty()) on_silence();
    const size_t count = come.size() < into.size() ? come.size() : into.size();
    for (size_t i = 0; i < count; ++i) into[i] = come[i];
    come.erase(come.begin(), come.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  void write(Bytes from) override { sent.insert(sent.end(), from.begin(), from.end()); }
  uint32_t overruns() const override { return 0; }
};

}  // namespace edged::app::testing
