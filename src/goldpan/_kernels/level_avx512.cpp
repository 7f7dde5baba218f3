// Servers since 2017: vpmaddwd on 512 bits.
#include "loops.h"

namespace goldpan {
extern const Level level_avx512;
constexpr Level level_avx512 = make_level("avx512", false);
}  // namespace goldpan
