// What a port with a loader defines besides board.h (layout.cc): where its flash and its memory are.
#pragma once

#include "app/sensor.h"
#include "boot/flash_map.h"
#include "boot/handoff.h"
#include "boot/loader.h"
#include "hal/flash.h"

// Of the linker script.
extern "C" edged::boot::Handoff __handoff;

namespace edged::ports::layout {

extern const boot::FlashMap kMap;
hal::Flash& flash();
boot::Memory memory();
app::Sensor* sensor();  // nullptr: none

}  // namespace edged::ports::layout
