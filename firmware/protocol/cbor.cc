#include "protocol/cbor.h"

#include <cstring>

namespace edged::protocol {
namespace {

enum Major : uint8_t { kUint = 0, kNegative = 1, kBytes = 2, kText = 3, kArray = 4, kMap = 5, kTag = 6, kSimple = 7 };

constexpr uint8_t kBreak = 0xFF;
constexpr uint8_t kFalse = 20;  // the infos of simple values
constexpr uint8_t kTrue = 21;
constexpr uint8_t kFirstWide = 24;  // infos from here on: 1, 2, 4 or 8 bytes of value follow
constexpr uint8_t kLastWide = 27;

std::string_view as_text(Bytes bytes) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<uint32_t> narrow(Result<uint64_t> value) {
  if (!value.ok()) return value.status();
  if (value.value() > UINT32_MAX) return Status::kOutOfRange;
  return static_cast<uint32_t>(value.value());
}

}  // namespace

Result<CborReader::Head> CborReader::head() {
  if (at_end()) return Status::kTruncated;
  const uint8_t first = data_[at_++];
  Head head;
  head.major = first >> 5;
  head.info = first & 0x1F;
  if (head.info < kFirstWide) {
    head.value = head.info;
  } else if (head.info <= kLastWide) {
    const size_t wide = size_t{1} << (head.info - kFirstWide);
    if (data_.size() - at_ < wide) return Status::kTruncated;
    for (size_t i = 0; i < wide; ++i) head.value = (head.value << 8) | data_[at_++];
  } else {
    const bool may_be_open = head.major >= kBytes && head.major <= kMap;
    if (!head.open_ended() || !may_be_open) return Status::kMalformed;
  }
  return head;
}

Result<uint64_t> CborReader::uint() {
  const Result<Head> head = this->head();
  if (!head.ok()) return head.status();
  if (head.value().major != kUint) return Status::kMalformed;
  return head.value().value;
}

Result<bool> CborReader::boolean() {
  const Result<Head> head = this->head();
  if (!head.ok()) return head.status();
  const uint8_t info = head.value().info;
  if (head.value().major != kSimple || (info != kFalse && info != kTrue)) return Status::kMalformed;
  return info == kTrue;
}

Result<Bytes> CborReader::string(uint8_t major) {
  const Result<Head> head = this->head();
  if (!head.ok()) return head.status();
  if (head.value().major != major) return Status::kMalformed;
  if (head.value().open_ended()) return Status::kUnsupported;
  const uint64_t size = head.value().value;
  if (size > data_.size() - at_) return Status::kTruncated;
  const Bytes found = data_.part(at_, static_cast<size_t>(size));
  at_ += found.size();
  return found;
}

Result<Bytes> CborReader::bytes() { return string(kBytes); }

Result<std::string_view> CborReader::text() {
  const Result<Bytes> found = string(kText);
  if (!found.ok()) return found.status();
  return as_text(found.value());
}

bool CborReader::take_break() {
  if (at_end() || data_[at_] != kBreak) return false;
  ++at_;
  return true;
}

Status CborReader::skip(uint32_t depth) {
  const Result<Head> head = this->head();
  if (!head.ok()) return head.status();
  const uint8_t major = head.value().major;
  uint64_t value = head.value().value;
  if (major == kUint || major == kNegative || major == kSimple) return Status::kOk;
  if (depth == kMaxDepth) return Status::kTooLarge;
  if (head.value().open_ended()) return skip_open_ended(major, depth);
  if (major == kTag) return skip(depth + 1);
  const size_t left = data_.size() - at_;
  if (value > left) return Status::kTruncated;  // an item is a byte at least
  if (major == kBytes || major == kText) {
    at_ += static_cast<size_t>(value);
    return Status::kOk;
  }
  if (major == kMap) value *= 2;
  for (; value > 0; --value) {
    const Status status = skip(depth + 1);
    if (!ok(status)) return status;
  }
  return Status::kOk;
}

Status CborReader::skip_open_ended(uint8_t major, uint32_t depth) {
  while (!take_break()) {
    if (major == kBytes || major == kText) {
      const Result<Bytes> piece = string(major);
      if (!piece.ok()) return piece.status() == Status::kUnsupported ? Status::kMalformed : piece.status();
      continue;
    }
    for (int items = major == kMap ? 2 : 1; items > 0; --items) {
      const Status status = skip(depth + 1);
      if (!ok(status)) return status;
    }
  }
  return Status::kOk;
}

Result<CborReader> CborReader::find(std::string_view key) const {
  CborReader here = *this;
  const Result<Head> head = here.head();
  if (!head.ok()) return head.status();
  if (head.value().major != kMap) return Status::kMalformed;
  const bool open_ended = head.value().open_ended();
  for (uint64_t left = head.value().value; open_ended ? !here.take_break() : left > 0; --left) {
    const Result<std::string_view> name = here.text();
    if (!name.ok()) return name.status();
    if (name.value() == key) return here;
    const Status status = here.skip();
    if (!ok(status)) return status;
  }
  return Status::kNotFound;
}

Result<uint32_t> CborReader::uint_of(std::string_view key) const {
  Result<CborReader> found = find(key);
  if (!found.ok()) return found.status();
  CborReader at = found.value();
  return narrow(at.uint());
}

Result<bool> CborReader::bool_of(std::string_view key) const {
  const Result<CborReader> found = find(key);
  if (!found.ok()) return found.status();
  CborReader at = found.value();
  return at.boolean();
}

Result<Bytes> CborReader::bytes_of(std::string_view key) const {
  const Result<CborReader> found = find(key);
  if (!found.ok()) return found.status();
  CborReader at = found.value();
  return at.bytes();
}

Result<std::string_view> CborReader::text_of(std::string_view key) const {
  const Result<CborReader> found = find(key);
  if (!found.ok()) return found.status();
  CborReader at = found.value();
  return at.text();
}

Result<uint32_t> CborReader::uint_of(std::string_view key, uint32_t otherwise) const {
  const Result<uint32_t> found = uint_of(key);
  return found.status() == Status::kNotFound ? Result<uint32_t>(otherwise) : found;
}

Result<bool> CborReader::bool_of(std::string_view key, bool otherwise) const {
  const Result<bool> found = bool_of(key);
  return found.status() == Status::kNotFound ? Result<bool>(otherwise) : found;
}

void CborWriter::append(Bytes bytes) {
  if (bytes.size() > room()) {
    full_ = true;
    return;
  }
  for (const uint8_t byte : bytes) into_[at_++] = byte;
}

void CborWriter::head(uint8_t major, uint64_t value) {
  uint8_t bytes[9];
  if (value < kFirstWide) return byte(static_cast<uint8_t>(static_cast<uint64_t>(major) << 5 | value));
  uint8_t info = kFirstWide;
  size_t wide = 1;
  while (wide < 8 && value >> (8 * wide) != 0) {
    wide *= 2;
    ++info;
  }
  bytes[0] = static_cast<uint8_t>(major << 5 | info);
  for (size_t i = 0; i < wide; ++i) bytes[1 + i] = static_cast<uint8_t>(value >> (8 * (wide - 1 - i)));
  append(Bytes(bytes, 1 + wide));
}

void CborWriter::put_int(int64_t value) {
  if (value >= 0) return put_uint(static_cast<uint64_t>(value));
  head(kNegative, ~static_cast<uint64_t>(value));
}

void CborWriter::put_bytes(Bytes value) {
  head(kBytes, value.size());
  append(value);
}

void CborWriter::put_text(std::string_view value) {
  head(kText, value.size());
  append(Bytes(reinterpret_cast<const uint8_t*>(value.data()), value.size()));
}

void CborWriter::put_float(float value) {
  uint32_t bits;
  static_assert(sizeof(bits) == sizeof(value));
  std::memcpy(&bits, &value, sizeof(bits));
  const uint8_t bytes[] = {0xFA, static_cast<uint8_t>(bits >> 24), static_cast<uint8_t>(bits >> 16),
                           static_cast<uint8_t>(bits >> 8), static_cast<uint8_t>(bits)};
  append(bytes);
}

}  // namespace edged::protocol
