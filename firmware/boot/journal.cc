#include "boot/journal.h"

#include "core/bytes.h"
#include "protocol/crc.h"

namespace edged::boot {
namespace {

constexpr uint32_t kMagic = 0x314A4445;  // "EDJ1": of this layout
constexpr uint32_t kCrcOffset = kRecordSize - 4;
constexpr uint32_t kImagesOffset = 12;
constexpr uint32_t kImageStateSize = 12;
constexpr uint8_t kErased = 0xFF;
// Places of a sector that a record is tried at, of which one cut spoils one: where more are bad, the other sector is
// better.
constexpr uint32_t kMaxPlaces = 8;

static_assert(kImagesOffset + kKinds * kImageStateSize <= kCrcOffset);

void encode(const State& state, uint32_t sequence, uint8_t (&record)[kRecordSize]) {
  for (uint8_t& byte : record) byte = 0;
  put_u32(record, kMagic);
  put_u32(record + 4, sequence);
  put_u32(record + 8, state.boots);
  for (uint32_t i = 0; i < kKinds; ++i) {
    const ImageState& image = state.images[i];
    uint8_t* at = record + kImagesOffset + i * kImageStateSize;
    at[0] = image.active;
    at[1] = image.previous;
    at[2] = image.trial;
    at[3] = static_cast<uint8_t>(image.stage);
    at[4] = static_cast<uint8_t>(image.outcome);
    at[5] = image.rejected;
    put_u32(at + 8, image.floor);
  }
  put_u32(record + kCrcOffset, protocol::crc32({record, kCrcOffset}));
}

bool decode_slot(uint8_t byte, uint8_t& slot) {
  slot = byte;
  return byte < kSlots || byte == kNoSlot;
}

// A record with the right CRC was written by this code; the checks of values are for one of a later layout.
bool decode(const uint8_t (&record)[kRecordSize], State& state, uint32_t& sequence) {
  if (get_u32(record) != kMagic || get_u32(record + kCrcOffset) != protocol::crc32({record, kCrcOffset})) return false;
  sequence = get_u32(record + 4);
  state.boots = get_u32(record + 8);
  for (uint32_t i = 0; i < kKinds; ++i) {
    const uint8_t* at = record + kImagesOffset + i * kImageStateSize;
    ImageState& image = state.images[i];
    if (!decode_slot(at[0], image.active) || !decode_slot(at[1], image.previous) || !decode_slot(at[2], image.trial) ||
        at[5] >> kSlots != 0) {
      return false;
    }
    image.rejected = at[5];
    if (at[3] > static_cast<uint8_t>(Stage::kRunning) || at[4] > static_cast<uint8_t>(Outcome::kRefused)) return false;
    image.stage = static_cast<Stage>(at[3]);
    image.outcome = static_cast<Outcome>(at[4]);
    image.floor = get_u32(at + 8);
  }
  return true;
}

bool erased(const uint8_t (&record)[kRecordSize]) {
  for (const uint8_t byte : record) {
    if (byte != kErased) return false;
  }
  return true;
}

}  // namespace

// Every record of a sector is looked at: behind a torn one there may be a valid one.
Status Journal::scan(uint8_t sector, State& state) {
  uint32_t used = 0;
  bool holds_last = false;
  for (uint32_t offset = 0; offset + kRecordSize <= map_.journal[sector].size; offset += kRecordSize) {
    uint8_t record[kRecordSize];
    if (const Status status = flash_.read(map_.journal[sector].address + offset, record); !ok(status)) return status;
    if (!erased(record)) used = offset + kRecordSize;
    State found;
    uint32_t sequence = 0;
    if (!decode(record, found, sequence) || sequence <= sequence_) continue;
    state = found;
    sequence_ = sequence;
    holds_last = true;
  }
  if (holds_last) {
    sector_ = sector;
    next_ = used;
  }
  return Status::kOk;
}

Status Journal::open(State& state) {
  const hal::Flash::Geometry geometry = flash_.geometry();
  writable_ = false;
  state = State{};
  if (kRecordSize % geometry.program_size != 0 || geometry.page_size % kRecordSize != 0) return Status::kUnsupported;
  State found;
  sequence_ = 0;
  sector_ = kNoSlot;
  for (uint8_t sector = 0; sector < 2; ++sector) {
    if (const Status status = scan(sector, found); !ok(status)) return status;
  }
  state = found;
  writable_ = true;
  return sector_ == kNoSlot ? Status::kNotFound : Status::kOk;
}

// A place that took the record wrongly, perhaps because an earlier program was cut before it left a visible trace
// there, is passed over. Every attempt has a number of its own: one that failed may still be found, and must not
// outrank or equal the one that did not.
// Flash that does not do what it is asked (a program takes it seconds to give up) is not asked at the next place as
// well.
Status Journal::write(const State& state) {
  for (uint32_t place = 0; place < kMaxPlaces && next_ + kRecordSize <= map_.journal[sector_].size; ++place) {
    uint8_t record[kRecordSize];
    uint8_t written[kRecordSize];
    encode(state, ++sequence_, record);
    const uint32_t address = map_.journal[sector_].address + next_;
    next_ += kRecordSize;
    if (const Status status = flash_.program(address, record); !ok(status)) return status;
    if (const Status status = flash_.read(address, written); !ok(status)) return status;
    if (equal(written, record)) return Status::kOk;
  }
  return Status::kFlashFailed;
}

Status Journal::append(const State& state) {
  if (!writable_) return Status::kWrongState;
  if (sector_ != kNoSlot && ok(write(state))) return Status::kOk;
  // The other sector is erased however it looks: an erase that was cut may leave bits that only seem to be erased.
  const uint8_t full = sector_;
  const uint8_t other = full == 0 ? 1 : 0;
  if (const Status status = flash_.erase(map_.journal[other].address); !ok(status)) return status;
  sector_ = other;
  next_ = 0;
  const Status status = write(state);
  if (!ok(status) && full != kNoSlot) {  // the next attempt erases the other one again, never the one with the state
    sector_ = full;
    next_ = map_.journal[full].size;
  }
  return status;
}

}  // namespace edged::boot
