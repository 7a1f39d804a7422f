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

#include "boot/testing/board.h"

namespace edged::boot {
namespace {

using testing::Blob;
using testing::Board;
using testing::ImageSpec;
using testing::signed_image;
using testing::Signer;
using Cut = host::SimulatedFlash::Cut;
using hal::ResetReason;

constexpr uint8_t kOld = 1, kNew = 2, kNext = 3;  // major versions; of firmware and model alike
constexpr uint32_t kTornSeeds = 6;                // tears of an operation
constexpr uint32_t kTornSeedsAgain = 1;           // likewise, of a second one

const Signer& signer() {
  static const Signer one;
  return one;
}

const Blob& image(Kind kind, uint8_t version) {
  static Blob made[kKinds][kNext + 1];
  Blob& one = made[static_cast<uint32_t>(kind)][version];
  if (one.empty()) {
    ImageSpec spec;
    spec.kind = kind;
    spec.version = {version, 0, 0, 0};
    spec.payload = Blob(300 + version * 7U, version);
    one = signed_image(spec, signer());
  }
  return one;
}

// What a host knows of a device, and so what it may expect of it. The first thing that was otherwise is kept.
struct Expectation {
  uint8_t kept[kKinds] = {kOld, kOld};  // version that was confirmed last
  uint8_t maybe[kKinds] = {0, 0};       // version whose confirmation was cut: it or `kept`
  uint8_t asked[kKinds] = {0, 0};       // version whose trial was asked for
  bool tried[kKinds] = {false, false};  // and was started
  std::string broken;

  void fail(const std::string& what) {
    if (broken.empty()) broken = what;
  }
};

// The steps, which the last tests replace by wrong ones.
struct Steps {
  // Nothing if the power went before the jump.
  std::function<std::optional<Decision>(Board&, ResetReason)> start = [](Board& board, ResetReason reason) {
    const Decision decision = board.start(reason);
    return board.flash().dead() ? std::nullopt : std::optional<Decision>(decision);
  };
  std::function<Status(Board&, Kind, const Blob&)> upload = [](Board& board, Kind kind, const Blob& whole) {
    return board.upload(kind, whole);
  };
  std::function<Status(Board&, Kind, uint8_t)> mark = [](Board& board, Kind kind, uint8_t slot) {
    return board.slots().mark_for_test(kind, slot);
  };
};

class Device {
 public:
  Device(const Board& board, const Steps& steps) : board_(board), steps_(steps) {}
  Device(const Device&) = default;

  Board& board() { return board_; }
  const std::string& broken() const { return expected_.broken; }

  void start(ResetReason reason) {
    const std::optional<Decision> decision = steps_.start(board_, reason);
    if (!decision) return;
    if (decision->recovery != Recovery::kNone) return expected_.fail("no firmware started");
    for (const Kind kind : kAllKinds) judge(kind);
  }

  // Firmware and model of this version, on trial from the next start.
  void install(uint8_t version) {
    for (const Kind kind : kAllKinds) {
      upload(kind, version);
      if (dead()) return;
    }
    for (const Kind kind : kAllKinds) {
      if (!dead()) ask(kind, version);
    }
  }

  void ask(uint8_t version) {
    for (const Kind kind : kAllKinds) {
      if (!dead()) ask(kind, version);
    }
  }

  void upload(Kind kind, uint8_t version) {
    const Status status = steps_.upload(board_, kind, image(kind, version));
    if (dead()) return;  // perhaps before the trial of what lay there was forgotten
    if (!ok(status)) expected_.fail("an upload failed");
    expected_.asked[static_cast<uint32_t>(kind)] = 0;
  }

  void ask(Kind kind, uint8_t version) {
    const auto index = static_cast<uint32_t>(kind);
    expected_.asked[index] = version;
    expected_.tried[index] = false;
    const Status status = steps_.mark(board_, kind, other_slot(kind));
    if (!dead() && !ok(status)) expected_.fail("a trial was refused");
  }

  bool on_trial(Kind kind) { return board_.slots().on_trial(kind); }
  uint8_t other_slot(Kind kind) { return static_cast<uint8_t>(1 - board_.slots().running().of(kind)); }
  // Of the image beside what runs; 0 if there is none.
  uint8_t other_version(Kind kind) {
    Image found;
    return ok(board_.slots().inspect(kind, other_slot(kind), found)) ? found.version.major : 0;
  }

  void confirm() {
    for (const Kind kind : kAllKinds) {
      if (on_trial(kind)) {
        expected_.maybe[static_cast<uint32_t>(kind)] = board_.handoff().of(kind).version.major;
      }
    }
    const Status status = board_.slots().confirm();
    if (dead()) return;
    if (!ok(status)) expected_.fail("a confirmation was refused");
    for (uint32_t i = 0; i < kKinds; ++i) {
      if (expected_.maybe[i] == 0) continue;
      expected_.kept[i] = expected_.maybe[i];
      expected_.maybe[i] = expected_.asked[i] = 0;
    }
  }

  bool dead() { return board_.flash().dead(); }

 private:
  void judge(Kind kind) {
    const auto index = static_cast<uint32_t>(kind);
    const Handoff::Running& running = board_.handoff().of(kind);
    if (running.slot == kNoSlot) return expected_.fail("no model started");
    const Blob& whole = image(kind, running.version.major);
    const auto at = board_.memory().begin() + testing::kMap.slot(kind, running.slot).address;
    if (!std::equal(whole.begin(), whole.end(), at)) expected_.fail("what started is not whole");
    const uint8_t version = running.version.major;
    if (running.standing == Standing::kTrial) {
      if (version != expected_.asked[index]) expected_.fail("a trial that nobody asked for");
      if (expected_.tried[index]) expected_.fail("a trial for the second time");
      expected_.tried[index] = true;
      return;
    }
    if (version == expected_.maybe[index]) {  // from now on it was confirmed
      expected_.kept[index] = version;
      expected_.maybe[index] = 0;
    }
    if (version != expected_.kept[index]) expected_.fail("something else than what was confirmed");
    expected_.maybe[index] = 0;
  }

  Board board_;
  Steps steps_;
  Expectation expected_;
};

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

void power_on(Device& device) {
  device.board().flash().restore();
  device.board().power_off();
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
      power_on(device);
      device.board().flash().cut_at(number, way.cut, static_cast<uint32_t>(count.pairs));
      live(device, next_life());
      power_on(device);
      live(device, next_life());
      ++count.pairs;
      keep(count, device, where + ", then at " + std::to_string(number));
    }
  }
}

Board new_board() {
  Board board(signer());
  for (const Kind kind : kAllKinds) board.place(kind, 0, image(kind, kOld));
  return board;
}

uint64_t operations_of_first_life() {
  Device device(new_board(), Steps());
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
      Device device(new_board(), steps);
      device.board().flash().cut_at(number, way.cut, way.seed);
      live(device, first_life());
      const Device before = device;
      power_on(device);
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
    Device device(new_board(), Steps());
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
        power_on(device);
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
