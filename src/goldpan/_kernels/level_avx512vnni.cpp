// Ice Lake and Zen 4 on: vpdpwssd multiplies and adds in one step, vpopcntq counts bits.
#include "loops.h"

namespace goldpan {
extern const Level level_avx512vnni;
constexpr Level level_avx512vnni = make_level("avx512vnni", true);
}  // namespace goldpan
