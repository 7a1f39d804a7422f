#include "spi.h"

#include "facts.h"
#include "ports/common/registers.h"

namespace edged::ports {
namespace {

constexpr uint32_t kControl = facts::kSpi + 0x00;
constexpr uint32_t kFrameBits = facts::kSpi + 0x04;
constexpr uint32_t kStatus = facts::kSpi + 0x08;
constexpr uint32_t kReceive = facts::kSpi + 0x10;
constexpr uint32_t kTransmit = facts::kSpi + 0x14;
constexpr uint32_t kClock = facts::kSpi + 0x18;
constexpr uint32_t kSelect = facts::kSpi + 0x1C;

constexpr uint32_t kReset = 1u << 31;
constexpr uint32_t kBigFifo = 1u << 29;
constexpr uint32_t kKeepSelected = 1u << 26;  // SPS: between the frames of one transfer
constexpr uint32_t kMaster = 1u << 1;
constexpr uint32_t kEnable = 1u << 0;
constexpr uint32_t kReceiveEmpty = 1u << 6;
constexpr uint32_t kDivider = 3;  // 71 MHz / (2 * (3 + 1)): about 9 MHz, which every such NOR takes

// A byte takes 126 cycles of the core; who waits for longer than a thousand times that waits for nothing.
constexpr uint32_t kMaxPolls = 100000;

Result<uint8_t> exchange(uint8_t out) {
  reg(kTransmit) = out;
  for (uint32_t polls = 0; polls < kMaxPolls; ++polls) {
    if ((reg(kStatus) & kReceiveEmpty) == 0) return static_cast<uint8_t>(reg(kReceive));
  }
  return Status::kFlashFailed;
}

Status send(Bytes bytes) {
  for (const uint8_t byte : bytes) {
    if (const Result<uint8_t> in = exchange(byte); !in.ok()) return in.status();
  }
  return Status::kOk;
}

}  // namespace

Status Spi::transfer(Bytes command, Bytes data, MutableBytes answer) {
  const auto frames = static_cast<uint32_t>(command.size() + data.size() + answer.size());
  reg(kControl) = kReset;
  reg(kClock) = kDivider;
  reg(kFrameBits) = 8;
  reg(kSelect) = 1;
  reg(kControl) = kBigFifo | kKeepSelected | frames << 8 | kMaster;
  reg(kControl) = kBigFifo | kKeepSelected | frames << 8 | kMaster | kEnable;
  if (const Status status = send(command); !ok(status)) return status;
  if (const Status status = send(data); !ok(status)) return status;
  for (uint8_t& byte : answer) {
    const Result<uint8_t> in = exchange(0xFF);
    if (!in.ok()) return in.status();
    byte = in.value();
  }
  return Status::kOk;
}

}  // namespace edged::ports
