// The UART of Arm's Cortex-M System Design Kit (CMSDK), as on MPS2 and MPS3.
#pragma once

#include "ports/common/registers.h"
#include "ports/common/uart.h"

namespace edged::ports {

class CmsdkUart final : public Uart {
 public:
  constexpr CmsdkUart(uint32_t base, uint32_t clock_hz, uint32_t baud, Ring& ring)
      : Uart(ring), base_(base), divider_(clock_hz / baud) {}

  void start() {
    reg(base_ + kDivider) = divider_;
    reg(base_ + kControl) = kTransmit | kReceive | kReceiveInterrupt;
  }

  void on_interrupt() {
    reg(base_ + kInterrupts) = kReceiveInterrupted;
    while ((reg(base_ + kState) & kReceiveFull) != 0) ring_.put(static_cast<uint8_t>(reg(base_ + kData)));
    if ((reg(base_ + kState) & kReceiveOverrun) == 0) return;
    missed_ = missed_ + 1;
    reg(base_ + kState) = kReceiveOverrun;  // clears it
  }

  uint32_t overruns() const override { return ring_.overruns() + missed_; }

 private:
  static constexpr uint32_t kData = 0x00, kState = 0x04, kControl = 0x08, kInterrupts = 0x0C, kDivider = 0x10;
  static constexpr uint32_t kTransmitFull = 1, kReceiveFull = 2, kReceiveOverrun = 8;
  static constexpr uint32_t kTransmit = 1, kReceive = 2, kReceiveInterrupt = 8, kReceiveInterrupted = 2;

  bool may_send() override { return (reg(base_ + kState) & kTransmitFull) == 0; }
  void send(uint8_t byte) override { reg(base_ + kData) = byte; }

  const uint32_t base_;
  const uint32_t divider_;
  volatile uint32_t missed_ = 0;  // times that bytes came before the last one was taken
};

}  // namespace edged::ports
