#include "boot/image.h"

#include "core/bytes.h"

namespace edged::boot {
namespace {

constexpr uint32_t kImageMagic = 0x96F3B83D;
constexpr uint32_t kFieldsSize = 32;  // of the header; the rest of it is padding
constexpr uint32_t kFlagRamLoad = 0x20;
constexpr uint32_t kFlagRomFixed = 0x100;

constexpr uint32_t kInfoSize = 4;   // magic and length of all entries, itself included
constexpr uint32_t kEntrySize = 4;  // type and length
constexpr uint16_t kProtectedMagic = 0x6908;
constexpr uint16_t kMagic = 0x6907;

enum Entry : uint16_t {
  kKeyHash = 0x01,
  kSha256 = 0x10,
  kSignature = 0x22,
  kCounter = 0x50,
  kBoard = 0xA0,  // from here on MCUboot leaves types to vendors
  kName = 0xA1,
};

Status read_placement(uint32_t flags, uint32_t address, Image& image) {
  image.address = address;
  switch (flags) {
    case 0:
      image.placement = Placement::kAnywhere;
      return address == 0 ? Status::kOk : Status::kMalformed;
    case kFlagRamLoad:
      image.placement = Placement::kLoaded;
      return Status::kOk;
    case kFlagRomFixed:
      image.placement = Placement::kInFlash;
      return Status::kOk;
    default:
      return Status::kUnsupported;
  }
}

// Ids and names are printed and compared, so they are plain characters.
template <size_t N>
Status read_text(Bytes value, uint8_t lowest, char (&into)[N]) {
  if (into[0] != 0 || value.empty() || value.size() >= N) return Status::kMalformed;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] < lowest || value[i] > '~') return Status::kMalformed;
    into[i] = static_cast<char>(value[i]);
  }
  return Status::kOk;
}

// One bit for each type met, so that none comes twice.
struct Seen {
  bool key_hash = false, sha256 = false, signature = false, counter = false, board = false, name = false;
};

bool first(bool& seen) {
  const bool before = seen;
  seen = true;
  return !before;
}

void copy(Bytes from, uint8_t* into) {
  for (const uint8_t byte : from) *into++ = byte;
}

Status read_protected(uint16_t type, Bytes value, Seen& seen, Image& image) {
  switch (type) {
    case kCounter:
      if (!first(seen.counter) || value.size() != 4) return Status::kMalformed;
      image.counter = get_u32(value.data());
      return Status::kOk;
    case kBoard:
      return first(seen.board) ? read_text(value, '!', image.board) : Status::kMalformed;
    case kName:
      return first(seen.name) ? read_text(value, ' ', image.name) : Status::kMalformed;
    default:
      return Status::kMalformed;
  }
}

Status read_unprotected(uint16_t type, Bytes value, Seen& seen, Image& image) {
  switch (type) {
    case kKeyHash:
      if (!first(seen.key_hash) || value.size() != kHashSize) return Status::kMalformed;
      copy(value, image.key_hash);
      return Status::kOk;
    case kSha256:
      if (!first(seen.sha256) || value.size() != kHashSize) return Status::kMalformed;
      copy(value, image.hash);
      return Status::kOk;
    case kSignature:
      if (!first(seen.signature) || value.size() > kMaxSignatureSize) return Status::kMalformed;
      copy(value, image.signature);
      image.signature_size = static_cast<uint32_t>(value.size());
      return Status::kOk;
    default:
      return Status::kMalformed;
  }
}

using ReadEntry = Status (*)(uint16_t type, Bytes value, Seen& seen, Image& image);

// Entries that begin at `offset` and say their own length, which it returns.
Result<uint32_t> read_entries(Source& source, uint32_t offset, uint16_t magic, ReadEntry read, Seen& seen,
                              Image& image) {
  uint8_t area[kMaxEntriesSize];
  if (source.size() - offset < kInfoSize) return Status::kTruncated;
  if (const Status status = source.read(offset, {area, kInfoSize}); !ok(status)) return status;
  const uint32_t size = get_u16(area + 2);
  if (get_u16(area) != magic || size < kInfoSize || size > kMaxEntriesSize) return Status::kMalformed;
  if (size > source.size() - offset) return Status::kTruncated;
  if (const Status status = source.read(offset, {area, size}); !ok(status)) return status;
  uint32_t at = kInfoSize;
  while (at < size) {
    if (size - at < kEntrySize) return Status::kMalformed;
    const uint16_t type = get_u16(area + at);
    const uint32_t length = get_u16(area + at + 2);
    at += kEntrySize;
    if (length > size - at) return Status::kMalformed;
    if (const Status status = read(type, {area + at, length}, seen, image); !ok(status)) return status;
    at += length;
  }
  return size;
}

}  // namespace

bool operator<(const Version& a, const Version& b) {
  if (a.major != b.major) return a.major < b.major;
  if (a.minor != b.minor) return a.minor < b.minor;
  if (a.revision != b.revision) return a.revision < b.revision;
  return a.build < b.build;
}

Status read_header(Bytes bytes, uint32_t room, Image& image) {
  if (bytes.size() < kFieldsSize) return Status::kTruncated;
  const uint8_t* at = bytes.data();
  const uint32_t protected_size = get_u16(at + 10);
  image.payload_size = get_u32(at + 12);
  image.version = {at[20], at[21], get_u16(at + 22), get_u32(at + 24)};
  if (get_u32(at) != kImageMagic || get_u16(at + 8) != kHeaderSize || get_u32(at + 28) != 0) return Status::kMalformed;
  if (protected_size < kInfoSize || protected_size > kMaxEntriesSize || image.payload_size == 0)
    return Status::kMalformed;
  if (const Status status = read_placement(get_u32(at + 16), get_u32(at + 4), image); !ok(status)) return status;
  const uint32_t around = kHeaderSize + protected_size + kInfoSize;
  if (room < around || image.payload_size > room - around) return Status::kTooLarge;
  image.signed_size = kHeaderSize + image.payload_size + protected_size;
  return Status::kOk;
}

Status read_image(Source& source, Extent extent, Image& image) {
  image = Image{};
  uint8_t fields[kFieldsSize];
  if (source.size() < kFieldsSize) return Status::kTruncated;
  if (const Status status = source.read(0, fields); !ok(status)) return status;
  if (const Status status = read_header(fields, source.size(), image); !ok(status)) return status;

  Seen seen;
  const uint32_t entries = kHeaderSize + image.payload_size;
  const Result<uint32_t> inner = read_entries(source, entries, kProtectedMagic, read_protected, seen, image);
  if (!inner.ok()) return inner.status();
  if (entries + inner.value() != image.signed_size) return Status::kMalformed;
  const Result<uint32_t> outer = read_entries(source, image.signed_size, kMagic, read_unprotected, seen, image);
  if (!outer.ok()) return outer.status();
  image.total_size = image.signed_size + outer.value();

  if (!seen.counter || !seen.board || !seen.key_hash || !seen.sha256 || !seen.signature) return Status::kMalformed;
  image.kind = seen.name ? Kind::kModel : Kind::kFirmware;
  if (image.kind == Kind::kModel && image.placement != Placement::kAnywhere) return Status::kUnsupported;
  if (extent == Extent::kFile && image.total_size != source.size()) return Status::kMalformed;
  return Status::kOk;
}

}  // namespace edged::boot
