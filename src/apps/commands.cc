#include "apps/apps.h"

namespace fathom {

std::span<const Command> Commands() {
  static constexpr std::span<const Command> kCommands = {};
  return kCommands;
}

}  // namespace fathom
