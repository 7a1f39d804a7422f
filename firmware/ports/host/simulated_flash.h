// NOR flash as its data sheets would have it, in memory: who breaks its rules is told at once, and the power can be cut
// at any operation. It may be slow, and parts of it unreadable.
#pragma once

#include <cstdint>
#include <functional>

#include "hal/flash.h"

namespace edged::host {

// Rules: a program that would set a bit is refused, as is one that is not aligned; both are kFlashFailed and counted as
// violations, for on a board nobody would say so. An operation is the program of one page or the erase of one sector.
class SimulatedFlash final : public hal::Flash {
 public:
  // The memory is the device; it outlives this and may hold what an earlier life left.
  SimulatedFlash(MutableBytes memory, const Geometry& geometry) : memory_(memory), geometry_(geometry) {}

  [[nodiscard]] Geometry geometry() const override { return geometry_; }
  [[nodiscard]] Status read(uint32_t address, MutableBytes into) override;
  [[nodiscard]] Status program(uint32_t address, Bytes from) override;
  [[nodiscard]] Status erase(uint32_t address) override;

  // What an operation leaves behind when the power goes in the midst of it.
  enum class Cut : uint8_t {
    kBefore,  // nothing; as after all of the one before it
    kTorn,    // of a program some bits, at times the first bytes whole; of an erase anything
  };

  // The power goes at operation `number`, counted from 0 since the device was made, and nothing works until restore().
  // `seed` chooses the bits of a torn operation.
  void cut_at(uint64_t number, Cut cut, uint32_t seed);
  void restore();
  // Called when the power goes; where it returns, the device is dead.
  void on_cut(std::function<void()> handler) { handler_ = std::move(handler); }

  // What each thing costs on flash that is slow.
  struct Times {
    uint64_t byte_ns = 0;   // read
    uint64_t page_ns = 0;   // programmed
    uint64_t erase_ns = 0;  // of a sector
  };
  void take(const Times& times) { times_ = times; }
  [[nodiscard]] uint64_t elapsed_ns() const { return elapsed_ns_; }
  // The power goes when so much time has passed since the device was made, as in cut_at(), but between two operations.
  void cut_after(uint64_t elapsed_ns) { cut_after_ns_ = elapsed_ns; }
  // Every program fails, and takes so long to; 0: none does. Nothing is changed on flash.
  void fail_programs(uint64_t after_ns) { program_fails_ns_ = after_ns; }
  // The next read fails, and those after it do not.
  void fail_next_read() { next_read_fails_ = true; }
  // Reading anything of these bytes fails.
  void make_unreadable(uint32_t address, uint32_t size) { unreadable_ = {address, size}; }

  [[nodiscard]] bool dead() const { return dead_; }
  [[nodiscard]] uint64_t operations() const { return operations_; }
  void count_from(uint64_t operations) { operations_ = operations; }
  [[nodiscard]] uint64_t violations() const { return violations_; }

 private:
  [[nodiscard]] Status program_page(uint32_t address, Bytes from);
  [[nodiscard]] bool in_range(uint32_t address, size_t size) const;
  [[nodiscard]] bool loses_power();
  void die();
  void pass(uint64_t ns);
  [[nodiscard]] uint32_t random();
  [[nodiscard]] Status violation();

  MutableBytes memory_;
  Geometry geometry_;
  std::function<void()> handler_;
  struct {
    uint32_t address = 0;
    uint32_t size = 0;
  } unreadable_;
  Times times_;
  uint64_t elapsed_ns_ = 0;
  uint64_t cut_after_ns_ = UINT64_MAX;
  uint64_t program_fails_ns_ = 0;
  uint64_t operations_ = 0;
  uint64_t violations_ = 0;
  uint64_t cut_at_ = UINT64_MAX;
  Cut cut_ = Cut::kBefore;
  uint32_t random_ = 1;
  bool next_read_fails_ = false;
  bool dead_ = false;
};

}  // namespace edged::host
