// Boards with RAM in the place of flash, which facts.h places: models run where they lie, firmware is copied.
#include "app/pattern_sensor.h"
#include "facts.h"
#include "ports/common/layout.h"
#include "ports/common/mapped_flash.h"

namespace edged::ports::layout {
namespace {

constexpr uint32_t kSector = 64u << 10;
constexpr uint32_t kFirmwareBytes = 1u << 20, kModelBytes = 4u << 20;
// A program unit as wide as flash inside of microcontrollers commonly has, and the page that outer flash has.
constexpr hal::Flash::Geometry kGeometry = {facts::kRamFlashBytes, kSector, 8, 256};

}  // namespace

constexpr boot::FlashMap kMap = {
    {{0x100000, kFirmwareBytes}, {0x200000, kFirmwareBytes}},
    {{0x400000, kModelBytes}, {0x800000, kModelBytes}},
    {{0x000000, kSector}, {kSector, kSector}},
    facts::kFirmwareAt,
};
static_assert(ok(boot::check(kMap, kGeometry)));

hal::Flash& flash() {
  static RamDriver driver;
  static MappedFlash flash(facts::kRamFlash, kGeometry, driver);
  return flash;
}

boot::Memory memory() {
  return {MutableBytes(reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(facts::kFirmwareAt)), kFirmwareBytes), {}};
}

app::Sensor* sensor() {
  static app::PatternSensor pattern;
  return &pattern;
}

}  // namespace edged::ports::layout
