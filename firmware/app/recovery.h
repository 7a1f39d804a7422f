// The loader's side of the line, when there is nothing to start: it answers what an application would, but for
// inference.
#pragma once

#include "app/edged_group.h"
#include "app/identity.h"
#include "boot/handoff.h"
#include "boot/image_group.h"
#include "boot/loader.h"
#include "boot/slots.h"
#include "hal/serial.h"
#include "hal/system.h"
#include "protocol/os_group.h"
#include "protocol/smp_server.h"
#include "protocol/wire.h"

namespace edged::app {

// `info`, and nothing else of group 64.
class LoaderGroup final : public protocol::SmpGroup {
 public:
  explicit LoaderGroup(const Identity& identity) : identity_(identity) {}
  [[nodiscard]] uint16_t id() const override { return kEdgedGroup; }
  Status handle(const protocol::SmpHeader& header, protocol::CborReader& body, protocol::CborWriter& out) override;
  [[nodiscard]] bool take_info() {
    const bool was = info_;
    info_ = false;
    return was;
  }

 private:
  const Identity& identity_;
  bool info_ = false;
};

class RecoveryServer {
 public:
  RecoveryServer(hal::System& system, hal::Serial& serial, boot::Slots& slots, boot::Handoff& handoff,
                 const boot::PublicKey& key);

  // Serves until somebody asks for a reset.
  [[noreturn]] void run(boot::Recovery why);

 private:
  void introduce();
  void say_health();

  uint8_t request_[protocol::kMaxMessage];
  uint8_t response_[protocol::kMaxMessage];

  hal::System& system_;
  boot::Handoff& handoff_;
  Identity identity_;
  protocol::Wire wire_;
  protocol::OsGroup os_;
  boot::ImageGroup images_;
  LoaderGroup edged_;
  protocol::SmpGroup* groups_[3];
  protocol::SmpServer server_;
  uint32_t health_ms_ = 0;
};

}  // namespace edged::app
