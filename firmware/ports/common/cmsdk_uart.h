// The UART of Arm's Cortex-M System Design Kit (CMSDK), as on MPS2 and MPS3.
#pragma once

#include "hal/serial.h"
#include "ports/common/registers.h"
#include "ports/common/ring.h"

namespace edged::ports {

class CmsdkUart final : public hal::Serial {
 public:
  constexpr CmsdkUart(uint32_t base, uint32_t clock_hz, uint32_t baud, Ring& ring)
      : base_(base), divider_(clock_hz / baud), ring_(ring) {}

  void start() {
    reg(base_ + kDivider) = divider_;
    reg(base_ + kControl) = kTransmit | kReceive | kReceiveInterrupt;
  }

  void on_interrupt() {
    reg(base_ + kInterrupts) = kReceiveInterrupted;
    while ((reg(base_ + kState) & kReceiveFull) != 0) ring_.put(static_cast<uint8_t>(reg(base_ + kData)));
  }

  void put(uint8_t byte) {
    uint32_t tries = stalled_ ? 1 : kMaxTries;
    while ((reg(base_ + kState) & kTransmitFull) != 0) {
      if (--tries == 0) {
        stalled_ = true;
        return;
      }
    }
    stalled_ = false;
    reg(base_ + kData) = byte;
  }

  size_t read(MutableBytes into) override { return ring_.take(into); }
  void write(Bytes from) override {
    for (const uint8_t byte : from) put(byte);
  }
  uint32_t overruns() const override { return ring_.overruns(); }

 private:
  static constexpr uint32_t kData = 0x00, kState = 0x04, kControl = 0x08, kInterrupts = 0x0C, kDivider = 0x10;
  static constexpr uint32_t kTransmitFull = 1, kReceiveFull = 2;
  static constexpr uint32_t kTransmit = 1, kReceive = 2, kReceiveInterrupt = 8, kReceiveInterrupted = 2;
  // More than a byte takes at 9,600 baud. A transmitter that is stuck for longer (as an emulated one is while nobody
  // reads its terminal) loses bytes; it does not hang the program.
  static constexpr uint32_t kMaxTries = 200000;
  const uint32_t base_;
  const uint32_t divider_;
  bool stalled_ = false;
  Ring& ring_;  // apart, so that its zeros are not part of a program's image
};

}  // namespace edged::ports
