// A 16550 with its registers on words, as in SmartFusion2's microcontroller subsystem.
#pragma once

#include "ports/common/registers.h"
#include "ports/common/uart.h"

namespace edged::ports {

class Ns16550 final : public Uart {
 public:
  constexpr Ns16550(uint32_t base, uint32_t clock_hz, uint32_t baud, Ring& ring)
      : Uart(ring), base_(base), divider_((clock_hz / 8 / baud + 1) / 2) {}

  void start() {
    reg(base_ + kLineControl) = kDividerAccess | kEightBits;
    reg(base_ + kData) = divider_ & 0xFF;
    reg(base_ + kInterrupts) = divider_ >> 8;
    reg(base_ + kLineControl) = kEightBits;
    // The receiver speaks up when its FIFO holds 14 of 16 bytes, or four characters after the last one.
    reg(base_ + kFifoControl) = kFifoOn | kFifoClear | kFifoTrigger;
    reg(base_ + kInterrupts) = kReceiveInterrupt;
  }

  void on_interrupt() {
    while ((line_state(missed_) & kReceiveFull) != 0) ring_.put(static_cast<uint8_t>(reg(base_ + kData)));
  }

  uint32_t overruns() const override { return ring_.overruns() + missed_ + missed_while_sending_; }

 private:
  static constexpr uint32_t kData = 0x00, kInterrupts = 0x04, kFifoControl = 0x08, kLineControl = 0x0C,
                            kLineState = 0x14;
  static constexpr uint32_t kDividerAccess = 0x80, kEightBits = 0x03, kFifoOn = 0x01, kFifoClear = 0x06,
                            kFifoTrigger = 0xC0;
  static constexpr uint32_t kReceiveInterrupt = 1, kReceiveFull = 0x01, kReceiveOverrun = 0x02, kTransmitEmpty = 0x20;

  // Whoever reads it clears the overrun in it: so each reader counts, the interrupt and the program apart.
  uint32_t line_state(volatile uint32_t& missed) {
    const uint32_t state = reg(base_ + kLineState);
    if ((state & kReceiveOverrun) != 0) missed = missed + 1;
    return state;
  }
  bool may_send() override { return (line_state(missed_while_sending_) & kTransmitEmpty) != 0; }
  void send(uint8_t byte) override { reg(base_ + kData) = byte; }

  const uint32_t base_;
  const uint32_t divider_;
  volatile uint32_t missed_ = 0;  // times that bytes came while the FIFO was full
  volatile uint32_t missed_while_sending_ = 0;
};

}  // namespace edged::ports
