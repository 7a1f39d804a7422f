#include "boot/image_group.h"

#include <cstring>
#include <string_view>

#include "boot/version_text.h"

namespace edged::boot {
namespace {

using protocol::CborReader;
using protocol::CborWriter;
using protocol::SmpOp;

enum Command : uint8_t { kState = 0, kUpload = 1, kErase = 5 };

// A key that may be absent.
Result<Bytes> optional_bytes(const CborReader& body, std::string_view key) {
  const Result<Bytes> found = body.bytes_of(key);
  return found.status() == Status::kNotFound ? Result<Bytes>(Bytes()) : found;
}

// Whether it was confirmed once and has not failed since: what a person may go back to. What runs on trial is not, be
// it what ran before.
bool confirmed(const Slots& slots, Kind kind, uint8_t slot) {
  const ImageState& state = slots.state().of(kind);
  if (state.active == slot) return true;
  return state.previous == slot && !rejected(state, slot) && !(slots.on_trial(kind) && state.trial == slot);
}

}  // namespace

Status ImageGroup::handle(const protocol::SmpHeader& header, CborReader& body, CborWriter& out) {
  if (header.command == kState && header.op == SmpOp::kRead) return read_state(out);
  if (header.command == kState && header.op == SmpOp::kWrite) return write_state(body, out);
  if (header.command == kUpload && header.op == SmpOp::kWrite) return upload(body, out);
  if (header.command == kErase && header.op == SmpOp::kWrite) return erase(body);
  return Status::kUnsupported;
}

void ImageGroup::put(CborWriter& out, Kind kind, uint8_t slot, const Image& image) {
  const ImageState& state = slots_.state().of(kind);
  out.begin_map();
  out.key("image").put_uint(static_cast<uint8_t>(kind));
  out.key("slot").put_uint(slot);
  out.key("version").put_text(VersionText(image.version).text());
  out.key("hash").put_bytes(image.hash);
  out.key("bootable").put_bool(ok(slots_.admit(kind, slot, image)));
  out.key("pending").put_bool(state.stage == Stage::kPending && state.trial == slot);
  out.key("confirmed").put_bool(confirmed(slots_, kind, slot));
  out.key("active").put_bool(slots_.running().of(kind) == slot);
  out.key("permanent").put_bool(false);
  out.end();
}

Status ImageGroup::read_state(CborWriter& out) {
  out.key("images").begin_array();
  for (const Kind kind : kAllKinds) {
    for (uint8_t slot = 0; slot < kSlots; ++slot) {
      Image image;
      if (ok(slots_.look(kind, slot, image))) put(out, kind, slot, image);
    }
  }
  out.end();
  out.key("splitStatus").put_uint(0);
  return Status::kOk;
}

// What runs comes last: of two slots with the same image, it is the other one that can be tried.
Status ImageGroup::find(Bytes hash, Kind& kind, uint8_t& slot) {
  Status found = Status::kNotFound;
  for (const Kind one : kAllKinds) {
    for (uint8_t index = 0; index < kSlots; ++index) {
      Image image;
      if (!ok(slots_.look(one, index, image)) || std::memcmp(image.hash, hash.data(), kHashSize) != 0) continue;
      if (ok(found) && slots_.running().of(one) == index) continue;
      kind = one;
      slot = index;
      found = Status::kOk;
    }
  }
  return found;
}

Status ImageGroup::confirm() {
  if (judge_ != nullptr) {
    if (const Status status = judge_->may_confirm(); !ok(status)) return status;
  }
  return slots_.confirm();
}

Status ImageGroup::write_state(const CborReader& body, CborWriter& out) {
  const Result<Bytes> hash = optional_bytes(body, "hash");
  const Result<bool> confirmed = body.bool_of("confirm", false);
  if (!hash.ok()) return hash.status();
  if (!confirmed.ok()) return confirmed.status();
  Status status = Status::kOk;
  if (hash.value().empty()) {
    status = confirmed.value() ? confirm() : Status::kMalformed;
  } else {
    Kind kind = Kind::kFirmware;
    uint8_t slot = kNoSlot;
    if (hash.value().size() != kHashSize) return Status::kMalformed;
    if (status = find(hash.value(), kind, slot); !ok(status)) return status;
    if (!confirmed.value()) {
      status = slots_.mark_for_test(kind, slot);
    } else {
      status = slots_.running().of(kind) == slot ? confirm() : Status::kWrongState;
    }
  }
  return ok(status) ? read_state(out) : status;
}

Status ImageGroup::upload(const CborReader& body, CborWriter& out) {
  const Result<uint32_t> offset = body.uint_of("off");
  const Result<Bytes> data = body.bytes_of("data");
  if (!offset.ok()) return offset.status();
  if (!data.ok()) return data.status();
  if (offset.value() == 0) {
    const Result<uint32_t> number = body.uint_of("image", 0);
    const Result<uint32_t> length = body.uint_of("len");
    const Result<Bytes> sha = optional_bytes(body, "sha");
    if (!number.ok()) return number.status();
    if (!length.ok()) return length.status();
    if (!sha.ok()) return sha.status();
    if (number.value() >= kKinds) return Status::kOutOfRange;
    const Status status = upload_.begin(kAllKinds[number.value()], length.value(), sha.value(), data.value());
    if (!ok(status)) return status;
  }
  // Any other offset than the next is answered by where to go on: at the start, where nothing is under way.
  if (upload_.under_way() && upload_.offset() == offset.value()) {
    if (const Status status = upload_.write(data.value()); !ok(status)) return status;
  }
  const bool ended = upload_.ended_with(offset.value(), data.value().size());
  out.key("off").put_uint(upload_.under_way() || ended ? upload_.offset() : 0);
  if (ended) out.key("match").put_bool(true);
  return Status::kOk;
}

// Slots are counted through all kinds here, as clients do that send no image. Without a number it is the slot that the
// next firmware would go to.
Status ImageGroup::erase(const CborReader& body) {
  const Result<uint32_t> number = body.uint_of("slot");
  if (number.status() == Status::kNotFound) return upload_.erase_next(Kind::kFirmware);
  if (!number.ok()) return number.status();
  if (number.value() >= kKinds * kSlots) return Status::kOutOfRange;
  return upload_.erase(kAllKinds[number.value() / kSlots], static_cast<uint8_t>(number.value() % kSlots));
}

uint16_t ImageGroup::error(Status status) const {
  switch (status) {
    case Status::kOk:
      return 0;
    case Status::kNotFound:
      return 8;  // hash not found
    case Status::kTruncated:
    case Status::kMalformed:
      return 22;  // invalid image header
    case Status::kCorrupt:
      return 24;  // invalid hash
    case Status::kUnsupported:
      return 23;  // invalid image header magic
    case Status::kTooLarge:
      return 30;  // invalid image, too large
    case Status::kOutOfRange:
      return 25;  // invalid flash address
    case Status::kWrongState:
      return 9;  // no free slot, or not now
    case Status::kUnsigned:
      return 5;  // invalid TLV
    case Status::kDowngrade:
      return 27;  // current version is newer
    case Status::kWrongBoard:
      return 29;  // made for other vectors
    case Status::kFlashFailed:
      return 12;  // flash write failed
    case Status::kSelfTest:
      return 32;  // confirmation denied
  }
  return 1;
}

}  // namespace edged::boot
