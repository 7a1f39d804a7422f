// The power goes at every operation of flash during an upgrade and a return, and again while the loader mends that.
//
// What holds at every start, whatever was cut:
//   - firmware starts, and it is one of those that were installed, whole;
//   - a trial starts at most once for each time that it was asked for;
//   - what was confirmed stays, and nothing else becomes confirmed;
//   - afterwards an upgrade goes through.
// Between the steps images come that are spoilt, another's or too old, and bits of slots flip. Then as well:
//   - nothing is taken, tried or kept but what is whole, ours and not too old, and all of that is;
//   - nothing else starts, nor by itself what failed its trial; where nothing is left the loader stays.
#include <gtest/gtest.h>

#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "boot/testing/device.h"

namespace edged::boot {
namespace {

using testing::Blob;
using testing::Board;
using testing::Device;
using testing::device_image;
using testing::kAllWrong;
using testing::kLatest;
using testing::kNew;
using testing::kNext;
using testing::kOld;
using testing::Steps;
using testing::wrong_image;
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
      [](Device& device) { device.ask(); },  // of what was before
      restart,
      [](Device& device) { device.start(ResetReason::kWatchdog); },
      restart,
  };
  return life;
}

// Starts until a trial that was under way has ended, and then so many upgrades to the next version.
Life life_with(size_t starts, size_t upgrades) {
  Life life = {[](Device& device) { device.start(ResetReason::kPowerOn); }};
  life.insert(life.end(), starts, restart);
  for (size_t i = 0; i < upgrades; ++i) {
    life.insert(life.end(), {[](Device& device) { device.install(kNext); }, restart,
                             [](Device& device) { device.confirm(); }, restart});
  }
  life.emplace_back([](Device& device) { device.must_run(kNext); });
  return life;
}

const Life& next_life() {
  static const Life life = life_with(2, 1);
  return life;
}

