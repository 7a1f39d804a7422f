// A view of somebody else's memory. C++17 has no std::span; this is the part of it that firmware needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace edged {

// Invariant: data() is valid for size() elements. Taking a part of a span never leaves it: what is asked for beyond the
// end is cut off, so that who must know compares sizes first.
template <typename T>
class Span {
 public:
  constexpr Span() = default;
  constexpr Span(T* data, size_t size) : data_(data), size_(size) {}
  template <size_t N>
  constexpr Span(T (&array)[N]) : data_(array), size_(N) {}  // NOLINT: as std::span
  template <typename U, typename = std::enable_if_t<std::is_same_v<const U, T>>>
  constexpr Span(const Span<U>& other) : data_(other.data()), size_(other.size()) {}  // NOLINT: as std::span

  constexpr T* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T& operator[](size_t i) const { return data_[i]; }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size_; }

  constexpr Span first(size_t count) const { return Span(data_, count < size_ ? count : size_); }
  constexpr Span from(size_t offset) const {
    return offset < size_ ? Span(data_ + offset, size_ - offset) : Span(data_ + size_, 0);
  }
  constexpr Span part(size_t offset, size_t count) const { return from(offset).first(count); }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

using Bytes = Span<const uint8_t>;
using MutableBytes = Span<uint8_t>;

}  // namespace edged
