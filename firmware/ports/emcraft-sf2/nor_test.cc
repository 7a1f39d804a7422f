#include "ports/emcraft-sf2/nor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace edged::ports {
namespace {

constexpr uint8_t kBusy = 0x01, kEraseFailed = 0x20, kProgramFailed = 0x40;
constexpr uint32_t kSector = kNorGeometry.erase_size;

uint32_t now_ms = 0;
uint32_t millis() { return now_ms; }

// The chip as its data sheet (S25FL128S) has it: busy for a while, and for ever after an error, until that is cleared.
// A transfer takes a millisecond. What it is asked while it is busy it ignores, and answers with anything.
class Chip final : public SpiBus {
 public:
  Status transfer(Bytes command, Bytes data, MutableBytes answer) override {
    ++now_ms;
    if (stuck) return Status::kFlashFailed;
    const uint8_t opcode = command[0];
    if (fails_later && static_cast<int32_t>(until_ms - now_ms) <= 0) {
      errors = kEraseFailed;
      fails_later = false;
    }
    if (opcode == 0x05) {
      answer[0] = static_cast<uint8_t>(errors | (busy() ? kBusy : 0));
      return Status::kOk;
    }
    if (opcode == 0x30) {
      errors = 0;
      ++cleared;
      return Status::kOk;
    }
    if (busy()) {
      for (uint8_t& byte : answer) byte = 0x5A;
      ++ignored;
      return Status::kOk;
    }
    run(command, data, answer);
    return Status::kOk;
  }

  void busy_for(uint32_t ms) { until_ms = now_ms + ms; }
  void fail_in(uint32_t ms) {
    busy_for(ms);
    fails_later = true;
  }

  std::vector<uint8_t> memory = std::vector<uint8_t>(2 * kSector, 0xFF);
  uint8_t errors = 0;
  uint8_t next_errors = 0;  // of the next program or erase
  uint32_t busy_ms = 5;     // that each takes
  uint32_t until_ms = 0;
  uint32_t cleared = 0;
  uint32_t ignored = 0;
  bool fails_later = false;
  bool stuck = false;

 private:
  bool busy() const { return errors != 0 || static_cast<int32_t>(until_ms - now_ms) > 0; }

  void run(Bytes command, Bytes data, MutableBytes answer) {
    if (command.size() != 4) return;  // write enable
    const uint32_t at = static_cast<uint32_t>(command[1]) << 16 | static_cast<uint32_t>(command[2]) << 8 | command[3];
    if (command[0] == 0x03) {
      for (size_t i = 0; i < answer.size(); ++i) answer[i] = memory[at + i];
      return;
    }
    errors = next_errors;
    next_errors = 0;
    busy_for(busy_ms);
    if (errors != 0) return;
    for (size_t i = 0; i < data.size(); ++i) memory[at + i] = static_cast<uint8_t>(memory[at + i] & data[i]);
    if (command[0] == 0xD8) std::fill_n(memory.begin() + at, kSector, uint8_t{0xFF});
  }
};

class NorTest : public testing::Test {
 protected:
  Chip chip_;
  Nor nor_{chip_, millis};
  const uint8_t data_[3] = {1, 2, 3};
  uint8_t found_[3] = {};
};

TEST_F(NorTest, ReadsWhatItWrote) {
  ASSERT_EQ(nor_.program(254, data_), Status::kOk);
  ASSERT_EQ(nor_.read(254, found_), Status::kOk);
  EXPECT_TRUE(std::equal(found_, found_ + 3, data_));
  ASSERT_EQ(nor_.erase(0), Status::kOk);
  ASSERT_EQ(nor_.read(254, found_), Status::kOk);
  EXPECT_EQ(found_[0], 0xFF);
  EXPECT_EQ(chip_.ignored, 0U);
}

TEST_F(NorTest, WaitsForAnEraseThatAResetLeftUnderWay) {
  chip_.memory[0] = 7;
  chip_.busy_for(2000);
  ASSERT_EQ(nor_.read(0, found_), Status::kOk);
  EXPECT_EQ(found_[0], 7);
  EXPECT_EQ(chip_.ignored, 0U);
}

TEST_F(NorTest, AnEraseThatFailsAfterAResetIsNotTheReadersFault) {
  chip_.memory[0] = 7;
  chip_.fail_in(1000);
  ASSERT_EQ(nor_.read(0, found_), Status::kOk);
  EXPECT_EQ(found_[0], 7);
  EXPECT_EQ(chip_.cleared, 1U);
  EXPECT_EQ(chip_.ignored, 0U);
}

TEST_F(NorTest, GivesUpOnAChipThatIsBusyForEver) {
  chip_.busy_for(1000000);
  const uint32_t since = now_ms;
  EXPECT_EQ(nor_.read(0, found_), Status::kFlashFailed);
  EXPECT_EQ(nor_.erase(0), Status::kFlashFailed);
  EXPECT_LT(now_ms - since, 10000U) << "before a watchdog would bite";
  EXPECT_EQ(chip_.ignored, 0U) << "nothing was asked of it";
  chip_.until_ms = now_ms;
  EXPECT_EQ(nor_.read(0, found_), Status::kOk);
}

TEST_F(NorTest, ClearsAnErrorThatAResetLeft) {
  for (const uint8_t error : {kEraseFailed, kProgramFailed}) {
    Nor nor(chip_, millis);
    chip_.errors = error;
    chip_.cleared = 0;
    EXPECT_EQ(nor.read(0, found_), Status::kOk);
    EXPECT_EQ(chip_.cleared, 1U);
  }
}

TEST_F(NorTest, GoesOnAfterAnError) {
  chip_.next_errors = kProgramFailed;
  EXPECT_EQ(nor_.program(0, data_), Status::kFlashFailed);
  EXPECT_EQ(nor_.program(0, data_), Status::kOk);
  chip_.next_errors = kEraseFailed;
  EXPECT_EQ(nor_.erase(0), Status::kFlashFailed);
  EXPECT_EQ(nor_.erase(0), Status::kOk);
  EXPECT_EQ(chip_.cleared, 2U);
  EXPECT_EQ(chip_.ignored, 0U);
}

TEST_F(NorTest, SaysThatItsLineIsStuck) {
  chip_.stuck = true;
  EXPECT_EQ(nor_.read(0, found_), Status::kFlashFailed);
  EXPECT_EQ(nor_.program(0, data_), Status::kFlashFailed);
  EXPECT_EQ(nor_.erase(0), Status::kFlashFailed);
}

}  // namespace
}  // namespace edged::ports
