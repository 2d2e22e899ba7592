#include "numeric/formats.h"  // header-only; compiled once here so that a defect shows in one place
