#include "protocol/smp_frame.h"

#include "protocol/crc.h"

namespace edged::protocol {
namespace {

constexpr uint8_t kBegin[] = {0x06, 0x09};
constexpr uint8_t kResume[] = {0x04, 0x14};
constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint32_t kLengthBytes = 2;
constexpr uint32_t kCrcBytes = 2;

constexpr int kNoDigit = -1;

int digit(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return kNoDigit;
}

}  // namespace

Result<Bytes> SmpReceiver::feed(uint8_t byte) {
  Status status = Status::kNotFound;
  if (marker_ != 0) {
    const uint8_t first = marker_;
    marker_ = 0;
    if (first == kBegin[0] && byte == kBegin[1]) return begin_line();
    if (first == kResume[0] && byte == kResume[1]) return resume_line();
    if (where_ == Where::kLine) status = lose(Status::kMalformed);
  }
  if (byte == kBegin[0] || byte == kResume[0]) {
    marker_ = byte;
  } else if (byte == '\n') {
    if (where_ == Where::kLine) status = end_line();
    where_ = Where::kOutside;
  } else if (where_ == Where::kLine) {
    status = character(byte);
  }
  if (ok(status)) return Bytes(buffer_).first(length_ - kCrcBytes);
  return status;
}

Status SmpReceiver::begin_line() {
  const bool cut = packet_ == Packet::kOpen;
  packet_ = Packet::kOpen;
  where_ = Where::kLine;
  pads_ = in_group_ = 0;
  taken_ = length_ = 0;
  crc_ = 0;
  return cut ? Status::kTruncated : Status::kNotFound;
}

Status SmpReceiver::resume_line() {
  if (packet_ == Packet::kOpen && where_ == Where::kLine) return lose(Status::kTruncated);
  if (packet_ == Packet::kNone) return lose(Status::kMalformed);
  where_ = packet_ == Packet::kOpen ? Where::kLine : Where::kSkip;
  pads_ = 0;
  return Status::kNotFound;
}

Status SmpReceiver::end_line() {
  if (in_group_ != 0) return lose(Status::kMalformed);
  if (taken_ < kLengthBytes || taken_ < kLengthBytes + length_) return Status::kNotFound;
  if (crc_ != 0) return lose(Status::kCorrupt);
  packet_ = Packet::kNone;
  return Status::kOk;
}

Status SmpReceiver::character(uint8_t byte) {
  if (byte == '=') {
    if (in_group_ < 2) return lose(Status::kMalformed);
    bits_ <<= 6;
    ++pads_;
  } else {
    const int value = digit(byte);
    if (value == kNoDigit || pads_ != 0) return lose(Status::kMalformed);
    bits_ = (bits_ << 6) | static_cast<uint32_t>(value);
  }
  return ++in_group_ == 4 ? group() : Status::kNotFound;
}

Status SmpReceiver::group() {
  in_group_ = 0;
  for (uint32_t i = 0; i < 3u - pads_; ++i) {
    const Status status = content(static_cast<uint8_t>(bits_ >> (16 - 8 * i)));
    if (status != Status::kNotFound) return status;
  }
  return Status::kNotFound;
}

Status SmpReceiver::content(uint8_t byte) {
  const uint32_t index = taken_++;
  if (index < kLengthBytes) {
    length_ = (length_ << 8) | byte;
    if (index + 1 < kLengthBytes) return Status::kNotFound;
    if (length_ < kCrcBytes) return lose(Status::kMalformed);
    return length_ - kCrcBytes > buffer_.size() ? lose(Status::kTooLarge) : Status::kNotFound;
  }
  const uint32_t offset = index - kLengthBytes;
  if (offset >= length_) return lose(Status::kMalformed);
  if (offset < length_ - kCrcBytes) buffer_[offset] = byte;
  crc_ = crc16(Bytes(&byte, 1), crc_);
  return Status::kNotFound;
}

Status SmpReceiver::lose(Status why) {
  packet_ = Packet::kLost;
  where_ = Where::kSkip;
  return why;
}

SmpEncoder::SmpEncoder(Bytes message) : message_(message), crc_(crc16(message)) {}

// The bytes that base64 carries: length, message, checksum.
uint8_t SmpEncoder::raw(size_t index) const {
  const size_t length = message_.size() + kCrcBytes;
  if (index == 0) return static_cast<uint8_t>(length >> 8);
  if (index == 1) return static_cast<uint8_t>(length);
  index -= kLengthBytes;
  if (index < message_.size()) return message_[index];
  return static_cast<uint8_t>(index == message_.size() ? crc_ >> 8 : crc_);
}

Bytes SmpEncoder::next_line() {
  const size_t total = kLengthBytes + message_.size() + kCrcBytes;
  if (sent_ >= total) return {};
  size_t at = 0;
  for (const uint8_t byte : sent_ == 0 ? kBegin : kResume) line_[at++] = byte;
  const size_t end = total - sent_ < kLineBytes ? total : sent_ + kLineBytes;
  while (sent_ < end) {
    const size_t here = end - sent_ < 3 ? end - sent_ : 3;
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = (bits << 8) | (i < here ? raw(sent_ + i) : 0u);
    for (size_t i = 0; i < 4; ++i) {
      line_[at++] = static_cast<uint8_t>(i <= here ? kAlphabet[(bits >> (18 - 6 * i)) & 0x3F] : '=');
    }
    sent_ += here;
  }
  line_[at++] = '\n';
  return Bytes(line_, at);
}

}  // namespace edged::protocol
