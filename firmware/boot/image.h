// Images in MCUboot's format, as imgtool writes them: header, payload, and type-length-value entries, some of which are
// under the signature. https://docs.mcuboot.com/design.html#image-format
//
// Strict: whatever MCUboot would let pass as unknown, unused or repeated is refused here, so that there is one form of
// each image and no bit of it is without meaning.
#pragma once

#include <cstdint>

#include "boot/flash_map.h"
#include "core/result.h"
#include "core/span.h"

namespace edged::boot {

inline constexpr uint32_t kHeaderSize = 0x200;  // bytes: vectors and models behind it stay aligned for every Cortex-M
inline constexpr uint32_t kHashSize = 32;       // SHA-256
inline constexpr uint32_t kMaxBoardSize = 15;   // characters of a board's id
inline constexpr uint32_t kMaxNameSize = 31;    // characters of a model's name
inline constexpr uint32_t kMaxSignatureSize = 72;  // DER of two integers of up to 33 bytes
// Bytes of all entries together: every known one once with its longest value.
inline constexpr uint32_t kMaxEntriesSize =
    4 + (4 + 4) + (4 + kMaxBoardSize) + (4 + kMaxNameSize) + 4 + (4 + kHashSize) * 2 + (4 + kMaxSignatureSize);

struct Version {
  uint8_t major;
  uint8_t minor;
  uint16_t revision;
  uint32_t build;
};
[[nodiscard]] bool operator<(const Version& a, const Version& b);

// Where the bytes of an image come from: flash, or memory that they were copied to.
class Source {
 public:
  [[nodiscard]] virtual uint32_t size() const = 0;  // bytes that an image may take at most
  [[nodiscard]] virtual Status read(uint32_t offset, MutableBytes into) = 0;

 protected:
  ~Source() = default;
};

// A file holds an image and nothing else; a slot has room behind it.
enum class Extent : uint8_t { kFile, kSlot };

// Where a firmware has to lie to run.
enum class Placement : uint8_t {
  kAnywhere = 0,  // nothing is said: a model, or the firmware of a host
  kLoaded = 1,    // in RAM, its header at `address`
  kInFlash = 2,   // in flash, its header at `address` of memory
};

struct Image {
  Kind kind = Kind::kFirmware;
  Version version{};
  Placement placement = Placement::kAnywhere;
  uint32_t address = 0;
  uint32_t payload_size = 0;  // bytes behind the header
  uint32_t signed_size = 0;   // bytes from the start that hash and signature cover
  uint32_t total_size = 0;    // bytes, entries included
  uint32_t counter = 0;       // security counter
  char board[kMaxBoardSize + 1] = {};
  char name[kMaxNameSize + 1] = {};  // of a model
  uint8_t hash[kHashSize] = {};      // SHA-256 as the image states it
  uint8_t key_hash[kHashSize] = {};  // of the public key as the image states it
  uint8_t signature[kMaxSignatureSize] = {};
  uint32_t signature_size = 0;
};

// The header alone, which is all that the first bytes of an upload have: kTruncated with less than 32 bytes,
// kMalformed, kUnsupported for what MCUboot knows and this loader does not, kTooLarge for what cannot fit `room` bytes.
[[nodiscard]] Status read_header(Bytes bytes, uint32_t room, Image& image);

// All that the image says of itself; nothing of it is to be believed before verify(). As read_header(), and kMalformed
// for entries that are missing, unknown, repeated, or where they may not be; kCorrupt never.
[[nodiscard]] Status read_image(Source& source, Extent extent, Image& image);

}  // namespace edged::boot
