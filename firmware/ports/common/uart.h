// What every UART here shares: reception by interrupt into a ring, and a transmitter that is polled and never waited
// for without end.
#pragma once

#include "hal/serial.h"
#include "ports/common/ring.h"

namespace edged::ports {

class Uart : public hal::Serial {
 public:
  size_t read(MutableBytes into) final { return ring_.take(into); }
  void write(Bytes from) final {
    for (const uint8_t byte : from) put(byte);
  }
  uint32_t lost() const final { return lost_; }

  void put(uint8_t byte) {
    uint32_t tries = stalled_ ? 1 : kMaxTries;
    while (!may_send()) {
      if (--tries == 0) {
        stalled_ = true;
        ++lost_;
        return;
      }
    }
    stalled_ = false;
    send(byte);
  }

 protected:
  constexpr explicit Uart(Ring& ring) : ring_(ring) {}
  ~Uart() = default;

  virtual bool may_send() = 0;
  virtual void send(uint8_t byte) = 0;

  Ring& ring_;  // apart, so that its zeros are not part of a program's image

 private:
  // More than a byte takes at 9,600 baud. A transmitter that is stuck for longer (as an emulated one is while nobody
  // reads its terminal) loses bytes; it does not hang the program.
  static constexpr uint32_t kMaxTries = 200000;
  bool stalled_ = false;
  uint32_t lost_ = 0;
};

}  // namespace edged::ports
