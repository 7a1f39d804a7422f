#include "protocol/cbor.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace edged::protocol {
namespace {

using Blob = std::vector<uint8_t>;

Bytes view(const Blob& blob) { return Bytes(blob.data(), blob.size()); }

Status skipped(const Blob& blob) {
  CborReader reader(view(blob));
  const Status status = reader.skip();
  return ok(status) && !reader.at_end() ? Status::kMalformed : status;
}

// {"off": 300, "data": h'0102', "sha": "x", "upgrade": true, "n": -2, "f": 1.5}, with and without its count.
const Blob kDefinite = {0xA6, 0x63, 'o',  'f',  'f', 0x19, 0x01, 0x2C, 0x64, 'd',  'a',  't',  'a', 0x42,
                        1,    2,    0x63, 's',  'h', 'a',  0x61, 'x',  0x67, 'u',  'p',  'g',  'r', 'a',
                        'd',  'e',  0xF5, 0x61, 'n', 0x21, 0x61, 'f',  0xFA, 0x3F, 0xC0, 0x00, 0x00};

Blob open_ended() {
  Blob map = kDefinite;
  map[0] = 0xBF;
  map.push_back(0xFF);
  return map;
}

TEST(Cbor, ReadsMapsWithAndWithoutTheirCount) {
  for (const Blob& map : {kDefinite, open_ended()}) {
    const CborReader reader(view(map));
    EXPECT_EQ(reader.uint_of("off").value(), 300u);
    EXPECT_EQ(reader.bytes_of("data").value().size(), 2u);
    EXPECT_EQ(reader.text_of("sha").value(), "x");
    EXPECT_TRUE(reader.bool_of("upgrade").value());
    EXPECT_EQ(reader.uint_of("len").status(), Status::kNotFound);
    EXPECT_EQ(reader.uint_of("len", 7).value(), 7u);
    EXPECT_FALSE(reader.bool_of("confirm", false).value());
    EXPECT_EQ(skipped(map), Status::kOk);
  }
}

TEST(Cbor, AValueOfAnotherKindIsMalformedAlsoWhereItMayBeAbsent) {
  const CborReader reader(view(kDefinite));
  EXPECT_EQ(reader.uint_of("data").status(), Status::kMalformed);
  EXPECT_EQ(reader.uint_of("sha", 1).status(), Status::kMalformed);
  EXPECT_EQ(reader.bool_of("off", true).status(), Status::kMalformed);
  EXPECT_EQ(reader.bytes_of("sha").status(), Status::kMalformed);
  EXPECT_EQ(reader.text_of("n").status(), Status::kMalformed);
  EXPECT_EQ(CborReader(view(Blob{0x01})).uint_of("off").status(), Status::kMalformed);
}

TEST(Cbor, ANumberThatDoesNotFitIsOutOfRange) {
  const Blob map = {0xA1, 0x61, 'n', 0x1B, 0, 0, 0, 1, 0, 0, 0, 0};
  EXPECT_EQ(CborReader(view(map)).uint_of("n").status(), Status::kOutOfRange);
}

TEST(Cbor, EveryCutIsSeen) {
  for (const Blob& map : {kDefinite, open_ended()}) {
    for (size_t size = 0; size < map.size(); ++size) {
      ASSERT_EQ(skipped(Blob(map.begin(), map.begin() + static_cast<long>(size))), Status::kTruncated) << size;
    }
  }
}

TEST(Cbor, LengthsBeyondTheBytesThatAreThereAreRefused) {
  for (const int major : {2, 3, 4, 5}) {
    const uint8_t head = static_cast<uint8_t>(major << 5 | 27);
    EXPECT_EQ(skipped({head, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0}), Status::kTruncated);
    EXPECT_EQ(skipped({head, 0x80, 0, 0, 0, 0, 0, 0, 0, 0}), Status::kTruncated);
  }
}

TEST(Cbor, AValueThatIsCutIsNotShorter) {
  const Blob bytes = {0xA1, 0x61, 'd', 0x43, 1, 2};
  EXPECT_EQ(CborReader(view(bytes)).bytes_of("d").status(), Status::kTruncated);
  const Blob text = {0xA1, 0x61, 'd', 0x63, 'x', 'y'};
  EXPECT_EQ(CborReader(view(text)).text_of("d").status(), Status::kTruncated);
  const Blob key = {0xA1, 0x63, 'd', 'd'};
  EXPECT_EQ(CborReader(view(key)).text_of("dd").status(), Status::kTruncated);
}

TEST(Cbor, SkipsWhatItDoesNotKnow) {
  EXPECT_EQ(skipped({0xC0, 0x61, 'x'}), Status::kOk);                  // a tag
  EXPECT_EQ(skipped({0x5F, 0x41, 1, 0x42, 2, 3, 0xFF}), Status::kOk);  // bytes in pieces
  EXPECT_EQ(skipped({0x7F, 0x61, 'x', 0xFF}), Status::kOk);            // text in pieces
  EXPECT_EQ(skipped({0xFB, 0, 0, 0, 0, 0, 0, 0, 0}), Status::kOk);     // a double
  EXPECT_EQ(skipped({0xF9, 0, 0}), Status::kOk);                       // a half
  EXPECT_EQ(skipped({0xF6}), Status::kOk);                             // null
  EXPECT_EQ(skipped({0x9F, 0x82, 1, 0x20, 0xBF, 0x61, 'a', 0x80, 0xFF, 0xFF}), Status::kOk);
}

TEST(Cbor, RefusesWhatIsNoCbor) {
  EXPECT_EQ(skipped({0xFF}), Status::kMalformed);                    // an end of nothing
  EXPECT_EQ(skipped({0x1C}), Status::kMalformed);                    // reserved
  EXPECT_EQ(skipped({0x1F}), Status::kMalformed);                    // a number without end
  EXPECT_EQ(skipped({0xDF}), Status::kMalformed);                    // a tag without end
  EXPECT_EQ(skipped({0x5F, 0x61, 'x', 0xFF}), Status::kMalformed);   // text among bytes
  EXPECT_EQ(skipped({0x5F, 0x5F, 0xFF, 0xFF}), Status::kMalformed);  // pieces in pieces
  EXPECT_EQ(skipped({0xBF, 0x61, 'x', 0xFF}), Status::kMalformed);   // a key without its value
}

TEST(Cbor, FollowsNoMoreLevelsThanTheStackIsMeantFor) {
  Blob nested(kMaxDepth, 0x81);
  nested.push_back(0x00);
  EXPECT_EQ(skipped(nested), Status::kOk);
  nested.insert(nested.begin(), 0x81);
  EXPECT_EQ(skipped(nested), Status::kTooLarge);
  EXPECT_EQ(skipped(Blob(4000, 0x9F)), Status::kTooLarge);
  EXPECT_EQ(skipped(Blob(4000, 0xC1)), Status::kTooLarge);
}

TEST(Cbor, WritesWhatItReads) {
  uint8_t memory[64];
  CborWriter writer(memory);
  writer.begin_map();
  writer.key("u").put_uint(UINT32_MAX);
  writer.key("b").put_bool(false);
  writer.key("t").put_text("text");
  writer.key("d").put_bytes(Bytes(memory, 3));
  writer.key("a").begin_array();
  writer.put_float(0.5F);
  writer.end();
  writer.end();
  ASSERT_EQ(writer.status(), Status::kOk);
  CborReader reader(writer.written());
  EXPECT_EQ(reader.uint_of("u").value(), UINT32_MAX);
  EXPECT_FALSE(reader.bool_of("b").value());
  EXPECT_EQ(reader.text_of("t").value(), "text");
  EXPECT_EQ(reader.bytes_of("d").value().size(), 3u);
  EXPECT_TRUE(ok(reader.skip()));
  EXPECT_TRUE(reader.at_end());
}

TEST(Cbor, WritesNumbersAsShortAsTheyGo) {
  struct Case {
    int64_t value;
    Blob bytes;
  };
  for (const Case& one :
       std::initializer_list<Case>{{0, {0x00}},
                                   {23, {0x17}},
                                   {24, {0x18, 24}},
                                   {255, {0x18, 0xFF}},
                                   {256, {0x19, 1, 0}},
                                   {65536, {0x1A, 0, 1, 0, 0}},
                                   {int64_t{1} << 32, {0x1B, 0, 0, 0, 1, 0, 0, 0, 0}},
                                   {-1, {0x20}},
                                   {-128, {0x38, 0x7F}},
                                   {INT64_MIN, {0x3B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}}}) {
    uint8_t memory[9];
    CborWriter writer(memory);
    writer.put_int(one.value);
    const Bytes written = writer.written();
    EXPECT_EQ(Blob(written.begin(), written.end()), one.bytes) << one.value;
  }
}

TEST(Cbor, WritesNothingAfterWhatDidNotFit) {
  uint8_t memory[4];
  CborWriter writer(memory);
  writer.put_text("abcd");
  writer.put_uint(1);
  EXPECT_EQ(writer.status(), Status::kTooLarge);
  EXPECT_EQ(writer.written().size(), 1u);
  EXPECT_EQ(writer.room(), 0u);
}

}  // namespace
}  // namespace edged::protocol
