// The power goes at every operation of flash during an upgrade and a return, and again while the loader mends that.
//
// What holds at every start, whatever was cut:
//   - firmware starts, and it is one of those that were installed, whole;
//   - a trial starts at most once for each time that it was asked for;
//   - what was confirmed stays, and nothing else becomes confirmed;
//   - afterwards an upgrade goes through.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "boot/testing/device.h"

namespace edged::boot {
namespace {

using testing::Blob;
using testing::Board;
using testing::Device;
using testing::kNew;
using testing::kNext;
using testing::kOld;
using testing::Steps;
using Cut = host::SimulatedFlash::Cut;
using hal::ResetReason;

constexpr uint32_t kTornSeeds = 6;       // tears of an operation
constexpr uint32_t kTornSeedsAgain = 1;  // likewise, of a second one

using Life = std::vector<std::function<void(Device&)>>;

// Until the power goes.
void live(Device& device, const Life& life) {
  for (const auto& step : life) {
    if (device.dead() || !device.broken().empty()) return;
    step(device);
  }
}

void restart(Device& device) { device.start(ResetReason::kRequested); }

// An upgrade, its confirmation, a trial of what was before, and the return from it.
const Life& first_life() {
  static const Life life = {
      [](Device& device) { device.start(ResetReason::kPowerOn); },
      [](Device& device) { device.install(kNew); },
      restart,
      [](Device& device) { device.confirm(); },
      restart,
      [](Device& device) { device.ask(kOld); },
      restart,
      [](Device& device) { device.start(ResetReason::kWatchdog); },
      restart,
  };
  return life;
}

// Starts until a trial that was under way has ended, and then an upgrade.
const Life& next_life() {
  static const Life life = {
      [](Device& device) { device.start(ResetReason::kPowerOn); },
      restart,
      restart,
      [](Device& device) { device.install(kNext); },
      restart,
      [](Device& device) { device.confirm(); },
      restart,
  };
  return life;
}

struct Count {
  uint64_t cuts = 0;
  uint64_t pairs = 0;
  std::string broken;  // the first thing
};

struct Way {
  Cut cut;
  uint32_t seed;
};

std::vector<Way> ways(uint32_t torn) {
  std::vector<Way> all = {{Cut::kBefore, 0}};
  for (uint32_t seed = 0; seed < torn; ++seed) all.push_back({Cut::kTorn, seed});
  return all;
}

void keep(Count& count, const Device& device, const std::string& where) {
  if (count.broken.empty() && !device.broken().empty()) count.broken = where + ": " + device.broken();
}

// Cuts the life after a cut as well, at each of its operations before `last`.
void cut_again(Count& count, const Device& before, uint64_t last, const std::string& where) {
  Device counted(before);
  for (uint64_t number = counted.board().flash().operations(); number < last; ++number) {
    for (const Way& way : ways(kTornSeedsAgain)) {
      Device device(before);
      device.power_on();
      device.board().flash().cut_at(number, way.cut, static_cast<uint32_t>(count.pairs));
      live(device, next_life());
      device.power_on();
      live(device, next_life());
      ++count.pairs;
      keep(count, device, where + ", then at " + std::to_string(number));
    }
  }
}

uint64_t operations_of_first_life() {
  Device device{Steps()};
  live(device, first_life());
  EXPECT_EQ(device.broken(), "");
  return device.board().flash().operations();
}

Count cut_everywhere(const Steps& steps, uint64_t operations, bool again) {
  Count count;
  for (uint64_t number = 0; number < operations && count.broken.empty(); ++number) {
    for (const Way& way : ways(kTornSeeds)) {
      const std::string where = "cut at " + std::to_string(number) + " in way " +
                                std::to_string(static_cast<int>(way.cut)) + "/" + std::to_string(way.seed);
      Device device(steps);
      device.board().flash().cut_at(number, way.cut, way.seed);
      live(device, first_life());
      const Device before = device;
      device.power_on();
      live(device, next_life());
      ++count.cuts;
      keep(count, device, where);
      EXPECT_EQ(device.board().flash().violations(), 0U);
      if (again) cut_again(count, before, device.board().flash().operations(), where);
    }
  }
  return count;
}

TEST(PowerCut, AtEveryOperationAndAgainAtEveryOneAfterThat) {
  const uint64_t operations = operations_of_first_life();
  const Count count = cut_everywhere(Steps(), operations, true);
  EXPECT_EQ(count.broken, "");
  EXPECT_EQ(count.cuts, operations * ways(kTornSeeds).size());
  std::printf("%lu operations, %lu cuts, %lu pairs of cuts\n", static_cast<unsigned long>(operations),
              static_cast<unsigned long>(count.cuts), static_cast<unsigned long>(count.pairs));
}

// Anything that a host may do, in any order, with cuts in between; what holds is the same.
TEST(PowerCut, InAnyLife) {
  constexpr uint32_t kLives = 1500, kSteps = 100;
  std::mt19937 random(1);
  uint32_t cuts = 0, trials = 0;
  for (uint32_t life = 0; life < kLives; ++life) {
    Device device{Steps()};
    device.start(ResetReason::kPowerOn);
    for (uint32_t step = 0; step < kSteps && device.broken().empty(); ++step) {
      const Kind kind = kAllKinds[random() % kKinds];
      switch (random() % 8) {
        case 0:
        case 1:
          if (!device.on_trial(kind)) device.upload(kind, static_cast<uint8_t>(1 + random() % kNext));
          break;
        case 2:
        case 3:
          if (!device.on_trial(kind) && device.other_version(kind) != 0) device.ask(kind, device.other_version(kind));
          break;
        case 4:
          if (device.on_trial(kind)) device.confirm();
          break;
        case 5:
          device.start(random() % 2 == 0 ? ResetReason::kRequested : ResetReason::kPowerOn);
          if (!device.dead() && device.on_trial(kind)) ++trials;
          break;
        default:
          device.board().flash().cut_at(device.board().flash().operations() + random() % 12,
                                        random() % 4 == 0 ? Cut::kBefore : Cut::kTorn, static_cast<uint32_t>(random()));
          break;
      }
      while (device.dead()) {
        ++cuts;
        device.power_on();
        device.start(ResetReason::kPowerOn);
      }
    }
    ASSERT_EQ(device.broken(), "") << "life " << life;
    EXPECT_EQ(device.board().flash().violations(), 0U);
  }
  EXPECT_GT(cuts, kLives);
  EXPECT_GT(trials, kLives / 2);
  std::printf("%u cuts, %u trials\n", cuts, trials);
}

// The same test finds each of these, which do the same things in another order.

TEST(PowerCut, FindsAnUploadThatIsActiveBeforeItWasVerified) {
  Steps wrong;
  wrong.upload = [](Board& board, Kind kind, const Blob& whole) {
    const auto slot = static_cast<uint8_t>(1 - board.slots().running().of(kind));
    State state = board.slots().state();
    state.of(kind).active = slot;
    if (const Status status = board.slots().record(state); !ok(status)) return status;
    return board.upload(kind, whole);
  };
  EXPECT_NE(cut_everywhere(wrong, operations_of_first_life(), false).broken, "");
}

TEST(PowerCut, FindsATrialThatIsNotedAfterItStarted) {
  Steps wrong;
  wrong.start = [](Board& board, ResetReason reason) {
    Board jumped(board);
    const Decision decision = jumped.start(reason);
    static_cast<void>(board.start(reason));
    board.handoff() = jumped.handoff();
    return std::optional<Decision>(decision);
  };
  EXPECT_NE(cut_everywhere(wrong, operations_of_first_life(), false).broken, "");
}

TEST(PowerCut, FindsAJournalThatIsErasedBeforeItsStateIsElsewhere) {
  Steps wrong;
  wrong.mark = [](Board& board, Kind kind, uint8_t slot) {
    State state = board.slots().state();
    state.of(kind).trial = slot;
    state.of(kind).stage = Stage::kPending;
    for (const Region& sector : testing::kMap.journal) {
      if (const Status status = board.flash().erase(sector.address); !ok(status)) return status;
    }
    return board.slots().record(state);
  };
  EXPECT_NE(cut_everywhere(wrong, operations_of_first_life(), false).broken, "");
}

}  // namespace
}  // namespace edged::boot
