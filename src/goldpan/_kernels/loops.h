// Body of every level: included once per instruction set, compiled with its flags. It uses nothing of the standard
// library but constants, so that no inline function compiled for one instruction set can be linked into another.
// Compiled without contraction of a*b+c: the compensated sums depend on each rounding.
#pragma once
#include "bits.h"
#include "codes.h"
#include "narrow.h"
#include "sums.h"
#include "tile.h"

namespace goldpan {
namespace {

constexpr Level make_level(const char* name, bool narrow_first) {
    return {name,
            {kWidePanel, kGroup, tile},
            {kNarrowPanel, kNarrowGroup, narrow_tile},
            narrow_first,
            pack<float>,
            pack<double>,
            pack_narrow,
            quick_sum<false>,
            quick_sum<true>,
            compensated<double, float, false>,
            compensated<double, double, false>,
            [](const float* x, size_t d) { return compensated<float, float, false>(x, x, d); },
            compensated<double, float, true>,
            compensated<double, double, true>,
            hamming};
}

}  // namespace
}  // namespace goldpan
