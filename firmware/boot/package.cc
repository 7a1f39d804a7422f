#include "boot/package.h"

#include <cstring>

#include "core/bytes.h"

namespace edged::boot {
namespace {

constexpr uint32_t kHeader = 16;
constexpr uint32_t kVectorHeader = 12;
constexpr uint32_t kTensorAlignment = 4;
constexpr uint16_t kVersion = 1;

bool all_zero(Bytes bytes) {
  for (const uint8_t byte : bytes) {
    if (byte != 0) return false;
  }
  return true;
}

// Takes a vector off the front of `from`.
Status take(Bytes& from, GoldenVector& vector) {
  if (from.size() < kVectorHeader) return Status::kTruncated;
  const uint32_t input = get_u32(from.data());
  const uint32_t output = get_u32(from.data() + 4);
  vector.tolerance = from[8];
  if (input % kTensorAlignment != 0 || output % kTensorAlignment != 0 || !all_zero(from.part(9, 3)))
    return Status::kMalformed;
  const Bytes data = from.from(kVectorHeader);
  if (input > data.size() || output > data.size() - input) return Status::kTruncated;
  vector.input = data.first(input);
  vector.output = data.part(input, output);
  from = data.from(input + output);
  return Status::kOk;
}

}  // namespace

Status Package::open(Bytes payload, Package& package) {
  if (payload.size() < kHeader) return Status::kTruncated;
  if (std::memcmp(payload.data(), "EDMP", 4) != 0) return Status::kMalformed;
  if (get_u16(payload.data() + 4) != kVersion) return Status::kUnsupported;
  const uint32_t offset = get_u32(payload.data() + 8);
  const uint32_t size = get_u32(payload.data() + 12);
  if (offset < kHeader || offset % kModelOffsetUnit != 0 || size == 0) return Status::kMalformed;
  if (offset > payload.size() || size > payload.size() - offset) return Status::kTruncated;
  if (size != payload.size() - offset) return Status::kMalformed;
  package.count_ = get_u16(payload.data() + 6);
  package.vectors_ = payload.part(kHeader, offset - kHeader);
  package.model_ = payload.from(offset);
  Bytes rest = package.vectors_;
  for (uint32_t i = 0; i < package.count_; ++i) {
    GoldenVector vector;
    if (const Status status = take(rest, vector); !ok(status)) return status;
  }
  return rest.size() < kModelOffsetUnit && all_zero(rest) ? Status::kOk : Status::kMalformed;
}

GoldenVector Package::vector(uint32_t index) const {
  GoldenVector vector;
  Bytes rest = vectors_;
  for (uint32_t i = 0; i <= index; ++i) static_cast<void>(take(rest, vector));  // open() took all of them
  return vector;
}

}  // namespace edged::boot
