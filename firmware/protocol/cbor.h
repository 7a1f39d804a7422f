// The part of CBOR (RFC 8949) that SMP uses. The reader takes what any encoder may send and skips what it does not
// know; the writer leaves maps and arrays open-ended, so that nothing has to be counted before it is written.
//
// Rules: a reader is a view and copies nothing; every length is checked against the bytes that are there before it is
// used; after an error the position of a reader means nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.h"
#include "core/span.h"

namespace edged::protocol {

// Levels of maps, arrays and tags that skip() follows: SMP's own messages have three. It bounds the stack.
inline constexpr uint32_t kMaxDepth = 8;

// Reads one item after the other. Errors: kTruncated, kMalformed (also: an item of another kind than asked for),
// kUnsupported (a string in pieces, where its value is asked for), kOutOfRange (a number).
class CborReader {
 public:
  CborReader() = default;
  explicit CborReader(Bytes data) : data_(data) {}

  [[nodiscard]] bool at_end() const { return at_ == data_.size(); }
  // The items at this position, each taken with its value.
  Result<uint64_t> uint();
  Result<bool> boolean();
  Result<Bytes> bytes();
  Result<std::string_view> text();
  // Past the next item, whatever it is. kTooLarge: nested deeper than kMaxDepth.
  Status skip() { return skip(0); }

  // Where a map begins at this position: a reader at the value of a key, or kNotFound. The first of equal keys counts.
  [[nodiscard]] Result<CborReader> find(std::string_view key) const;
  // Values of the map that begins at this position; kNotFound where there is no such key.
  Result<uint32_t> uint_of(std::string_view key) const;
  Result<bool> bool_of(std::string_view key) const;
  Result<Bytes> bytes_of(std::string_view key) const;
  Result<std::string_view> text_of(std::string_view key) const;
  // The same where the key may be absent.
  Result<uint32_t> uint_of(std::string_view key, uint32_t otherwise) const;
  Result<bool> bool_of(std::string_view key, bool otherwise) const;

 private:
  // How an item begins.
  struct Head {
    uint8_t major = 0;
    uint8_t info = 0;
    uint64_t value = 0;

    [[nodiscard]] bool open_ended() const { return info == 31; }
  };

  Result<Head> head();
  Result<Bytes> string(uint8_t major);
  Status skip(uint32_t depth);
  Status skip_open_ended(uint8_t major, uint32_t depth);
  bool take_break();

  Bytes data_;
  size_t at_ = 0;
};

// Writes one item after the other. What does not fit is not written, and neither is anything after it.
class CborWriter {
 public:
  explicit CborWriter(MutableBytes into) : into_(into) {}

  void begin_map() { byte(0xBF); }
  void begin_array() { byte(0x9F); }
  void end() { byte(0xFF); }  // of the map or array that was begun last
  // In a map, before each value: out.key("off").put_uint(off)
  CborWriter& key(std::string_view name) {
    put_text(name);
    return *this;
  }
  void put_uint(uint64_t value) { head(0, value); }
  void put_int(int64_t value);
  void put_bytes(Bytes value);
  void put_text(std::string_view value);
  void put_bool(bool value) { byte(value ? 0xF5 : 0xF4); }
  void put_float(float value);

  // kOk, or kTooLarge once something did not fit.
  [[nodiscard]] Status status() const { return full_ ? Status::kTooLarge : Status::kOk; }
  [[nodiscard]] Bytes written() const { return Bytes(into_).first(at_); }
  // How many bytes still fit: for who cuts data to what is left.
  [[nodiscard]] size_t room() const { return full_ ? 0 : into_.size() - at_; }

 private:
  void byte(uint8_t value) { append(Bytes(&value, 1)); }
  void append(Bytes bytes);
  void head(uint8_t major, uint64_t value);

  MutableBytes into_;
  size_t at_ = 0;
  bool full_ = false;
};

}  // namespace edged::protocol
