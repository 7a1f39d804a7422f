#include "boot/loader.h"

#include <cstring>

namespace edged::boot {
namespace {

// What was started on trial and not confirmed goes back. Whether anything did.
bool take_back(State& state) {
  bool any = false;
  for (ImageState& image : state.images) {
    if (image.stage != Stage::kRunning) continue;
    reject(image, image.trial);
    image.trial = kNoSlot;
    image.stage = Stage::kNone;
    image.outcome = Outcome::kReverted;
    any = true;
  }
  return any;
}

bool crashed(hal::ResetReason reason) {
  return reason == hal::ResetReason::kWatchdog || reason == hal::ResetReason::kFault;
}

template <size_t N>
void copy_text(const char* from, char (&into)[N]) {
  std::memset(into, 0, N);
  for (size_t i = 0; i + 1 < N && from[i] != 0; ++i) into[i] = from[i];
}

}  // namespace

// Copies before it verifies: what runs is what was verified, not what flash says when it is read a second time.
Status Loader::prepare(Kind kind, uint8_t slot, Choice& choice) {
  choice.slot = slot;
  if (slot >= kSlots) return Status::kOutOfRange;
  const Region& region = slots_.region(kind, slot);
  const uint8_t* mapped = slots_.flash().mapped(region.address);
  const MutableBytes memory = kind == Kind::kFirmware ? memory_.firmware : memory_.model;
  FlashSource stored(slots_.flash(), region);
  Image& image = choice.image;
  if (memory.empty()) {
    if (const Status status = slots_.inspect(kind, slot, image); !ok(status)) return status;
    choice.payload = mapped == nullptr ? Bytes() : Bytes(mapped + kHeaderSize, image.payload_size);
  } else {
    if (const Status status = read_image(stored, Extent::kSlot, image); !ok(status)) return status;
    if (image.total_size > memory.size()) return Status::kTooLarge;
    const MutableBytes copied = memory.first(image.total_size);
    if (const Status status = stored.read(0, copied); !ok(status)) return status;
    MemorySource source(copied, slots_.watchdog());
    const Status status = verify(source, Extent::kFile, slots_.key(), {kind, slots_.board()}, image);
    if (!ok(status)) return status;
    choice.payload = copied.part(kHeaderSize, image.payload_size);
  }
  return slots_.admit(kind, slot, image);
}

// Nothing that may start is active, as on a new device or after its flash decayed.
Loader::Choice Loader::fall_back(Kind kind, ImageState& state) {
  for (const uint8_t slot : slots_.candidates(kind, state).slot) {
    Choice choice;
    if (slot == state.active || !ok(prepare(kind, slot, choice))) continue;
    state.active = slot;
    state.previous = kNoSlot;
    if (choice.image.counter > state.floor) state.floor = choice.image.counter;
    if (state.trial == slot) {
      state.trial = kNoSlot;
      state.stage = Stage::kNone;
    }
    choice.standing = Standing::kConfirmed;
    return choice;
  }
  return {};
}

Loader::Choice Loader::choose(Kind kind, ImageState& state, bool trials) {
  if (trials && state.stage == Stage::kPending) {
    Choice choice;
    if (ok(prepare(kind, state.trial, choice))) {
      state.stage = Stage::kRunning;
      choice.standing = Standing::kTrial;
      return choice;
    }
    reject(state, state.trial);
    state.trial = kNoSlot;
    state.stage = Stage::kNone;
    state.outcome = Outcome::kRefused;
  }
  Choice choice;
  if (state.active != kNoSlot && ok(prepare(kind, state.active, choice))) {
    choice.standing = Standing::kConfirmed;
    return choice;
  }
  return fall_back(kind, state);
}

// A model is not tried while there is no firmware to try it.
Loader::Choices Loader::choose_all(State& state, bool trials) {
  Choices choices;
  choices.firmware = choose(Kind::kFirmware, state.of(Kind::kFirmware), trials);
  if (choices.firmware.slot != kNoSlot) choices.model = choose(Kind::kModel, state.of(Kind::kModel), trials);
  return choices;
}

void Loader::hand_over(Kind kind, const Choice& choice) {
  Handoff::Running& running = handoff_.of(kind);
  running.slot = choice.slot;
  running.standing = choice.standing;
  running.floor = slots_.state().of(kind).floor;
  running.version = choice.image.version;
  std::memcpy(running.hash, choice.image.hash, kHashSize);
  copy_text(choice.image.name, running.name);
}

// A start that the watchdog ends while it reads and verifies is counted as well: so this is sealed before it begins.
// What the application asked for it asked of a start that comes to its end.
void Loader::begin(hal::ResetReason reason, uint32_t crashes, uint32_t boots, Request request) {
  clear(handoff_);
  handoff_.request = request;
  handoff_.crashes = crashes;
  handoff_.boots = boots;
  handoff_.reset_reason = reason;
  handoff_.deciding = 1;
  copy_text(slots_.board(), handoff_.board);
  seal(handoff_);
}

Decision Loader::start(hal::ResetReason reason) {
  const bool known = sealed(handoff_);
  Decision decision;
  if (known && handoff_.request == Request::kStayInLoader) decision.recovery = Recovery::kAsked;

  State state = slots_.state();
  const bool other = take_back(state) && !(known && handoff_.deciding != 0);  // what crashed is not what starts now
  const uint32_t crashes = known && crashed(reason) && !other ? handoff_.crashes + 1 : 0;
  const Request request = decision.recovery == Recovery::kAsked ? Request::kStayInLoader : Request::kNone;
  if (crashes >= kMaxCrashes) decision.recovery = Recovery::kCrashes;
  ++state.boots;
  begin(reason, crashes, state.boots, request);

  Choices choices;
  if (decision.recovery == Recovery::kNone) {
    const State before = state;
    choices = choose_all(state, true);
    const bool recorded = ok(slots_.record(state));
    const bool trial = choices.firmware.standing == Standing::kTrial || choices.model.standing == Standing::kTrial;
    if (!recorded && trial) {  // a trial that nobody would remember would be tried again at each start
      state = before;
      choices = choose_all(state, false);
    }
    if (choices.firmware.slot == kNoSlot) decision.recovery = Recovery::kNoImage;
  } else {
    static_cast<void>(slots_.record(state));  // a start that is not counted does not keep anyone from mending it
  }

  hand_over(Kind::kFirmware, choices.firmware);
  hand_over(Kind::kModel, choices.model);
  handoff_.model_address = reinterpret_cast<uintptr_t>(choices.model.payload.data());
  handoff_.model_size = static_cast<uint32_t>(choices.model.payload.size());
  handoff_.journal_unread = slots_.writable() ? 0 : 1;
  handoff_.request = Request::kNone;
  handoff_.deciding = 0;
  seal(handoff_);
  decision.slot = choices.firmware.slot;
  decision.firmware = choices.firmware.image;
  return decision;
}

}  // namespace edged::boot
