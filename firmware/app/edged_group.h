// SMP's group 64: what is edged's own. The application's side; a loader answers `info` alone (recovery.h).
#pragma once

#include <cstdint>

#include "app/identity.h"
#include "app/inference.h"
#include "app/self_test.h"
#include "protocol/smp_server.h"

namespace edged::app {

inline constexpr uint16_t kEdgedGroup = 64;

enum class Command : uint8_t { kInfo = 0, kInput = 1, kInvoke = 2, kOutput = 3, kSelfTest = 4, kSample = 5 };

// A request is carried out at once; the reports that it brings about are left to the loop, which asks with take_...
// once the answer is out.
class EdgedGroup final : public protocol::SmpGroup {
 public:
  // Between two measurements of a sensor, at most: a day.
  static constexpr uint32_t kMaxPeriodMs = 24u * 3600 * 1000;

  EdgedGroup(const Identity& identity, Inference& inference, Upkeep& upkeep, bool has_sensor)
      : identity_(identity), inference_(inference), upkeep_(upkeep), has_sensor_(has_sensor) {}

  [[nodiscard]] uint16_t id() const override { return kEdgedGroup; }
  Status handle(const protocol::SmpHeader& header, protocol::CborReader& body, protocol::CborWriter& out) override;

  // Each is true once after it was asked for.
  [[nodiscard]] bool take_info() { return take(info_); }
  [[nodiscard]] bool take_result() { return take(result_); }
  [[nodiscard]] bool take_self_test() { return take(tested_); }
  [[nodiscard]] bool take_period() { return take(period_set_); }
  [[nodiscard]] Status result_status() const { return result_status_; }  // of the last invoke
  [[nodiscard]] uint32_t period_ms() const { return period_ms_; }

 private:
  static bool take(bool& flag) {
    const bool was = flag;
    flag = false;
    return was;
  }
  Status info(protocol::CborWriter& out);
  Status input(const protocol::CborReader& body, protocol::CborWriter& out);
  Status invoke(protocol::CborWriter& out);
  Status output(const protocol::CborReader& body, protocol::CborWriter& out);
  Status self_test(protocol::CborWriter& out);
  Status sample(const protocol::CborReader& body, protocol::CborWriter& out);

  const Identity& identity_;
  Inference& inference_;
  Upkeep& upkeep_;
  const bool has_sensor_;
  bool info_ = false;
  bool result_ = false;
  bool tested_ = false;
  bool period_set_ = false;
  Status result_status_ = Status::kOk;
  uint32_t period_ms_ = 0;
};

}  // namespace edged::app
