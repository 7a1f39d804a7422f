#include "ml/native/flatbuffer.h"

namespace edged::ml::native {

bool Source::holds(uint32_t position, uint32_t count) const {
  const bool inside = position <= size() && count <= size() - position;
  if (!inside) broken = true;
  return inside;
}

uint32_t Source::follow(uint32_t position) const {
  const auto offset = read<uint32_t>(position);
  if (offset == 0 || offset >= size() - position) {
    broken = true;
    return 0;
  }
  return position + offset;
}

Table::Table(const Source& source, uint32_t position) : source_(&source), position_(position) {
  const auto back = static_cast<uint32_t>(source.read<int32_t>(position));
  vtable_ = position - back;  // modulo 2^32: a bad one lies outside of the file, and holds() says so
  vtable_size_ = source.read<uint16_t>(vtable_);
  object_size_ = source.holds(vtable_, vtable_size_) ? source.read<uint16_t>(vtable_ + 2) : uint16_t{0};
  if (vtable_size_ < 4 || object_size_ < 4 || !source.holds(position, object_size_)) {
    source.broken = true;
    *this = Table();
  }
}

uint32_t Table::find(uint32_t field, uint32_t size) const {
  if (source_ == nullptr || 6 + 2 * field > vtable_size_) return 0;
  const uint32_t offset = source_->read<uint16_t>(vtable_ + 4 + 2 * field);
  if (offset == 0) return 0;
  if (offset < 4 || offset + size > object_size_) {
    source_->broken = true;
    return 0;
  }
  return position_ + offset;
}

uint32_t Table::leads_to(uint32_t field) const {
  const uint32_t at = find(field, 4);
  return at == 0 ? 0 : source_->follow(at);
}

Table Tables::operator[](uint32_t i) const {
  const uint32_t at = static_cast<uint32_t>(offsets_.data() - source_->bytes.data()) + 4 * i;
  const uint32_t object = source_->follow(at);
  return object == 0 ? Table() : Table(*source_, object);
}

}  // namespace edged::ml::native
