// Any machine: whatever the compiler makes of plain loops.
#include "loops.h"

namespace goldpan {
extern const Level level_scalar;
constexpr Level level_scalar = make_level("scalar", false);
}  // namespace goldpan
