#include "ports/common/layout.h"

#include "app/pattern_sensor.h"
#include "facts.h"
#include "nor.h"
#include "ports/common/board.h"
#include "spi.h"

namespace edged::ports::layout {
namespace {

// The first MB of DDR is the application's code, its data begins at the second (app.ld); models come 16 MB on, in a
// slot's size.
constexpr uint32_t kFirmwareAt = facts::kDdr, kFirmwareBytes = 1u << 20;
constexpr uint32_t kModelAt = facts::kDdr + (16u << 20), kModelBytes = 4u << 20;

uint32_t millis() { return system().millis(); }

uint8_t* memory_at(uint32_t address) { return reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(address)); }

}  // namespace

constexpr boot::FlashMap kMap = {
    {{0x100000, kFirmwareBytes}, {0x200000, kFirmwareBytes}},
    {{0x400000, kModelBytes}, {0x800000, kModelBytes}},
    {{0x000000, 0x10000}, {0x010000, 0x10000}},
    kFirmwareAt,
};
static_assert(ok(boot::check(kMap, kNorGeometry)));

hal::Flash& flash() {
  static Spi spi;
  static Nor nor(spi, millis);
  return nor;
}

boot::Memory memory() {
  return {MutableBytes(memory_at(kFirmwareAt), kFirmwareBytes), MutableBytes(memory_at(kModelAt), kModelBytes)};
}

app::Sensor* sensor() {
  static app::PatternSensor pattern;
  return &pattern;
}

}  // namespace edged::ports::layout
