// The flash map and memory of facts.h. A model runs where it lies in flash; firmware is copied to RAM.
#include "ports/common/layout.h"

#include "app/pattern_sensor.h"
#include "facts.h"
#include "internal_flash.h"

namespace edged::ports::layout {

constexpr hal::Flash::Geometry kGeometry = {facts::kFlashBytes, facts::kSectorBytes, facts::kUnitBytes,
                                            facts::kPageBytes};

constexpr boot::FlashMap kMap = {
    {{facts::kFirmwareAt, facts::kFirmwareBytes}, {facts::kFirmwareAt + facts::kFirmwareBytes, facts::kFirmwareBytes}},
    {{facts::kModelAt, facts::kModelBytes}, {facts::kModelAt + facts::kModelBytes, facts::kModelBytes}},
    {{facts::kJournalAt, facts::kSectorBytes}, {facts::kJournalAt + facts::kSectorBytes, facts::kSectorBytes}},
    facts::kRunAt,
};
static_assert(ok(boot::check(kMap, kGeometry)));

hal::Flash& flash() {
  static InternalFlash driver;
  static MappedFlash flash(facts::kFlash, kGeometry, driver);
  return flash;
}

boot::Memory memory() {
  return {MutableBytes(reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(facts::kRunAt)), facts::kFirmwareBytes), {}};
}

// A board with a camera, a microphone or an accelerometer gives its own here, or nullptr.
app::Sensor* sensor() {
  static app::PatternSensor pattern;
  return &pattern;
}

}  // namespace edged::ports::layout
