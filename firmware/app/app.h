// The application: one loop that answers, infers, reports, and watches over its own trial.
//
// Rules: nothing is allocated; whatever takes long (a request, an inference, a golden vector) is one step. Between two
// steps, and nowhere else in app/, the watchdog is fed, the trial's time looked at, and the health told: no host and no
// model keeps the loop from that.
#pragma once

#include <cstdint>

#include "app/edged_group.h"
#include "app/identity.h"
#include "app/inference.h"
#include "app/self_test.h"
#include "app/sensor.h"
#include "app/window.h"
#include "boot/handoff.h"
#include "boot/image_group.h"
#include "boot/slots.h"
#include "hal/serial.h"
#include "hal/system.h"
#include "protocol/os_group.h"
#include "protocol/smp_server.h"
#include "protocol/wire.h"

namespace edged::app {

// What a port gives. All of it outlives the application.
struct Parts {
  hal::System& system;
  hal::Serial& serial;
  boot::Slots& slots;
  boot::Handoff& handoff;
  const boot::PublicKey& key;
  MutableBytes arena;    // aligned to ml::kArenaAlignment
  MutableBytes staging;  // for inputs that clients write; likewise
  Sensor* sensor;        // nullptr: none
};

class App final : private boot::Judge, private Upkeep {
 public:
  explicit App(const Parts& parts, Inference::Clock clock);

  // Loads the model, tests it, says HELLO, and never returns.
  [[noreturn]] void run();

 private:
  [[nodiscard]] Status may_confirm() override;
  void keep_up() override;
  [[nodiscard]] uint32_t now_ms() override { return parts_.system.millis(); }
  void start();
  void step();
  void settle();
  [[nodiscard]] bool answer();
  void follow_up();
  void sample();
  void guard_trial(uint32_t now_ms);
  void introduce();
  void say_health();
  void say_results(protocol::Source source, Status status);
  void say_self_test();
  void say(protocol::LogLevel level, std::string_view text);
  [[nodiscard]] bool on_trial() const;
  [[nodiscard]] bool failed() const { return inference_.self_test() == protocol::SelfTest::kFailed; }

  // Of one request, and of its answer.
  uint8_t request_[protocol::kMaxMessage];
  uint8_t response_[protocol::kMaxMessage];

  Parts parts_;
  Identity identity_;
  Inference inference_;
  protocol::Wire wire_;
  protocol::OsGroup os_;
  boot::ImageGroup images_;
  EdgedGroup edged_;
  protocol::SmpGroup* groups_[3];
  protocol::SmpServer server_;
  TrialWindow window_;
  uint32_t health_ms_ = 0;  // when it was said last
  uint32_t sample_ms_ = 0;  // when a measurement was taken last
  uint32_t period_ms_ = 0;  // 0: the sensor rests
  bool settled_ = false;
};

}  // namespace edged::app
