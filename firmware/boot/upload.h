// An upload, chunk by chunk, into the slot that may be overwritten.
//
// Sectors are erased as the upload reaches them, so that no chunk waits for a whole slot to be erased. What was
// received lives as long as this object: after a reset an upload starts over.
#pragma once

#include <cstdint>

#include "boot/journal.h"
#include "boot/slots.h"

namespace edged::boot {

class Upload {
 public:
  explicit Upload(Slots& slots) : slots_(slots) {}

  // Begins an upload of `length` bytes whose SHA-256 is `sha`, which may be empty, with its first bytes `head`; nothing
  // is written yet. If the same upload was under way, it goes on. kTruncated: `head` is less than an image's header;
  // kTooLarge: it does not fit the slot, or is longer than `length`; otherwise as read_header(), Slots::places(),
  // upload_slot().
  [[nodiscard]] Status begin(Kind kind, uint32_t length, Bytes sha, Bytes head);
  // The next bytes, those at offset(). kWrongState before begin(), kTooLarge beyond the length; kFlashFailed ends the
  // upload. The last bytes end it too: kCorrupt if what came is not what `sha` said; the image is then verified as it
  // lies on flash, and the status is that of inspect() and admit(). After an error the slot is empty.
  [[nodiscard]] Status write(Bytes data);

  [[nodiscard]] bool under_way() const { return slot_ != kNoSlot; }
  [[nodiscard]] uint32_t offset() const { return offset_; }  // bytes received
  // Whether these were the last bytes of an upload that went well: who asks again has lost the answer.
  [[nodiscard]] bool ended_with(uint32_t offset, size_t size) const {
    return whole_ && offset < length_ && size == length_ - offset;
  }

  // Makes a slot that may be overwritten hold no image, by an erase of its first sector: all of a large one takes
  // longer than a host waits, and an upload erases what it needs. As Slots::forget().
  [[nodiscard]] Status erase(Kind kind, uint8_t slot);
  // Likewise, the slot that an upload would go to. As Slots::upload_slot().
  [[nodiscard]] Status erase_next(Kind kind);

 private:
  [[nodiscard]] Status empty(Kind kind, uint8_t slot);
  [[nodiscard]] Status store(Bytes data);
  [[nodiscard]] Status program(Bytes units);
  [[nodiscard]] Status finish();

  Slots& slots_;
  Kind kind_ = Kind::kFirmware;
  uint8_t slot_ = kNoSlot;
  uint32_t length_ = 0;
  uint32_t offset_ = 0;      // received
  uint32_t programmed_ = 0;  // on flash, whole program units
  uint32_t erased_ = 0;      // bytes from the start of the slot
  uint8_t sha_[kHashSize] = {};
  Sha256 received_;  // of all bytes so far; what is on flash then has a hash and a signature of its own
  bool has_sha_ = false;
  bool whole_ = false;              // the last upload is complete, and its slot as it left it
  uint8_t rest_[kRecordSize] = {};  // received, and less than a program unit, which is at most this (Journal::open)
  uint32_t rest_size_ = 0;
};

}  // namespace edged::boot
