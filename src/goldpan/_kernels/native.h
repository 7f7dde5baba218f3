// The parts of the module that are bound in files of their own.
#pragma once
#include <nanobind/nanobind.h>

namespace goldpan {

void bind_captions(nanobind::module_&);

}  // namespace goldpan
