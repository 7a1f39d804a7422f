// The chip's flash controller: the two things that every chip does its own way.
#pragma once

#include "ports/common/mapped_flash.h"

namespace edged::ports {

// Here RAM takes its place. On a chip these two unlock the controller, say what is to be done, wait for it to be done
// (a sector may take seconds: give up after what the data sheet says), and lock it again. Code that runs from the bank
// that it erases has to lie in RAM. Bounds, units and reading back are MappedFlash's.
using InternalFlash = RamDriver;

}  // namespace edged::ports
