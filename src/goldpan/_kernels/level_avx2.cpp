// x86-64 since 2013: vpmaddwd on 256 bits.
#include "loops.h"

namespace goldpan {
extern const Level level_avx2;
constexpr Level level_avx2 = make_level("avx2", false);
}  // namespace goldpan
