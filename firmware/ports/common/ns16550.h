// A 16550 with its registers on words, as in SmartFusion2's microcontroller subsystem.
#pragma once

#include "hal/serial.h"
#include "ports/common/registers.h"
#include "ports/common/ring.h"

namespace edged::ports {

class Ns16550 final : public hal::Serial {
 public:
  constexpr Ns16550(uint32_t base, uint32_t clock_hz, uint32_t baud, Ring& ring)
      : base_(base), divider_((clock_hz / 8 / baud + 1) / 2), ring_(ring) {}

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
    while ((reg(base_ + kLineState) & kReceiveFull) != 0) ring_.put(static_cast<uint8_t>(reg(base_ + kData)));
  }

  void put(uint8_t byte) {
    uint32_t tries = stalled_ ? 1 : kMaxTries;
    while ((reg(base_ + kLineState) & kTransmitEmpty) == 0) {
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
  static constexpr uint32_t kData = 0x00, kInterrupts = 0x04, kFifoControl = 0x08, kLineControl = 0x0C,
                            kLineState = 0x14;
  static constexpr uint32_t kDividerAccess = 0x80, kEightBits = 0x03, kFifoOn = 0x01, kFifoClear = 0x06,
                            kFifoTrigger = 0xC0;
  static constexpr uint32_t kReceiveInterrupt = 1, kReceiveFull = 0x01, kTransmitEmpty = 0x20;
  // More than a byte takes at 9,600 baud. A transmitter that is stuck for longer (as an emulated one is while nobody
  // reads its terminal) loses bytes; it does not hang the program.
  static constexpr uint32_t kMaxTries = 200000;
  const uint32_t base_;
  const uint32_t divider_;
  bool stalled_ = false;
  Ring& ring_;  // apart, so that its zeros are not part of a program's image
};

}  // namespace edged::ports