// Where slots may have decayed: a loader that stays takes one image of each kind, and no trial.
const Life& mending_life() {
  static const Life life = life_with(1, 2);
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

// A life of a device that a host, its flash and its supply do anything to.
class AnyLife {
 public:
  explicit AnyLife(std::mt19937& random) : random_(random) { device_.start(ResetReason::kPowerOn); }

  void step() {
    const Kind kind = kAllKinds[below(kKinds)];
    switch (below(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        device_.upload(kind, any_version());
        break;
      case 5:
        device_.upload_wrong(kind, any_wrong(kind));
        break;
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        if (device_.running(kind) != kNoSlot) device_.ask(kind, device_.other_slot(kind));
        break;
      case 11:
        device_.ask(kind, static_cast<uint8_t>(below(kSlots + 1)));
        break;
      case 12:
      case 13:
      case 14:
        device_.confirm();
        break;
      case 15:
      case 16:
      case 17:
        device_.start(below(2) == 0 ? ResetReason::kRequested : ResetReason::kPowerOn);
        if (!device_.dead() && device_.on_trial(kind)) ++trials_;
        break;
      case 18:
        decay(kind);
        break;
      case 19:
        heal();
        break;
      case 20:
        if (below(4) == 0) device_.plant(kind, device_.other_slot(kind), any_wrong(kind));
        break;
      default:
        device_.board().flash().cut_at(device_.board().flash().operations() + below(12),
                                       below(4) == 0 ? Cut::kBefore : Cut::kTorn, static_cast<uint32_t>(random_()));
        break;
    }
    while (device_.dead()) {
      ++cuts_;
      device_.power_on();
      device_.start(ResetReason::kPowerOn);
    }
  }

  Device& device() { return device_; }
  [[nodiscard]] uint32_t cuts() const { return cuts_; }
  [[nodiscard]] uint32_t trials() const { return trials_; }
  [[nodiscard]] uint32_t decays() const { return decays_; }

 private:
  struct Bit {
    Kind kind;
    uint8_t slot;
    uint32_t number;
  };

  [[nodiscard]] uint32_t below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }
  // Seldom one of those that leave no way back.
  [[nodiscard]] uint8_t any_version() { return static_cast<uint8_t>(1 + below(below(8) == 0 ? kLatest : kNext)); }

  Blob any_wrong(Kind kind) {
    if (below(2) == 0) return wrong_image(kind, kAllWrong[below(std::size(kAllWrong))]);
    Blob spoilt = device_image(kind, any_version());
    uint8_t& byte = spoilt[below(static_cast<uint32_t>(spoilt.size()))];
    byte = static_cast<uint8_t>(byte ^ 1U << below(8));
    return spoilt;
  }

  void decay(Kind kind) {
    const auto bits = static_cast<uint32_t>(device_image(kind, kOld).size() * 8);
    const Bit bit = {kind, static_cast<uint8_t>(below(kSlots)), below(bits)};
    decayed_.push_back(bit);
    device_.decay(bit.kind, bit.slot, bit.number);
    ++decays_;
  }

  // A bit that was read wrongly may be read rightly again.
  void heal() {
    if (decayed_.empty()) return;
    const Bit bit = decayed_.back();
    decayed_.pop_back();
    device_.decay(bit.kind, bit.slot, bit.number);
  }

  std::mt19937& random_;
  Device device_{Steps()};
  std::vector<Bit> decayed_;
  uint32_t cuts_ = 0, trials_ = 0, decays_ = 0;
};

// The first test, for it is the one that finds most, and soonest.
TEST(PowerCut, InAnyLife) {
  constexpr uint32_t kLives = 1500, kSteps = 100;
  std::mt19937 random(1);
  uint32_t cuts = 0, trials = 0, decays = 0;
  for (uint32_t number = 0; number < kLives; ++number) {
    AnyLife life(random);
    for (uint32_t step = 0; step < kSteps && life.device().broken().empty(); ++step) life.step();
    ASSERT_EQ(life.device().broken(), "") << "life " << number;
    EXPECT_EQ(life.device().board().flash().violations(), 0U);
    cuts += life.cuts();
    trials += life.trials();
    decays += life.decays();
  }
  EXPECT_GT(cuts, kLives);
  EXPECT_GT(trials, kLives / 2);
  EXPECT_GT(decays, kLives);
  std::printf("%u cuts, %u trials, %u decays\n", cuts, trials, decays);
}

// A bit flips between any two steps, in any slot, and stays or flips back after the next step; and the power goes at
// every fourth operation, another one each time.
TEST(PowerCut, WithADecayBetweenAnyTwoSteps) {
  constexpr uint32_t kBit = (kHeaderSize + 100) * 8, kEvery = 4;
  const auto operations = static_cast<uint32_t>(operations_of_first_life());
  uint32_t lives = 0;
  for (size_t at = 1; at < first_life().size(); ++at) {
    for (uint32_t way = 0; way < kKinds * kSlots * 2; ++way) {
      const Kind kind = kAllKinds[way % kKinds];
      const auto slot = static_cast<uint8_t>(way / kKinds % kSlots);
      const auto flip = [=](Device& device) { device.decay(kind, slot, kBit); };
      Life life = first_life();
      if (way / kKinds / kSlots != 0) life.insert(life.begin() + static_cast<Life::difference_type>(at) + 1, flip);
      life.insert(life.begin() + static_cast<Life::difference_type>(at), flip);
      for (uint32_t number = lives % kEvery; number <= operations; number += kEvery) {
        Device device{Steps()};
        device.board().flash().cut_at(number, Cut::kBefore, 0);
        live(device, life);
        device.power_on();
        live(device, mending_life());
        ASSERT_EQ(device.broken(), "") << "a bit of kind " << way % kKinds << ", slot " << int{slot}
                                       << " flips before step " << at << ", and the power goes at " << number;
      }
      ++lives;
    }
  }
}

TEST(PowerCut, AtEveryOperationAndAgainAtEveryOneAfterThat) {
  const uint64_t operations = operations_of_first_life();
  const Count count = cut_everywhere(Steps(), operations, true);
  EXPECT_EQ(count.broken, "");
  EXPECT_EQ(count.cuts, operations * ways(kTornSeeds).size());
  std::printf("%lu operations, %lu cuts, %lu pairs of cuts\n", static_cast<unsigned long>(operations),
              static_cast<unsigned long>(count.cuts), static_cast<unsigned long>(count.pairs));
}

// Boards whose parts are wrong: tests/firmware/boot_mutants.py. This one does the right things in another order.
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

}  // namespace
}  // namespace edged::boot
