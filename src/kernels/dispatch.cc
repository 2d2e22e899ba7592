#include <atomic>

#include "kernels/kernels.h"

namespace fathom {
namespace {

std::atomic<const KernelTable*>& Selected() {
  static std::atomic<const KernelTable*> table{SupportedKernels().back()};
  return table;
}

}  // namespace

std::vector<const KernelTable*> SupportedKernels() {
  std::vector<const KernelTable*> tables = {&ReferenceKernels()};
  return tables;
}

const KernelTable& Kernels() { return *Selected().load(std::memory_order_relaxed); }

bool SelectKernels(std::string_view name) {
  const std::vector<const KernelTable*> tables = SupportedKernels();
  if (name == "auto") {
    Selected().store(tables.back());
    return true;
  }
  for (const KernelTable* table : tables) {
    if (name == table->name) {
      Selected().store(table);
      return true;
    }
  }
  return false;
}

}  // namespace fathom
