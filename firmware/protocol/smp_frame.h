// Packets of SMP on a serial console: base64 in lines that begin with 06 09, and 04 14 where they continue.
//
// Rules: none of the four marker bytes is a character of base64, so a packet can begin anywhere and whatever was open
// before is lost; what is lost is reported once, however many lines of it follow.
#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/span.h"

namespace edged::protocol {

// Bytes of a message, header included, that a device takes and sends: a chunk of an upload close to a page of flash,
// and still a small part of the 64 KB of RAM of the smallest board.
inline constexpr size_t kMaxMessage = 4096;

// Bytes of a line that is sent, marker and end of line included, as every implementation of SMP limits it. What is
// received needs no limit: it is decoded as it comes.
inline constexpr size_t kMaxLine = 128;
inline constexpr size_t kLineBytes = (kMaxLine - 3) / 4 * 3;  // what 31 groups of base64 hold, in a line of 127 bytes

// Bytes in, messages out.
class SmpReceiver {
 public:
  // The buffer is for one message; it outlives the receiver.
  explicit SmpReceiver(MutableBytes buffer) : buffer_(buffer) {}

  // The message that this byte completes; it is valid until the next byte is fed. Else why there is none:
  //   kNotFound   nothing yet
  //   kTruncated  a packet was cut off by the marker of a line
  //   kMalformed  not base64, not the length that it says, or lines without their first
  //   kCorrupt    its checksum does not match
  //   kTooLarge   does not fit the buffer
  Result<Bytes> feed(uint8_t byte);

 private:
  enum class Packet : uint8_t { kNone, kOpen, kLost };    // kLost: the lines that continue it say nothing more
  enum class Where : uint8_t { kOutside, kLine, kSkip };  // kSkip: the rest of a line that is of no use

  Status begin_line();
  Status resume_line();
  Status end_line();
  Status character(uint8_t byte);
  Status group();
  Status content(uint8_t byte);
  Status lose(Status why);

  MutableBytes buffer_;
  Packet packet_ = Packet::kNone;
  Where where_ = Where::kOutside;
  uint8_t marker_ = 0;    // 06 or 04, if that was the last byte
  uint8_t pads_ = 0;      // '=' in the group
  uint8_t in_group_ = 0;  // characters so far, of four
  uint32_t bits_ = 0;     // of the group
  uint32_t taken_ = 0;    // bytes decoded, those of the length included
  uint32_t length_ = 0;   // of message and checksum, known once taken_ >= 2
  uint16_t crc_ = 0;
};

// A message out, line by line.
class SmpEncoder {
 public:
  // At most 65,533 bytes, the most that the length can say; the message outlives the encoder.
  explicit SmpEncoder(Bytes message);

  // The next line, valid until the one after it is asked for; empty after the last.
  Bytes next_line();

 private:
  uint8_t raw(size_t index) const;

  Bytes message_;
  uint16_t crc_;
  size_t sent_ = 0;
  uint8_t line_[kMaxLine];
};

}  // namespace edged::protocol
