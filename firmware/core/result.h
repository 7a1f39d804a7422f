// What a function that may fail returns: a status, or a status and a value.
#pragma once

#include <cstdint>

namespace edged {

// One list for all of the firmware, so that a number in a report means one thing. Numbers are on the wire: they are
// never reused.
enum class [[nodiscard]] Status : uint8_t{
    kOk = 0,
    kTruncated = 1,     // more bytes are needed, or were promised, than are there
    kMalformed = 2,     // bytes that do not follow their format
    kCorrupt = 3,       // a checksum or hash does not match
    kUnsupported = 4,   // well formed, but not something that this firmware does
    kTooLarge = 5,      // does not fit the buffer, slot or arena it is for
    kOutOfRange = 6,    // an address, index or offset outside of what it points into
    kWrongState = 7,    // not now: something else has to be done first
    kUnsigned = 8,      // no signature by a key that this device trusts
    kDowngrade = 9,     // its security counter is below the floor
    kWrongBoard = 10,   // made for another board
    kFlashFailed = 11,  // flash did not do what it was told
    kNotFound = 12,     // nothing is there
    kSelfTest = 13,     // a golden vector came out otherwise
};

constexpr bool ok(Status status) { return status == Status::kOk; }

// A value, or why there is none. value() may be read only where ok() holds.
template <typename T>
class [[nodiscard]] Result {
 public:
  constexpr Result(Status status) : status_(status) {}                // NOLINT: return Status::kTruncated;
  constexpr Result(T value) : status_(Status::kOk), value_(value) {}  // NOLINT: return value;

  constexpr bool ok() const { return status_ == Status::kOk; }
  constexpr Status status() const { return status_; }
  constexpr const T& value() const { return value_; }

 private:
  Status status_;
  T value_{};
};

}  // namespace edged
