#include "protocol/wire.h"

#include "core/bytes.h"
#include "protocol/crc.h"

namespace edged::protocol {
namespace {

constexpr uint8_t kDelimiter[] = {0x00};

}  // namespace

Result<Bytes> Wire::receive() {
  more_ = false;
  for (size_t fed = 0; fed < kMaxFed; ++fed) {
    if (taken_ == come_) {
      taken_ = 0;
      come_ = serial_.read(chunk_);
      if (come_ == 0) return Status::kNotFound;
    }
    const Result<Bytes> message = receiver_.feed(chunk_[taken_++]);
    if (message.ok()) return message;
    if (message.status() != Status::kNotFound) ++bad_;
  }
  more_ = true;
  return Status::kNotFound;
}

Status Wire::answer(Bytes message) {
  if (sending_) return Status::kWrongState;
  sending_ = true;
  SmpEncoder encoder(message);
  for (Bytes line = encoder.next_line(); !line.empty(); line = encoder.next_line()) serial_.write(line);
  sending_ = false;
  return Status::kOk;
}

void Wire::stuff(Bytes bytes) {
  for (const uint8_t byte : bytes) {
    const Bytes block = cobs_.put(byte);
    if (!block.empty()) serial_.write(block);
  }
}

Status Wire::frame(ReportType type, Bytes body) {
  uint8_t header[kReportHeader] = {kReportVersion, static_cast<uint8_t>(type)};
  put_u16(header + 2, static_cast<uint16_t>(reports_));
  uint8_t checksum[kReportChecksum];
  put_u32(checksum, crc32(body, crc32(header)));
  const uint32_t lost = serial_.lost();
  sending_ = true;
  serial_.write(kDelimiter);
  stuff(header);
  stuff(body);
  stuff(checksum);
  const Bytes rest = cobs_.finish();
  if (!rest.empty()) serial_.write(rest);
  serial_.write(kDelimiter);
  sending_ = false;
  ++reports_;
  if (serial_.lost() != lost) ++dropped_;
  return Status::kOk;
}

}  // namespace edged::protocol
