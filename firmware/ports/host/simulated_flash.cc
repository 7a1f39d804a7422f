#include "ports/host/simulated_flash.h"

#include <algorithm>
#include <cstring>

namespace edged::host {

void SimulatedFlash::cut_at(uint64_t number, Cut cut, uint32_t seed) {
  cut_at_ = number;
  cut_ = cut;
  random_ = seed * 2654435761U | 1;  // xorshift never leaves 0
}

void SimulatedFlash::restore() {
  dead_ = false;
  cut_at_ = cut_after_ns_ = UINT64_MAX;
}

bool SimulatedFlash::in_range(uint32_t address, size_t size) const {
  return address <= memory_.size() && size <= memory_.size() - address;
}

Status SimulatedFlash::violation() {
  ++violations_;
  return Status::kFlashFailed;
}

uint32_t SimulatedFlash::random() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 17;
  random_ ^= random_ << 5;
  return random_;
}

// Counts an operation. Whether it is the one that the power goes in; the caller then leaves behind what the cut leaves.
bool SimulatedFlash::loses_power() { return operations_++ == cut_at_; }

void SimulatedFlash::die() {
  dead_ = true;
  if (handler_) handler_();
}

void SimulatedFlash::pass(uint64_t ns) {
  elapsed_ns_ += ns;
  if (!dead_ && elapsed_ns_ >= cut_after_ns_) die();
}

Status SimulatedFlash::read(uint32_t address, MutableBytes into) {
  if (dead_) return Status::kFlashFailed;
  if (!in_range(address, into.size())) return Status::kOutOfRange;
  pass(into.size() * times_.byte_ns);
  if (dead_ || next_read_fails_) {
    next_read_fails_ = false;
    return Status::kFlashFailed;
  }
  const bool met = address < unreadable_.address + unreadable_.size && unreadable_.address < address + into.size();
  if (met) return Status::kFlashFailed;
  std::memcpy(into.data(), memory_.data() + address, into.size());
  return Status::kOk;
}

Status SimulatedFlash::program_page(uint32_t address, Bytes from) {
  if (dead_) return Status::kFlashFailed;
  if (program_fails_ns_ != 0) {
    pass(program_fails_ns_);
    return Status::kFlashFailed;
  }
  const MutableBytes page = memory_.part(address, from.size());
  for (size_t i = 0; i < from.size(); ++i) {
    if ((from[i] & ~page[i]) != 0) return violation();
  }
  const bool lost = loses_power();
  // A chip may do all bytes at a time, or one after the other.
  const size_t done = !lost ? from.size() : cut_ == Cut::kTorn && random() % 2 == 0 ? random() % from.size() : 0;
  for (size_t i = 0; i < from.size(); ++i) {
    const auto spared = static_cast<uint8_t>(i < done ? 0 : cut_ == Cut::kBefore ? 0xFF : random());
    page[i] = static_cast<uint8_t>(page[i] & (from[i] | spared));
  }
  if (lost) die();
  pass(times_.page_ns);
  return lost ? Status::kFlashFailed : Status::kOk;
}

Status SimulatedFlash::program(uint32_t address, Bytes from) {
  if (!in_range(address, from.size())) return Status::kOutOfRange;
  if (address % geometry_.program_size != 0 || from.size() % geometry_.program_size != 0) return violation();
  while (!from.empty()) {
    const size_t size = std::min<size_t>(from.size(), geometry_.page_size - address % geometry_.page_size);
    if (const Status status = program_page(address, from.first(size)); !ok(status)) return status;
    address += static_cast<uint32_t>(size);
    from = from.from(size);
  }
  return Status::kOk;
}

Status SimulatedFlash::erase(uint32_t address) {
  if (dead_) return Status::kFlashFailed;
  if (!in_range(address, geometry_.erase_size)) return Status::kOutOfRange;
  if (address % geometry_.erase_size != 0) return violation();
  const MutableBytes sector = memory_.part(address, geometry_.erase_size);
  const bool lost = loses_power();
  if (!lost) {
    std::memset(sector.data(), 0xFF, sector.size());
  } else if (cut_ == Cut::kTorn) {  // some parts as they were, some cleared before they are set, some set in part
    for (uint8_t& byte : sector) {
      const uint32_t bits = random();
      byte = static_cast<uint8_t>((bits & 0x300) == 0 ? bits : (bits & 0x400) != 0 ? byte : byte | bits);
    }
  }
  if (lost) die();
  pass(times_.erase_ns);
  return lost ? Status::kFlashFailed : Status::kOk;
}

}  // namespace edged::host
