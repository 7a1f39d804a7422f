#include "app/recovery.h"

#include "app/leave.h"
#include "app/limits.h"

namespace edged::app {
namespace {

std::string_view words(boot::Recovery why) {
  switch (why) {
    case boot::Recovery::kAsked:
      return "asked to stay in the loader";
    case boot::Recovery::kCrashes:
      return "the firmware crashed too often in a row";
    case boot::Recovery::kNoImage:
    case boot::Recovery::kNone:
      break;
  }
  return "no slot holds firmware that may start";
}

}  // namespace

Status LoaderGroup::handle(const protocol::SmpHeader& header, protocol::CborReader& /*body*/,
                           protocol::CborWriter& out) {
  if (static_cast<Command>(header.command) != Command::kInfo || header.op != protocol::SmpOp::kRead) {
    return Status::kUnsupported;
  }
  write_identity(identity_, protocol::SelfTest::kNotRun, out);
  info_ = true;
  return Status::kOk;
}

RecoveryServer::RecoveryServer(hal::System& system, hal::Serial& serial, boot::Slots& slots, boot::Handoff& handoff,
                               const boot::PublicKey& key)
    : system_(system),
      handoff_(handoff),
      identity_{protocol::Mode::kLoader, system.board(), "", handoff, slots, key},
      wire_(serial, request_),
      images_(slots),
      edged_(identity_),
      groups_{&os_, &images_, &edged_},
      server_(groups_) {}

void RecoveryServer::run(boot::Recovery why) {
  system_.start_watchdog(kWatchdogMs);
  introduce();
  static_cast<void>(wire_.report(protocol::Log{protocol::LogLevel::kWarning, words(why)}));
  say_health();
  for (;;) {
    system_.feed_watchdog();
    const Result<Bytes> request = wire_.receive();
    if (!request.ok()) {
      if (system_.millis() - health_ms_ >= kHealthPeriodMs) say_health();
      if (!wire_.more()) system_.idle(kHealthPeriodMs);
      continue;
    }
    const Result<Bytes> response = server_.answer(request.value(), response_);
    if (response.ok()) static_cast<void>(wire_.answer(response.value()));
    if (edged_.take_info()) {
      introduce();
      say_health();
    }
    if (os_.reset_wanted() == protocol::OsGroup::Reset::kStart) leave(wire_, system_, protocol::ByeReason::kRequested);
    if (os_.reset_wanted() == protocol::OsGroup::Reset::kStayInLoader) {
      boot::stay_in_loader(handoff_);
      leave(wire_, system_, protocol::ByeReason::kToLoader);
    }
  }
}

void RecoveryServer::introduce() {
  const VersionText none(handoff_.of(boot::Kind::kFirmware));
  static_cast<void>(wire_.report(hello(identity_, none, none)));
}

void RecoveryServer::say_health() {
  health_ms_ = system_.millis();
  protocol::Health health;
  health.uptime_ms = health_ms_;
  health.boots = handoff_.boots;
  health.reset_reason = static_cast<uint8_t>(handoff_.reset_reason);
  health.mode = protocol::Mode::kLoader;
  health.rx_bad = wire_.bad();
  health.rx_overruns = wire_.overruns();
  health.tx_dropped = wire_.dropped();
  health.stack_free = system_.stack_free();
  health.reports = wire_.reports();
  static_cast<void>(wire_.report(health));
}

}  // namespace edged::app
