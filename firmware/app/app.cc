#include "app/app.h"

#include <cstring>

#include "app/leave.h"
#include "app/limits.h"
#include "app/refusal_text.h"

namespace edged::app {

App::App(const Parts& parts, Inference::Clock clock)
    : parts_(parts),
      identity_{protocol::Mode::kApplication,
                parts.system.board(),
                ml::Engine::name(),
                parts.handoff,
                parts.slots,
                parts.key},
      inference_(parts.arena, parts.staging, clock),
      wire_(parts.serial, request_),
      images_(parts.slots, this),
      edged_(identity_, inference_, *this, parts.sensor != nullptr),
      groups_{&os_, &images_, &edged_},
      server_(groups_),
      window_(parts.system.millis()) {}

void App::run() {
  start();
  for (;;) step();
}

Status App::may_confirm() {
  switch (inference_.self_test()) {
    case protocol::SelfTest::kPassed:
    case protocol::SelfTest::kNone:
      return Status::kOk;
    case protocol::SelfTest::kFailed:
      return Status::kSelfTest;
    case protocol::SelfTest::kNotRun:
      break;
  }
  return Status::kWrongState;
}

void App::start() {
  parts_.system.start_watchdog(kWatchdogMs);
  const auto address = static_cast<uintptr_t>(parts_.handoff.model_address);
  if (address != 0) {  // what comes of it is what the self-test tells
    static_cast<void>(inference_.load({reinterpret_cast<const uint8_t*>(address), parts_.handoff.model_size}));
  }
  introduce();
  run_self_test(inference_, *this);
  say_self_test();
  say_health();
}

void App::step() {
  keep_up();
  settle();
  const bool answered = answer();
  keep_up();  // what a host asked for and what the sensor measures are a step each
  sample();
  if (!answered && !wire_.more()) parts_.system.idle(kHealthPeriodMs);
}

void App::keep_up() {
  parts_.system.feed_watchdog();
  const uint32_t now_ms = parts_.system.millis();
  guard_trial(now_ms);
  if (now_ms - health_ms_ >= kHealthPeriodMs) say_health();
}

// Not within the self-test of a start: a vector that always crashes late in it would end each start, and count for
// none.
void App::settle() {
  if (settled_ || parts_.system.millis() < kSettledMs) return;
  boot::settled(parts_.handoff);
  settled_ = true;
}

// One request, if one has come.
bool App::answer() {
  const Result<Bytes> request = wire_.receive();
  if (!request.ok()) return false;
  const Result<Bytes> response = server_.answer(request.value(), response_);
  // Nothing sends while this does, so it is not refused.
  if (response.ok()) static_cast<void>(wire_.answer(response.value()));
  follow_up();
  return true;
}

void App::follow_up() {
  if (edged_.take_result()) say_results(protocol::Source::kInjected, edged_.result_status());
  if (edged_.take_self_test()) say_self_test();
  if (edged_.take_info()) introduce(), say_health();
  if (edged_.take_period()) {
    period_ms_ = edged_.period_ms();
    sample_ms_ = parts_.system.millis() - period_ms_;  // the first one now
  }
  switch (os_.reset_wanted()) {
    case protocol::OsGroup::Reset::kNone:
      break;
    case protocol::OsGroup::Reset::kStart:
      leave(wire_, parts_.system, protocol::ByeReason::kRequested);
    case protocol::OsGroup::Reset::kStayInLoader:
      boot::stay_in_loader(parts_.handoff);
      leave(wire_, parts_.system, protocol::ByeReason::kToLoader);
  }
}

// A measurement that could not be taken in time is left out: the next is due a period after the last.
void App::sample() {
  const uint32_t now_ms = parts_.system.millis();
  if (period_ms_ == 0 || now_ms - sample_ms_ < period_ms_) return;
  sample_ms_ = now_ms;
  Status status = parts_.sensor->fill(inference_.engine().input(0));
  if (!ok(status)) {
    period_ms_ = 0;
    say(protocol::LogLevel::kError, "the sensor cannot fill this model's input, so it rests");
    return;
  }
  status = inference_.invoke();
  say_results(protocol::Source::kSensor, status);
}

void App::guard_trial(uint32_t now_ms) {
  if (!window_.over(now_ms, on_trial(), failed())) return;
  leave(wire_, parts_.system, failed() ? protocol::ByeReason::kSelfTestFailed : protocol::ByeReason::kNotConfirmed);
}

bool App::on_trial() const {
  return parts_.slots.on_trial(boot::Kind::kFirmware) || parts_.slots.on_trial(boot::Kind::kModel);
}

// What a report cannot say is lost and counted by the wire; nothing here could do more about it.
void App::introduce() {
  const VersionText firmware(parts_.handoff.of(boot::Kind::kFirmware));
  const VersionText model(parts_.handoff.of(boot::Kind::kModel));
  static_cast<void>(wire_.report(hello(identity_, firmware, model)));
}

void App::say_health() {
  health_ms_ = parts_.system.millis();
  protocol::Health health;
  health.uptime_ms = health_ms_;
  health.boots = parts_.handoff.boots;
  health.reset_reason = static_cast<uint8_t>(parts_.handoff.reset_reason);
  health.mode = protocol::Mode::kApplication;
  health.self_test = inference_.self_test();
  health.fw_state = image_state(identity_, boot::Kind::kFirmware);
  health.model_state = image_state(identity_, boot::Kind::kModel);
  health.arena_used = inference_.loaded() ? inference_.engine().arena_used() : 0;
  health.arena_size = inference_.arena_size();
  health.inferences = inference_.timing().count;
  health.invoke_us_mean = inference_.timing().mean_us;
  health.invoke_us_max = inference_.timing().max_us;
  health.rx_bad = wire_.bad();
  health.rx_overruns = wire_.overruns();
  health.tx_dropped = wire_.dropped();
  health.stack_free = parts_.system.stack_free();
  health.reports = wire_.reports();
  static_cast<void>(wire_.report(health));
}

void App::say_results(protocol::Source source, Status status) {
  const ml::Engine& engine = inference_.engine();
  protocol::ResultReport report;
  report.inference = inference_.timing().count;
  report.source = source;
  report.status = status;
  report.outputs = static_cast<uint8_t>(engine.outputs());
  report.invoke_us = inference_.timing().last_us;
  report.uptime_ms = parts_.system.millis();
  std::memcpy(report.model_hash, parts_.handoff.of(boot::Kind::kModel).hash, protocol::kShortHash);
  for (uint8_t index = 0; index < report.outputs; ++index) {
    const ml::Tensor output = engine.output(index);
    report.output = index;
    report.dtype = static_cast<uint8_t>(output.type);
    report.scale = output.scale;
    report.zero_point = output.zero_point;
    report.data = Bytes(output.data, output.bytes);
    static_cast<void>(wire_.report(report));
  }
}

void App::say_self_test() {
  if (inference_.refused()) {
    say(protocol::LogLevel::kError, RefusalText(inference_.diagnosis()).text());
  } else if (failed()) {
    say(protocol::LogLevel::kError, "a golden vector came out otherwise, or was not come to in time");
  }
}

void App::say(protocol::LogLevel level, std::string_view text) {
  static_cast<void>(wire_.report(protocol::Log{level, text}));
}

}  // namespace edged::app
