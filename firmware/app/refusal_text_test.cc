#include "app/refusal_text.h"

#include <gtest/gtest.h>

#include <string>

namespace edged::app {
namespace {

constexpr size_t kLine = 160;

TEST(RefusalText, OfAModelThatNoOperatorIsTheFaultOf) {
  ml::Diagnosis diagnosis;
  diagnosis.what = "the arena is too small";
  EXPECT_EQ(RefusalText(diagnosis).text(), "the arena is too small");
}

TEST(RefusalText, OfAnOperatorIsItsPlaceAndItsCode) {
  ml::Diagnosis diagnosis;
  diagnosis.what = "differ in type";
  diagnosis.op_index = 2147483647;
  EXPECT_EQ(RefusalText(diagnosis).text(), "operator 2147483647: differ in type");
  diagnosis.op_index = 10;
  diagnosis.op_code = 0;
  EXPECT_EQ(RefusalText(diagnosis).text(), "operator 10, code 0: differ in type");
}

TEST(RefusalText, IsCutOffWhereALineEnds) {
  const std::string what(2 * kLine, 'w');
  const uint8_t name[5000] = {};
  ml::Diagnosis diagnosis;
  diagnosis.what = what.c_str();
  EXPECT_EQ(RefusalText(diagnosis).text(), what.substr(0, kLine));
  diagnosis.op_index = diagnosis.op_code = 32;
  diagnosis.custom = Bytes(name);
  EXPECT_EQ(RefusalText(diagnosis).text(),
            ("operator 32, code 32, " + std::string(64, '\0') + ": " + what).substr(0, kLine));
}

}  // namespace
}  // namespace edged::app
