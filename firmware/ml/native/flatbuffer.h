// FlatBuffers, read in place from bytes that may be anything.
//
// Rules: nothing is read before its position was found to lie in the bytes. Who reads gets the default of a field that
// is absent *or broken*; the first break is remembered in Source::broken, so that a reader asks once at its end instead
// of after each field. Positions are offsets from the start of the file and stay below kMaxModelBytes: sums of two of
// them do not overflow.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/span.h"

namespace edged::ml::native {

// More than the flash of any microcontroller holds, and far from where 32-bit sums of positions would overflow.
inline constexpr uint32_t kMaxModelBytes = 1u << 28;

struct Source {
  Bytes bytes;
  mutable bool broken = false;

  [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(bytes.size()); }
  // Whether count bytes lie at position; if not, the file is broken.
  [[nodiscard]] bool holds(uint32_t position, uint32_t count) const;
  template <typename T>
  [[nodiscard]] T read(uint32_t position, T fallback = T{}) const {
    if (!holds(position, sizeof(T))) return fallback;
    if constexpr (std::is_same_v<T, bool>) return bytes[position] != 0;  // any other byte is no bool
    T value;
    std::memcpy(&value, bytes.data() + position, sizeof(T));
    return value;
  }
  // The position that an unsigned offset stored at position leads to; 0, which no object can have, if none.
  [[nodiscard]] uint32_t follow(uint32_t position) const;
};

// Elements of one scalar type, stored one after the other.
template <typename T>
class Vector {
 public:
  Vector() = default;
  Vector(const Source& source, uint32_t position) {
    const uint32_t count = source.read<uint32_t>(position);
    if (source.broken || count > (source.size() - position - 4) / sizeof(T)) {
      source.broken = true;
      return;
    }
    data_ = source.bytes.data() + position + 4;
    size_ = count;
  }
  [[nodiscard]] uint32_t size() const { return size_; }
  [[nodiscard]] const uint8_t* data() const { return data_; }
  [[nodiscard]] T operator[](uint32_t i) const {  // i < size(); elements need not be aligned
    T value;
    std::memcpy(&value, data_ + size_t{i} * sizeof(T), sizeof(T));
    return value;
  }

 private:
  const uint8_t* data_ = nullptr;
  uint32_t size_ = 0;
};

class Tables;

// One object. A default constructed one is absent: all of its fields are.
class Table {
 public:
  Table() = default;
  Table(const Source& source, uint32_t position);

  [[nodiscard]] bool present() const { return source_ != nullptr; }

  template <typename T>
  [[nodiscard]] T scalar(uint32_t field, T fallback) const {
    const uint32_t at = find(field, sizeof(T));
    return at == 0 ? fallback : source_->read<T>(at, fallback);
  }
  template <typename T>
  [[nodiscard]] Vector<T> vector(uint32_t field) const {
    const uint32_t at = leads_to(field);
    return at == 0 ? Vector<T>() : Vector<T>(*source_, at);
  }
  [[nodiscard]] Table table(uint32_t field) const {
    const uint32_t at = leads_to(field);
    return at == 0 ? Table() : Table(*source_, at);
  }
  [[nodiscard]] inline Tables tables(uint32_t field) const;
  [[nodiscard]] bool has(uint32_t field) const { return find(field, 1) != 0; }
  // Where a field is stored, 0 if it is absent.
  [[nodiscard]] uint32_t find(uint32_t field, uint32_t size) const;

 private:
  [[nodiscard]] uint32_t leads_to(uint32_t field) const;

  const Source* source_ = nullptr;
  uint32_t position_ = 0;
  uint32_t vtable_ = 0;
  uint16_t vtable_size_ = 0;
  uint16_t object_size_ = 0;
};

// A vector of objects.
class Tables {
 public:
  Tables() = default;
  Tables(const Source& source, uint32_t position) : source_(&source), offsets_(source, position) {}
  [[nodiscard]] uint32_t size() const { return offsets_.size(); }
  [[nodiscard]] Table operator[](uint32_t i) const;  // i < size()

 private:
  const Source* source_ = nullptr;
  Vector<uint32_t> offsets_;
};

inline Tables Table::tables(uint32_t field) const {
  const uint32_t at = leads_to(field);
  return at == 0 ? Tables() : Tables(*source_, at);
}

}  // namespace edged::ml::native
