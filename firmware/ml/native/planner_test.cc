#include "ml/native/planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "ml/native/arena.h"

namespace edged::ml::native {
namespace {

std::vector<Piece> some_pieces(std::mt19937& random) {
  std::vector<Piece> pieces(1 + random() % 60);
  for (Piece& piece : pieces) {
    piece.bytes = random() % 8 == 0 ? 0 : static_cast<uint32_t>(1 + random() % 5000);
    if (random() % 10 == 0) continue;  // a constant
    piece.first = static_cast<uint16_t>(random() % 30);
    piece.last = static_cast<uint16_t>(piece.first + random() % 10);
  }
  return pieces;
}

bool share_time(const Piece& a, const Piece& b) { return a.first <= b.last && b.first <= a.last; }
bool share_memory(const Piece& a, const Piece& b) {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

TEST(Planner, WhatLivesAtTheSameTimeLiesApart) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<Piece> pieces = some_pieces(random);
    const uint64_t end = plan({pieces.data(), pieces.size()});
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (!pieces[i].takes_memory()) continue;
      ASSERT_EQ(pieces[i].offset % kArenaAlignment, 0u);
      ASSERT_LE(uint64_t{pieces[i].offset} + pieces[i].bytes, end);
      for (size_t k = 0; k < i; ++k) {
        if (!pieces[k].takes_memory()) continue;
        ASSERT_FALSE(share_time(pieces[i], pieces[k]) && share_memory(pieces[i], pieces[k])) << i << " " << k;
      }
    }
  }
}

// No plan can need less than what lives at one time; this one rarely needs much more.
TEST(Planner, ItIsCloseToWhatIsNeededAtOneTime) {
  std::mt19937 random(2);
  uint64_t planned = 0, least = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<Piece> pieces = some_pieces(random);
    planned += plan({pieces.data(), pieces.size()});
    uint64_t most = 0;
    for (uint16_t now = 0; now < 40; ++now) {
      uint64_t live = 0;
      for (const Piece& piece : pieces) {
        if (piece.takes_memory() && piece.first <= now && now <= piece.last)
          live += align_up(piece.bytes, kArenaAlignment);
      }
      most = std::max(most, live);
    }
    least += most;
  }
  EXPECT_GE(planned, least);
  EXPECT_LE(static_cast<double>(planned), 1.10 * static_cast<double>(least));
}

TEST(Planner, WhatLiesInAnotherPieceIsWhereThatIs) {
  Piece pieces[3];
  pieces[0].bytes = 100;
  pieces[0].first = 0;
  pieces[0].last = 5;
  pieces[1] = pieces[0];
  pieces[2] = pieces[0];
  pieces[2].same_as = 1;
  EXPECT_EQ(plan(pieces), 2 * align_up(100, kArenaAlignment));
  EXPECT_EQ(pieces[2].offset, pieces[1].offset);
}

TEST(Arena, WhatDoesNotFitIsCounted) {
  alignas(kArenaAlignment) uint8_t memory[64];
  Arena arena(memory);
  EXPECT_NE(arena.persistent<uint32_t>(8), nullptr);
  EXPECT_EQ(arena.persistent<uint32_t>(9), nullptr);
  EXPECT_EQ(arena.persistent<uint8_t>(), nullptr);  // nothing is granted behind what was not
  EXPECT_EQ(arena.lasting(), 80u);
}

TEST(Arena, AnUnalignedStartIsSkipped) {
  alignas(kArenaAlignment) uint8_t memory[64];
  Arena arena(MutableBytes(memory + 1, 63));
  EXPECT_EQ(arena.base(), memory + 16);
  EXPECT_EQ(arena.size(), 48u);
}

}  // namespace
}  // namespace edged::ml::native
