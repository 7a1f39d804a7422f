#include "ports/host/simulated_flash.h"

#include <gtest/gtest.h>

#include <vector>

namespace edged::host {
namespace {

class SimulatedFlashTest : public testing::Test {
 protected:
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(4096, 0xFF);
  SimulatedFlash flash_{MutableBytes(memory_.data(), memory_.size()), {4096, 1024, 4, 256}};
  uint8_t data_[512] = {};
};

TEST_F(SimulatedFlashTest, ProgramsClearBitsAndErasesSetThem) {
  EXPECT_EQ(flash_.program(0, Bytes(data_, 4)), Status::kOk);
  data_[0] = 1;
  EXPECT_EQ(flash_.program(0, Bytes(data_, 4)), Status::kFlashFailed);
  EXPECT_EQ(flash_.violations(), 1U);
  EXPECT_EQ(flash_.erase(0), Status::kOk);
  EXPECT_EQ(flash_.program(0, Bytes(data_, 4)), Status::kOk);
  EXPECT_EQ(memory_[0], 1);
}

TEST_F(SimulatedFlashTest, RefusesWhatIsNotAlignedOrOutside) {
  EXPECT_EQ(flash_.program(2, Bytes(data_, 4)), Status::kFlashFailed);
  EXPECT_EQ(flash_.program(0, Bytes(data_, 3)), Status::kFlashFailed);
  EXPECT_EQ(flash_.erase(512), Status::kFlashFailed);
  EXPECT_EQ(flash_.violations(), 3U);
  EXPECT_EQ(flash_.program(4096 - 4, Bytes(data_, 8)), Status::kOutOfRange);
  EXPECT_EQ(flash_.erase(4096), Status::kOutOfRange);
  EXPECT_EQ(flash_.read(4090, data_), Status::kOutOfRange);
  EXPECT_EQ(flash_.operations(), 0U);
}

TEST_F(SimulatedFlashTest, ACutSparesTheOtherPages) {
  flash_.cut_at(1, SimulatedFlash::Cut::kTorn, 1);
  EXPECT_EQ(flash_.program(128, Bytes(data_, 512)), Status::kFlashFailed);
  EXPECT_TRUE(flash_.dead());
  EXPECT_EQ(flash_.read(0, data_), Status::kFlashFailed);
  EXPECT_EQ(memory_[255], 0) << "the first page was done";
  uint32_t cleared = 0;
  for (size_t i = 256; i < 512; ++i) cleared += memory_[i] != 0xFF;
  EXPECT_GT(cleared, 0U);
  EXPECT_EQ(memory_[512], 0xFF) << "the third was not begun";
  flash_.restore();
  EXPECT_EQ(flash_.erase(0), Status::kOk);
}

TEST_F(SimulatedFlashTest, MayBeSlowAndInPartUnreadable) {
  flash_.take({2, 100, 1000});
  flash_.make_unreadable(1024, 16);
  EXPECT_EQ(flash_.read(512, data_), Status::kOk) << "it ends where they begin";
  EXPECT_EQ(flash_.read(513, data_), Status::kFlashFailed);
  EXPECT_EQ(flash_.read(1040, data_), Status::kOk);
  EXPECT_EQ(flash_.elapsed_ns(), 3 * 2 * sizeof data_);
  EXPECT_EQ(flash_.program(0, data_), Status::kOk);
  EXPECT_EQ(flash_.erase(0), Status::kOk);
  EXPECT_EQ(flash_.elapsed_ns(), 3 * 2 * sizeof data_ + 2 * 100 + 1000) << "two pages, one sector";
  flash_.cut_after(flash_.elapsed_ns() + 2 * sizeof data_);
  EXPECT_EQ(flash_.read(0, data_), Status::kFlashFailed);
  EXPECT_TRUE(flash_.dead());
}

}  // namespace
}  // namespace edged::host
