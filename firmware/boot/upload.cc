#include "boot/upload.h"

#include <cstring>

#include "core/bytes.h"

namespace edged::boot {
namespace {

constexpr uint8_t kErased = 0xFF;

}  // namespace

Status Upload::begin(Kind kind, uint32_t length, Bytes sha, Bytes head) {
  if (!sha.empty() && sha.size() != kHashSize) return Status::kMalformed;
  if (under_way() && has_sha_ && !sha.empty() && kind == kind_ && length == length_ &&
      std::memcmp(sha.data(), sha_, kHashSize) == 0) {
    return Status::kOk;
  }
  const Result<uint8_t> slot = slots_.upload_slot(kind);
  if (!slot.ok()) return slot.status();
  const uint32_t room = slots_.region(kind, slot.value()).size;
  if (length > room || head.size() > length) return Status::kTooLarge;
  Image image;
  if (const Status status = read_header(head, length, image); !ok(status)) return status;
  if (const Status status = slots_.places(kind, slot.value(), image); !ok(status)) return status;
  if (const Status status = slots_.release(kind, slot.value()); !ok(status)) return status;
  whole_ = false;
  kind_ = kind;
  slot_ = slot.value();
  length_ = length;
  offset_ = programmed_ = erased_ = rest_size_ = 0;
  received_.start();
  has_sha_ = !sha.empty();
  if (has_sha_) std::memcpy(sha_, sha.data(), kHashSize);
  return Status::kOk;
}

Status Upload::write(Bytes data) {
  if (!under_way()) return Status::kWrongState;
  if (data.size() > length_ - offset_) return Status::kTooLarge;
  received_.add(data);
  Status status = store(data);
  if (ok(status) && offset_ < length_) return status;
  if (ok(status)) status = finish();
  // What was refused is not left there, to be found and tried after all.
  if (!ok(status)) static_cast<void>(slots_.erase(kind_, slot_, 0));
  whole_ = ok(status);
  slot_ = kNoSlot;
  return status;
}

Status Upload::store(Bytes data) {
  const uint32_t unit = slots_.flash().geometry().program_size;
  while (!data.empty()) {
    if (rest_size_ > 0 || data.size() < unit) {
      const Bytes taken = data.first(unit - rest_size_);
      std::memcpy(rest_ + rest_size_, taken.data(), taken.size());
      rest_size_ += static_cast<uint32_t>(taken.size());
      offset_ += static_cast<uint32_t>(taken.size());
      data = data.from(taken.size());
      if (rest_size_ < unit) continue;
      rest_size_ = 0;
      if (const Status status = program({rest_, unit}); !ok(status)) return status;
    } else {
      const Bytes units = data.first(data.size() - data.size() % unit);
      if (const Status status = program(units); !ok(status)) return status;
      offset_ += static_cast<uint32_t>(units.size());
      data = data.from(units.size());
    }
  }
  return Status::kOk;
}

Status Upload::program(Bytes units) {
  const auto size = static_cast<uint32_t>(units.size());
  while (erased_ < programmed_ + size) {
    if (const Status status = slots_.erase(kind_, slot_, erased_); !ok(status)) return status;
    erased_ += slots_.flash().geometry().erase_size;
  }
  if (const Status status = slots_.program(kind_, slot_, programmed_, units); !ok(status)) return status;
  programmed_ += size;
  return Status::kOk;
}

Status Upload::finish() {
  if (rest_size_ > 0) {
    const uint32_t unit = slots_.flash().geometry().program_size;
    std::memset(rest_ + rest_size_, kErased, unit - rest_size_);
    if (const Status status = program({rest_, unit}); !ok(status)) return status;
  }
  uint8_t found[kHashSize];
  received_.end(found);
  if (has_sha_ && !equal(found, sha_)) return Status::kCorrupt;
  Image image;
  if (const Status status = slots_.inspect(kind_, slot_, image); !ok(status)) return status;
  if (image.total_size != length_) return Status::kMalformed;
  return slots_.admit(kind_, slot_, image);
}

Status Upload::erase(Kind kind, uint8_t slot) {
  const Status status = slots_.forget(kind, slot);
  return ok(status) ? empty(kind, slot) : status;
}

Status Upload::erase_next(Kind kind) {
  const Result<uint8_t> slot = slots_.upload_slot(kind);
  if (!slot.ok()) return slot.status();
  const Status status = slots_.release(kind, slot.value());
  return ok(status) ? empty(kind, slot.value()) : status;
}

Status Upload::empty(Kind kind, uint8_t slot) {
  if (under_way() && kind == kind_ && slot == slot_) slot_ = kNoSlot;
  whole_ = false;
  return slots_.erase(kind, slot, 0);
}

}  // namespace edged::boot
