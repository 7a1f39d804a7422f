#include "app/pattern_sensor.h"

#include <gtest/gtest.h>

#include <vector>

namespace edged::app {
namespace {

ml::Tensor tensor(std::vector<uint8_t>& memory, ml::Type type) {
  ml::Tensor result;
  result.type = type;
  result.data = memory.data();
  result.bytes = static_cast<uint32_t>(memory.size());
  return result;
}

TEST(PatternSensor, FrameAfterFrameIsTheSameAtEveryStart) {
  PatternSensor one;
  PatternSensor other;
  std::vector<uint8_t> last;
  for (int frame = 0; frame < 3; ++frame) {
    std::vector<uint8_t> a(1000), b(1000);
    ASSERT_EQ(one.fill(tensor(a, ml::Type::kInt8)), Status::kOk);
    ASSERT_EQ(other.fill(tensor(b, ml::Type::kInt8)), Status::kOk);
    EXPECT_EQ(a, b);
    EXPECT_NE(a, last);
    last = a;
  }
}

TEST(PatternSensor, TheFirstBytesAreThoseOfTheHeader) {
  PatternSensor sensor;
  std::vector<uint8_t> frame(3);
  ASSERT_EQ(sensor.fill(tensor(frame, ml::Type::kUint8)), Status::kOk);
  EXPECT_EQ(frame, (std::vector<uint8_t>{0x9E, 0x3C, 0xDA}));  // tops of 1, 2 and 3 times 0x9E3779B1
}

TEST(PatternSensor, NumbersThatNotEveryByteIsPartOfAreNotItsBusiness) {
  PatternSensor sensor;
  std::vector<uint8_t> frame(4);
  EXPECT_EQ(sensor.fill(tensor(frame, ml::Type::kFloat32)), Status::kUnsupported);
}

}  // namespace
}  // namespace edged::app
